"""Small flows of every family of real fields, far from a fresh start."""

import torch

from physgen import models

CNF = {"family": "equivariant-cnf", "features": 3, "frequencies": 4, "times": 3, "steps": 6}
COUPLING = {"family": "coupling-flow", "layers": 3, "hidden": 5, "bins": 4, "scale": 0.7}
GLOW = {"family": "glow-flow", "layers": 2, "hidden": 5, "scale": 0.7}
ZUKO = {"family": "zuko-flow", "shape": [3], "layers": 2, "hidden": [8], "scale": 1.3}
SCORE = {"family": "score-model", "channels": 4, "times": 3, "n_steps": 8, "scale": 0.8}
MIXTURE = {"family": "mixture-net", "n_components": 4, "hidden": 4, "scale": 0.8}
NO_GROUP = {"point_group": False}
CASES = {
    "cnf": CNF | {"shape": [4, 4]},
    "cnf, even": CNF | {"shape": [4, 4], "halved": True},
    "cnf, cube": CNF | {"shape": [2, 2, 2], "halved": True},
    "cnf, no point group": CNF | {"shape": [2, 4], "point_group": False},
    "cnf, not odd": CNF | {"shape": [4, 4], "halved": True, "odd": False},
    "cnf, components": CNF | {"shape": [3, 3, 2], "components": True},
    "score": SCORE | {"shape": [4, 4]},
    "score, even": SCORE | {"shape": [4, 4], "halved": True},
    "score, no point group": SCORE | {"shape": [2, 4], "halved": True, "point_group": False},
    "score, not odd": SCORE | {"shape": [4, 4], "halved": True, "odd": False},
    "score, local": SCORE | {"shape": [4, 4], "halved": True, "net": "local"},
    "score, local, not odd": SCORE | {"shape": [2, 4], "net": "local", "odd": False, **NO_GROUP},
    "score, u-net": SCORE | {"shape": [4, 4], "halved": True, "net": "unet", "channels": 2},
    "score, u-net, not odd": SCORE
    | {"shape": [2, 4], "net": "unet", "channels": 2, "odd": False, **NO_GROUP},
    "additive": COUPLING | {"shape": [4, 4], "kind": "additive", "site_bins": 5},
    "affine": COUPLING | {"shape": [4, 4], "point_group": True},
    "spline": COUPLING | {"shape": [4, 2], "kind": "spline"},
    "spline, even": COUPLING | {"shape": [4, 4], "kind": "spline", "halved": True, "site_bins": 3},
    "chain": COUPLING | {"shape": [6], "kernel": 5},
    "even chain": COUPLING | {"shape": [8], "halved": True, "kind": "spline"},
    "cube": COUPLING | {"shape": [2, 2, 2], "halved": True},
    "open": COUPLING | {"shape": [3, 3], "boundary": "open", "kind": "spline"},
    "cylinder": COUPLING | {"shape": [3, 4], "boundary": ["open", "periodic"], "halved": True},
    "not odd": COUPLING | {"shape": [4, 4], "odd": False, "kind": "spline", "halved": True},
    "glow": GLOW | {"shape": [4, 4], "site_bins": 4},
    "even glow": GLOW | {"shape": [4, 4], "halved": True},
    "open glow": GLOW | {"shape": [4, 2], "boundary": "open", "odd": False},
    "chain of glow": GLOW | {"shape": [6]},
    "maf": ZUKO | {"flow": "maf"},
    "iaf": ZUKO | {"flow": "iaf"},
    "nsf": ZUKO | {"flow": "nsf", "options": {"bins": 4}},
    "nsf, draws in one pass": ZUKO | {"flow": "nsf", "inverse": True},
    "realnvp": ZUKO | {"flow": "realnvp"},
    "realnvp, mixed": ZUKO | {"flow": "realnvp", "mixing": True},
    "mixtures": MIXTURE | {"shape": [3, 3]},
    "mixtures, even": MIXTURE | {"shape": [4, 4], "halved": True, "coarsest": 2},
    "mixtures, logistic": MIXTURE | {"shape": [4, 4], "halved": True, "law": "logistic"},
    "mixtures, open": MIXTURE | {"shape": [3, 4], "boundary": "open", "order": "raster"},
    "mixtures, not odd": MIXTURE | {"shape": [4], "odd": False, "n_components": 3},
    "zuko's cnf": ZUKO | {"flow": "cnf", "layers": 1},
}
SIZES = {
    "equivariant-cnf": 0.15,
    "score-model": 0.2,
    "coupling-flow": 0.4,
    "glow-flow": 0.4,
    "zuko-flow": 0.2,
    "mixture-net": 0.2,
}


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def stirred(model, size):
    """The model with normal numbers of this size added to its weights."""
    rng = generator(8)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=rng, dtype=torch.float64))
    return model


def make(name, size=None, **options):
    """A flow of CASES in float64."""
    config = CASES[name] | options
    size = SIZES[config["family"]] if size is None else size
    return stirred(models.build(config, rng=3).double(), size)

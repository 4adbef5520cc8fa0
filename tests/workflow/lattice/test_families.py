"""Every family goes through the stages, whether or not one sublattice is drawn exactly."""

import numpy as np
import pytest
import torch

from physgen import Stream, models
from physgen.models.families import FAMILIES
from physgen.results import open_run
from physgen.workflow.lattice.points import Scan
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run

TARGETS = {
    "reals": {"name": "phi4-2d", "convention": "unhalved", "m2": -4.0, "lam": 8.0},
    "spins": {"name": "ising-2d", "beta": 0.4},
}
SMALL = {"features": 2, "frequencies": 2, "times": 2, "layers": 1, "kernel": 3}
NO_CHECKERBOARD = ("coupling-flow", "glow-flow")  # need even extents
ONE_OF_EACH_CLASS = {row.path: name for name, row in FAMILIES.items()}.values()
CASES = [
    pytest.param(
        family,
        support,
        L,
        decimate,
        id=f"{family}-{L}{'-decimated' * decimate}",
        marks=[] if (L, decimate) == (4, True) or family == "masked-net" else [pytest.mark.slow],
    )
    for support in TARGETS
    for family in models.families.names(support)
    for L, decimate in ((4, True), (4, False), (3, True))
    if (L == 4 or family not in NO_CHECKERBOARD)
    and FAMILIES[family].objective != "likelihood"  # these: test_classical.py
    # Of a class with several names, all are decimated and one goes the other ways.
    and ((L, decimate) == (4, True) or family in ONE_OF_EACH_CLASS)
]


def options(family):
    """Small sizes, as far as the family has them."""
    known = models.families.family(family).arguments
    hidden = [4] if family == "zuko-flow" else 4
    given = SMALL | {"hidden": hidden}
    return {name: value for name, value in given.items() if name in known}


@pytest.mark.parametrize(("family", "support", "L", "decimate"), CASES)
def test_a_family_is_trained_stored_and_drawn(family, support, L, decimate, tmp_path):
    """A few updates change the weights, these are stored, and their draws are weighed."""
    table = {
        "seed": 2,
        "target": TARGETS[support] | {"L": L},
        "model": {"family": family, "decimate": decimate, **options(family)},
        "train": {
            "n_epochs": 1, "batch_size": 16, "draws_per_epoch": 48, "n_validation": 16,
            "learning_rate": 1e-3,
        },
        "importance": {"n_draws": 128, "ess_floor": 0.5},
        "smc": {"n_particles": 0},
    }  # fmt: skip
    if FAMILIES[family].objective != "reverse-kl":
        table["sampler"] = {"name": "auto", "n_chains": 64, "n_draws": 4, "thin": 1}
    config = config_from_dict(table)
    tree = open_run(run(config, tmp_path / "run", until="draw"))
    (place,) = Scan(config).places()
    (point,) = Scan(config).learned(place)
    (loss,) = (
        name
        for name in tree[f"{point.group}/training"].data_vars
        if name.startswith("validation_") and not name.endswith("_error")
    )
    assert np.isfinite(tree[f"{point.group}/training"][loss]).all()
    stored = models.from_dataset(tree[f"{point.group}/model"].to_dataset())
    assert stored.config["family"] == family
    # An odd extent has no checkerboard: the model is then of all sites.
    assert stored.event_shape == ((8,) if decimate and L == 4 else (L, L))
    fresh = models.learned(point.model(Stream(2).child("train").child(point.stream, "init")))
    pairs = zip(fresh.parameters(), stored.parameters(), strict=True)
    moved = torch.cat([(a - b).detach().abs().flatten() for a, b in pairs])
    # Where the last layer is solved for, it may move far.
    assert 1e-4 < float(moved.max()) < (0.1 if "sampler" not in table else np.inf)
    assert np.isfinite(float(tree[f"{point.group}/draws"]["log_z"]))

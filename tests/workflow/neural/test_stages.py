"""Every family goes through the stages, whether or not one sublattice is drawn exactly."""

import numpy as np
import pytest

from physgen import models
from physgen.models.decimated import Decimated
from physgen.results import open_run
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run

TARGETS = {
    "reals": {"name": "phi4-2d", "convention": "unhalved", "m2": -4.0, "lam": 8.0},
    "spins": {"name": "ising-2d", "beta": 0.4},
}
CASES = [(f, s) for s in TARGETS for f in models.families.names(s)]
SMALL = {"features": 2, "frequencies": 2, "times": 2, "layers": 1, "kernel": 3}
NO_CHECKERBOARD = ("coupling-flow", "glow-flow")  # need even extents


def options(family):
    """Small sizes, as far as the family has them."""
    known = models.families.family(family).arguments
    hidden = [4] if family == "zuko-flow" else 4
    given = SMALL | {"hidden": hidden}
    return {name: value for name, value in given.items() if name in known}


@pytest.mark.parametrize(
    ("L", "decimate"), [(4, True), (4, False), (3, True)], ids=["even", "all", "odd extent"]
)
@pytest.mark.parametrize(("family", "support"), CASES)
def test_a_family_is_trained_stored_and_drawn(family, support, L, decimate, tmp_path):
    if L == 3 and family in NO_CHECKERBOARD:
        pytest.skip(f"{family} needs even extents")
    table = {
        "seed": 2,
        "target": TARGETS[support] | {"L": L},
        "model": {"family": family, "decimate": decimate, **options(family)},
        "train": {
            "n_epochs": 1, "batch_size": 16, "draws_per_epoch": 32, "n_validation": 16,
            "learning_rate": 1e-3,
        },
        "importance": {"n_draws": 128, "ess_floor": 0.5},
        "chains": {"n_draws": 0},
        "smc": {"n_particles": 0},
    }  # fmt: skip
    out = run(config_from_dict(table), tmp_path / "run", until="sample")
    tree = open_run(out)
    (group,) = tree["trained"]["group"].values
    stored = models.from_dataset(tree[f"{group}/model"].to_dataset())
    decimated = decimate and L == 4
    assert stored.config["family"] == family
    assert stored.event_shape == ((8,) if decimated else (L, L))
    draws = tree[f"{group}/draws"]
    assert np.isfinite(float(draws["log_z"]))
    # The stored weights are those that were trained: a fresh model has others.
    fresh = models.build(stored.config, rng=5)
    assert not isinstance(stored, Decimated)
    before, after = (m.state_dict() for m in (fresh, stored))
    assert any(bool((before[k] != after[k]).any()) for k in after)

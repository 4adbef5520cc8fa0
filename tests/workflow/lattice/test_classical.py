"""Classical densities go through the stages of a lattice run, from configurations alone."""

import pytest
from helpers.marks import slow

from physgen import models
from physgen.core.errors import InputError
from physgen.models.families import FAMILIES
from physgen.results import open_run
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run

TARGETS = {
    "reals": {"name": "phi4-2d", "convention": "hopping", "L": 2, "kappa": 0.2, "lam": 0.1},
    "spins": {"name": "ising-2d", "L": 2, "beta": 0.2},
}
OPTIONS = {"gaussian-mixture": {"tolerance": 1e-3}, "factor-analysis": {"n_factors": 1}}
PLACES = {"reals": "L2/kappa0.2", "spins": "L2/beta0.2"}


def table(support, *models, **more):
    return {
        "seed": 3, "target": TARGETS[support], "model": list(models),
        "sampler": {"name": "auto", "n_chains": 64, "n_draws": 40, "thin": 3},
        "importance": {"n_draws": 2048}, "smc": {"n_particles": 0}, **more,
    }  # fmt: skip


def estimated(support):
    names = models.families.names(support)
    return [name for name in names if FAMILIES[name].objective == "likelihood"]


@pytest.mark.parametrize("support", [slow("reals"), "spins"])
def test_they_are_estimated_and_weighed(support, tmp_path):
    families = estimated(support)
    assert families
    sections = [{"family": name, **OPTIONS.get(name, {})} for name in families]
    tree = open_run(run(config_from_dict(table(support, *sections)), tmp_path / "a"))
    shares = tree["estimates"].to_dataset()["ess_share"]
    for name in families:
        history = tree[f"models/{name}/{PLACES[support]}/training"].to_dataset()
        assert set(history.sizes.values()) == {1}  # one solution, no steps
        assert shares.sel(generator=name).item() > (0.5 if name != "kernel-density" else 0.2)


def test_bad_input():
    for section, text in [
        ({"family": "gaussian", "train": {"on": "action"}}, "on = 'action' is not for 'gaussian'"),
        ({"family": "gaussian", "train": {"objective": "mixed-kl"}}, "'mixed-kl' is not for"),
        ({"family": "gaussian-mixture", "mixture": True}, "mixture is for densities"),
    ]:
        with pytest.raises(InputError, match=text):
            config_from_dict(table("reals", section))

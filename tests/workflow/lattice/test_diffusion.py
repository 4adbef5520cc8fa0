"""Densities that learn by regression go through the stages of a lattice run."""

from pathlib import Path

import pytest

from physgen.core.errors import InputError
from physgen.results import open_run
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run

DATA = Path(__file__).resolve().parents[3] / "data/phi4-2d"
PHI4 = {"name": "phi4-2d", "convention": "hopping", "L": 4, "kappa": 0.2, "lam": 0.1}
SAMPLER = {"name": "auto", "n_chains": 64, "n_draws": 30, "thin": 3}
TRAIN = {"n_epochs": 1, "batch_size": 128}
SCORE = {"family": "score-model", "channels": 4, "times": 3}


@pytest.fixture(autouse=True)
def few_solved(monkeypatch):
    monkeypatch.setattr("physgen.training.denoising_diffusion.MOST_SOLVED", 2048)


def table(*models, **more):
    return {
        "seed": 3, "target": PHI4, "sampler": SAMPLER, "model": list(models), "train": TRAIN,
        "importance": {"n_draws": 1024}, "smc": {"n_particles": 0}, **more,
    }  # fmt: skip


@pytest.mark.slow
def test_a_score_and_a_matched_flow_learn_from_the_chains(tmp_path):
    flow = {
        "family": "equivariant-cnf", "label": "matched", "features": 2, "frequencies": 2,
        "times": 3, "train": {"objective": "flow-matching"},
    }  # fmt: skip
    tree = open_run(run(config_from_dict(table(SCORE, flow)), tmp_path / "a"))
    grid = tree["estimates"].to_dataset()
    assert grid["ess_share"].sel(generator="score-model").item() > 0.9
    assert grid["ess_share"].sel(generator="matched").item() > 0.3
    for label, loss in (("score-model", "score_loss"), ("matched", "velocity_loss")):
        history = tree[f"models/{label}/L4/kappa0.2/training"].to_dataset()
        assert f"validation_{loss}" in history


@pytest.mark.slow
def test_on_the_action_a_score_model_is_a_flow_like_any_other(tmp_path):
    model = SCORE | {"channels": 2, "n_steps": 2, "train": {"on": "action", "n_epochs": 1}}
    model["train"] |= {"draws_per_epoch": 256, "n_validation": 128}
    tree = open_run(run(config_from_dict(table(model)), tmp_path / "a"))
    assert "validation_free_energy" in tree["models/score-model/L4/kappa0.2/training"].to_dataset()


def test_configurations_of_an_unknown_action_teach_a_score(tmp_path):
    data = {
        "holds": "configurations", "file": str(DATA / "L16_kappa0.26_lam0.022.h5"),
        "chains": True, "boundary": "periodic", "symmetries": ["z2", "translations"],
    }  # fmt: skip
    small = SCORE | {"channels": 2, "times": 2, "n_steps": 2}
    more = {"train": TRAIN, "importance": {"n_draws": 256}}
    config = config_from_dict({"seed": 1, "data": data, "model": small} | more)
    tree = open_run(run(config, tmp_path / "a"))
    assert "score-model" in tree["estimates"].to_dataset()["generator"].values


def test_an_action_is_no_data_for_a_regression():
    train = {"on": "action", "objective": "denoising-diffusion"}
    with pytest.raises(InputError, match="does not learn on 'action'"):
        config_from_dict(table(SCORE | {"train": train}))

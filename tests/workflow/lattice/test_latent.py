"""Joint models go through the stages of a lattice run: weights of pairs, draws beside them."""

from pathlib import Path

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice import Hypercubic
from physgen.results import open_run
from physgen.targets import Ising
from physgen.workflow.lattice.objectives import objective_of
from physgen.workflow.loading import config_from_dict
from physgen.workflow.report import write_report
from physgen.workflow.run import run

DATA = Path(__file__).resolve().parents[3] / "data/phi4-2d"
ISING = {"name": "ising-2d", "beta": 0.3, "L": 4}
PHI4 = {"name": "phi4-2d", "convention": "unhalved", "m2": -4.0, "lam": 8.0, "L": 4}
SAMPLER = {"name": "auto", "n_chains": 64, "n_draws": 100, "thin": 3}


def table(target, model, **more):
    return {
        "seed": 3, "target": target, "model": model,
        "importance": {"n_draws": 4096, "ess_floor": 20}, "smc": {"n_particles": 0}, **more,
    }  # fmt: skip


@pytest.mark.slow
def test_spins_learn_from_chains_and_are_corrected(tmp_path):
    train = {"n_epochs": 3, "batch_size": 128, "objective": "elbo"}
    config = config_from_dict(
        table(ISING, {"family": "spin-vae", "channels": 4, "train": train}, sampler=SAMPLER)
    )
    tree = open_run(run(config, tmp_path / "a"))
    group = "models/spin-vae/L4/beta0.3"
    assert "validation_nll_bound" in tree[f"{group}/training"].to_dataset()
    draws = tree[f"{group}/draws"].to_dataset()
    assert draws.attrs["exactness"] == "asymptotic"
    assert "approximate" in draws.attrs["weights_of"]
    raw = tree[f"{group}/raw"].to_dataset()
    assert raw.attrs["exactness"] == "approximate"
    grid = tree["estimates"].to_dataset().sel(generator="spin-vae").squeeze()
    for name in ("energy_per_site", "log_z"):
        assert abs(float(grid[f"{name}_pull"])) < 4
    alone = float(raw["value"].sel(quantity="energy_per_site"))
    assert alone != pytest.approx(float(grid["energy_per_site"]), rel=1e-6)
    features = tree[f"{group}/features"].to_dataset()
    assert 0 < float(features["correlation"]) <= 1
    page = write_report(tmp_path / "a").read_text()
    assert "Draws of joint models" in page
    assert "draws alone" in page.replace("<br>", " ")


@pytest.mark.slow
def test_fields_learn_from_the_action_without_any_data(tmp_path):
    train = {"n_epochs": 2, "batch_size": 256, "draws_per_epoch": 5120, "n_validation": 512}
    model = {"family": "vae", "channels": 4, "pairs": 2, "train": train}
    tree = open_run(run(config_from_dict(table(PHI4, model)), tmp_path / "a"))
    grid = tree["estimates"].to_dataset().squeeze()
    assert float(grid["ess_share"]) > 0.2
    assert abs(float(grid["log_z"]) - 2.40514) < 4 * float(grid["log_z_error"])


@pytest.mark.slow
def test_the_zero_mode_of_a_flow_follows_the_magnetization(tmp_path):
    train = {"budget": "2s", "batch_size": 128, "draws_per_epoch": 1280, "n_validation": 256}
    model = {"family": "coupling-flow", "layers": 2, "hidden": 4, "train": train}
    tree = open_run(run(config_from_dict(table(PHI4, model, sampler=SAMPLER)), tmp_path / "a"))
    found = tree["models/coupling-flow/L4/m2-4/features"].to_dataset()
    assert float(found["correlation"]) > 0.8
    assert found["feature"].attrs["long_name"] == "zero mode of z"
    assert found.sizes["mode"] == 8  # of the even sites


@pytest.mark.slow
def test_a_bound_is_told_how_by_the_config(tmp_path):
    how = {"objective": "elbo", "beta": 4.0, "warm_up": 0.5, "free_bits": 0.1, "k": 2}
    train = how | {"n_epochs": 1, "batch_size": 128}
    model = {"family": "spin-vae", "prior": "plain", "posterior": "diagonal", "channels": 2}
    config = config_from_dict(table(ISING, model | {"train": train}, sampler=SAMPLER))
    x = np.ones((64, 4, 4), np.int8)
    objective = objective_of(
        config.model[0], "spin-vae", Ising(Hypercubic((4, 4)), 0.3), x, Stream(1)
    )
    found = (objective.beta, objective.warm_up, objective.free_bits, objective.k)
    assert found == (4.0, 0.5, 0.1, 2)
    tree = open_run(run(config, tmp_path / "a"))  # and its loss is not called a likelihood
    history = tree["models/spin-vae/L4/beta0.3/training"].to_dataset()
    assert "validation_beta_loss" in history
    assert not any("nll" in name for name in history)


@pytest.mark.slow
def test_configurations_of_an_unknown_action_have_a_bound(tmp_path):
    data = {
        "holds": "configurations", "file": str(DATA / "L16_kappa0.26_lam0.022.h5"),
        "chains": True, "boundary": "periodic", "symmetries": ["z2", "translations"],
    }  # fmt: skip
    more = {"train": {"n_epochs": 1, "batch_size": 128}, "importance": {"n_draws": 256}}
    model = {"family": "vae", "channels": 2, "pairs": 1}
    config = config_from_dict({"seed": 1, "data": data, "model": model} | more)
    tree = open_run(run(config, tmp_path / "a"))
    draws = tree["models/vae/draws"].to_dataset()
    assert np.isfinite(draws["held_out_nll"]).all()
    assert "log_weight" not in draws
    assert "&lt; " in write_report(tmp_path / "a").read_text()


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ({"family": "spin-vae", "train": {"objective": "iwae"}}, {}, "needs configurations"),
        (
            {"family": "spin-vae", "mixture": True},
            {"sampler": SAMPLER},
            "mixture is for densities",
        ),
        (
            {"family": "spin-vae", "train": {"objective": "score-matching"}},
            {"sampler": SAMPLER},
            "objective of 'spin-vae' must be one of 'auto', 'reverse-kl'",
        ),
        (
            {"family": "spin-vae", "train": {"on": "action", "objective": "elbo"}},
            {"sampler": SAMPLER},
            "does not learn on 'action'",
        ),
        ({"family": "coloured-net", "train": {"objective": "elbo"}}, {}, "must be one of 'auto'"),
        (
            {"family": "spin-vae", "train": {"objective": "iwae", "beta": 2.0}},
            {"sampler": SAMPLER},
            "beta is of objective 'elbo', got 'iwae'",
        ),
        (
            {"family": "spin-vae", "train": {"warm_up": 0.5}},
            {"sampler": SAMPLER},
            "warm_up is of objective 'elbo', got 'reverse-kl'",
        ),
        ({"family": "coloured-net", "train": {"k": 3}}, {}, "k is of objective 'contrastive"),
        (
            {"family": "spin-vae", "train": {"objective": "elbo", "free_bits": -1}},
            {"sampler": SAMPLER},
            "free_bits must be a number of nats >= 0, got -1",
        ),
        (  # before any chain is drawn: its prior is a flow where nothing is said
            {"family": "spin-vae", "train": {"objective": "elbo", "free_bits": 0.1}},
            {"sampler": SAMPLER},
            "the prior of 'spin-vae' is a flow",
        ),
    ],
)
def test_what_a_joint_model_cannot_do_is_refused(model, more, said):
    with pytest.raises(InputError, match=said):
        config_from_dict(table(ISING, model, **more))

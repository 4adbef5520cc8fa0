"""A Boltzmann machine in a reconstruction: an energy that becomes a density with its log Z."""

import itertools

import numpy as np
import pytest

from physgen import models
from physgen.core.errors import InputError
from physgen.results import open_run
from physgen.workflow.loading import config_from_dict
from physgen.workflow.reconstruction.warnings import warnings_of
from physgen.workflow.run import run

MACHINE = {"family": "categorical-rbm", "n_hidden": 4}


def table(**more):
    return {
        "seed": 2, "system": {"L": 3}, "data": {"povm": "pauli-4", "n_shots": 2000},
        "model": MACHINE, "train": {"n_epochs": 3}, "errors": {"refits": 2, "n_samples": 2000},
        "sample": {"n_samples": 2000}, "validate": {"n_samples": 2000}, **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return open_run(run(config_from_dict(table()), tmp_path_factory.mktemp("machine") / "run"))


def test_the_stored_model_is_normalised(tree):
    model = models.from_dataset(tree["model"].to_dataset())
    assert model.config["family"] == "normalised"
    everything = np.array(list(itertools.product(range(4), repeat=3)), np.uint8)
    assert np.exp(model.log_prob(everything)).sum() == pytest.approx(1, abs=1e-6)


def test_draws_follow_its_density(tree):
    model = models.from_dataset(tree["model"].to_dataset())
    everything = np.array(list(itertools.product(range(4), repeat=3)), np.uint8)
    p = np.exp(model.log_prob(everything))
    n = 20_000
    x = model.sample(n, 1).numpy().astype(int)
    counts = np.bincount(x @ [16, 4, 1], minlength=64)
    chi2 = ((counts - n * p) ** 2 / (n * p)).sum()
    assert chi2 < 63 + 3.5 * np.sqrt(2 * 63)
    assert np.abs(model.sample(10, 1).numpy() - x[:10]).max() == 0  # the first of more


def test_its_quality_is_told_like_that_of_any_density(tree):
    training, validation = tree["training"], tree["validation"]
    kept = training["step"].values == training.attrs["best_step"]
    assert np.isfinite(training["validation_nll"].values[kept]).all()
    assert 0.9 < float(validation["fidelity"][0]) < 1.01
    assert tree["refits"].sizes["refit"] == 3


def test_what_the_fit_says_against_itself_is_shown(tree):
    marked = tree.copy()
    marked["training"] = (
        marked["training"].to_dataset().assign_attrs(warnings="out of equilibrium")
    )
    assert "out of equilibrium" in warnings_of(marked, {})
    assert "out of equilibrium" not in warnings_of(tree, {})


def test_symmetries_cannot_be_imposed():
    with pytest.raises(InputError, match="symmetries cannot be imposed on 'categorical-rbm'"):
        config_from_dict(table(model=MACHINE | {"symmetries": ["reflection"]}))


def test_a_budget_goes_before_the_length_of_the_recipe():
    """The recipe of a machine counts epochs; a config may give a time instead."""
    from physgen.workflow.reconstruction.models import fit_settings

    config = config_from_dict(table(train={"budget": "20s"}))
    settings = fit_settings(config, config.model[0])
    assert (settings.budget, settings.n_epochs) == ("20s", None)
    config = config_from_dict(table(train={"batch_size": 50}))
    assert fit_settings(config, config.model[0]).n_epochs == 200

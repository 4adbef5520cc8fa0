"""Generators go through the stages: configurations, fit, raw draws without weights."""

import json

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.results import open_run
from physgen.workflow.lattice.summary import summarize
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run

PHI4 = {"name": "phi4-2d", "convention": "hopping", "L": 4, "kappa": 0.2, "lam": 0.1}
SAMPLER = {"name": "auto", "n_chains": 64, "n_draws": 12, "thin": 2}
TRAIN = {"n_epochs": 1, "batch_size": 100}


def table(model, **more):
    return {
        "seed": 3, "target": PHI4, "sampler": SAMPLER, "smc": {"n_particles": 0},
        "importance": {"n_draws": 512}, "model": {"train": TRAIN} | model, **more,
    }  # fmt: skip


@pytest.mark.slow
def test_raw_observables_and_no_weights(tmp_path):
    config = config_from_dict(table({"family": "gan", "channels": 3}))
    tree = open_run(run(config, tmp_path / "a"))
    draws = tree["models/gan/L4/kappa0.2/draws"].to_dataset()
    assert draws["phi2"].size == 512
    assert (draws.attrs["exactness"], draws.attrs["exactness_for"]) == (
        "approximate",
        "the target",
    )
    assert not {"log_weight", "log_z", "ess_share", "k_hat"} & set(draws.data_vars)
    grid = tree["estimates"].to_dataset()
    assert np.isfinite(grid["phi2"].sel(generator="gan")).all()
    assert np.isnan(grid["log_z"].sel(generator="gan")).all() if "log_z" in grid else True
    assert grid.attrs["exactness"] == "approximate"
    stored = json.loads(tree["models/gan/L4/kappa0.2/model"].attrs["trained_by"])
    assert stored["objective"] == "adversarial, non-saturating"
    history = tree["models/gan/L4/kappa0.2/training"].to_dataset()
    assert {"adversarial", "moments", "critic_value", "validation_energy_score"} <= set(history)
    summary = summarize(tree, config)
    (free,) = (each for each in summary.tables if each.heading == "Free energy")
    assert free.rows == ()  # no ESS of what has no density
    (raw,) = (each for each in summary.tables if each.heading == "Observables")
    assert any("gan" in row for row in raw.rows)


@pytest.mark.slow
def test_a_collapse_is_told_where_the_numbers_are(tmp_path):
    """An untrained generator of too small fields: the warning stands in the summary."""
    model = {"family": "gan", "channels": 3, "scale": 0.01,
             "train": {"n_epochs": 1, "batch_size": 600}}  # fmt: skip
    config = config_from_dict(table(model))
    tree = open_run(run(config, tmp_path / "a"))
    told = "\n".join(summarize(tree, config).warnings)
    assert "collapsed: too little spread" in told


@pytest.mark.slow
def test_a_flow_as_generator_has_weights(tmp_path):
    train = TRAIN | {"objective": "non-saturating", "terms": {"likelihood": 0.5}}
    model = {"family": "coupling-flow", "decimate": False, "train": train, "label": "flow"}
    config = config_from_dict(table(model))
    tree = open_run(run(config, tmp_path / "a"))
    draws = tree["models/flow/L4/kappa0.2/draws"].to_dataset()
    assert "ess_share" in draws
    assert "likelihood" in tree["models/flow/L4/kappa0.2/training"].to_dataset()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            {"family": "gan", "train": {"objective": "reverse-kl"}},
            "objective of 'gan' must be one",
        ),
        ({"family": "gan", "train": {"on": "action"}}, "is a generator, which learns"),
        ({"family": "gan", "mixture": True}, "mixture is for densities"),
        ({"family": "gan", "chains": {"n_draws": 5}}, "chains are for energies"),
        ({"family": "glow-flow", "train": {"terms": {"moments": 1.0}}}, "terms are for an adv"),
        ({"family": "gan", "odd_symmetry": True}, "odd_symmetry is not a known key"),
        ({"family": "spin-gan"}, "family of a target of reals must be"),
    ],
)
def test_what_does_not_go_together_is_refused(model, said, tmp_path):
    with pytest.raises(InputError, match=said):
        run(config_from_dict(table(model)), tmp_path / "a")


def test_terms_change_the_identity_of_a_run_only_where_they_are_given():
    plain = config_from_dict(table({"family": "gan"}))
    weighed = config_from_dict(
        table({"family": "gan", "train": TRAIN | {"terms": {"moments": 9.0}}})
    )
    assert "terms" not in plain.canonical()["model"][0]["train"]
    assert weighed.canonical()["model"][0]["train"]["terms"] == {"moments": 9.0}


@pytest.mark.slow
def test_an_autoencoder_is_fitted_by_squares_and_draws(tmp_path):
    """It has its own objective, no critic; its codes stand beside the magnetization."""
    tree = open_run(run(config_from_dict(table({"family": "autoencoder"})), tmp_path / "a"))
    (group,) = (g for g in tree.groups if g.endswith("autoencoder/L4/kappa0.2/training"))
    history = tree[group].to_dataset()
    assert {"validation_sum_of_squares", "validation_sum_of_squares_error"} <= set(history)
    assert np.isfinite(tree["estimates"].to_dataset()["phi2"]).all()
    features = tree[group.replace("training", "features")].to_dataset()
    assert 0 < float(features["correlation"]) <= 1

"""Learned energies go through the stages: configurations, fit, chains, log Z, tables."""

import numpy as np
import pytest

from physgen import Phi4, Phi4Cluster
from physgen import run as run_chains
from physgen.core.errors import InputError, InterruptedRunError
from physgen.results import open_run
from physgen.workflow.lattice.job import JOB
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run

PHI4 = {"name": "phi4-2d", "convention": "hopping", "L": 4, "kappa": 0.2, "lam": 0.1}
ISING = {"name": "ising-2d", "L": 3, "beta": 0.3}
SAMPLER = {"name": "auto", "n_chains": 64, "n_draws": 30, "thin": 3}
CHAINS = {"n_chains": 64, "n_draws": 40}


def table(target, model, **more):
    return {
        "seed": 3, "target": target, "sampler": SAMPLER, "model": {"chains": CHAINS} | model,
        "smc": {"n_particles": 0}, **more,
    }  # fmt: skip


def explained(tree, *groups):
    """Check that the job explains every group, and that these are written."""
    written = {JOB.group_of(g) for g in tree.groups if tree[g].has_data}
    assert set(groups) <= written <= {*JOB.groups, ""}


def test_couplings_are_learned_with_errors_beside_the_true_ones(tmp_path):
    tree = open_run(run(config_from_dict(table(PHI4, {"family": "local-action"})), tmp_path / "a"))
    found = tree["couplings"].to_dataset().isel(generator=0, L=0, kappa=0)
    true = dict(zip(found["term"].values, found["true"].values))
    assert true == pytest.approx({"nearest": -0.4, "phi2": 0.8, "phi4": 0.1})
    pulls = (found["coupling"] - found["true"]) / found["coupling_error"]
    assert np.abs(pulls.values).max() < 4
    assert (found["bound"].values > 0).all()
    grid = tree["estimates"].to_dataset().sel(generator="local-action")
    assert grid["ess_share"].item() > 0.8  # the learned action is nearly the true one
    log_z = tree["models/local-action/L4/kappa0.2/log_z"].to_dataset()
    assert np.isfinite(float(log_z["log_z"]))
    draws = tree["models/local-action/L4/kappa0.2/draws"]
    assert draws.attrs["exactness"] == "approximate"
    assert draws["phi2"].sizes == {"chain": 64, "draw": 40}
    explained(tree, "couplings", "models/log_z")


def test_a_machine_of_spins_is_trained_and_drawn_by_block_gibbs(tmp_path):
    model = {"family": "rbm", "n_hidden": 6, "train": {"n_epochs": 2, "batch_size": 100}}
    tree = open_run(run(config_from_dict(table(ISING, model)), tmp_path / "a"))
    draws = tree["models/rbm/L3/beta0.3/draws"]
    assert draws.attrs["sampler"].startswith("BlockGibbs")
    assert np.isfinite(float(tree["models/rbm/L3/beta0.3/log_z"]["log_z"]))
    explained(tree, "models/features")


def test_configurations_of_an_unknown_action_teach_an_energy(tmp_path):
    drawn = run_chains(Phi4Cluster(), Phi4.from_hopping(L=4, kappa=0.2, lam=0.1), n_chains=64,
                       n_draws=30, thin=3, seed=4, keep="configurations")  # fmt: skip
    np.save(tmp_path / "x.npy", drawn["configurations"].values)
    data = {
        "holds": "configurations", "file": str(tmp_path / "x.npy"), "chains": True,
        "boundary": "periodic", "symmetries": ["z2", "translations"],
    }  # fmt: skip
    config = config_from_dict(
        {"seed": 1, "data": data, "model": {"family": "local-action", "chains": CHAINS}}
    )
    tree = open_run(run(config, tmp_path / "a"))
    found = tree["couplings"].to_dataset().isel(generator=0, L=0, point=0)
    near = dict(zip(found["term"].values, found["coupling"].values))
    assert near["nearest"] == pytest.approx(-0.4, rel=0.2)
    assert np.isnan(found["true"].values).all()


@pytest.mark.slow
def test_draws_stay_where_log_z_is_refused(tmp_path, monkeypatch):
    from physgen.workflow.lattice import energies

    def refused(*args):
        raise InputError("no start is known")

    monkeypatch.setattr(energies, "_log_z", refused)
    tree = open_run(run(config_from_dict(table(PHI4, {"family": "local-action"})), tmp_path / "a"))
    assert tree["models/local-action/L4/kappa0.2/draws"]["phi2"].sizes["draw"] == 40
    grid = tree["estimates"].to_dataset()
    assert np.isfinite(grid["phi2"].sel(generator="local-action")).all()
    assert "log Z is refused: no start is known" in grid.attrs["warnings"]


@pytest.mark.slow
def test_an_energy_without_a_distribution_is_refused_alone(tmp_path, monkeypatch):
    def unbounded(*args):
        raise InputError("phi4 must be > 0")

    from physgen.workflow.lattice import chains

    drawn = chains.draw

    def draw(context, point, *how):
        return unbounded() if point.group.startswith("models") else drawn(context, point, *how)

    monkeypatch.setattr(chains, "draw", draw)
    tree = open_run(run(config_from_dict(table(PHI4, {"family": "local-action"})), tmp_path / "a"))
    grid = tree["estimates"].to_dataset()
    assert np.isnan(grid["phi2"].sel(generator="local-action")).all()
    assert np.isfinite(grid["phi2"].sel(generator="mcmc")).all()
    assert "refused: phi4 must be > 0" in grid.attrs["warnings"]


@pytest.mark.slow
def test_an_interrupted_run_ends_in_the_same_numbers(tmp_path, monkeypatch):
    config = config_from_dict(table(PHI4, {"family": "local-action"}))
    whole = open_run(run(config, tmp_path / "whole"))
    from physgen.workflow.lattice import energies

    def stopped(*args):
        raise InterruptedRunError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(energies, "_log_z", stopped)
        with pytest.raises(InterruptedRunError):
            run(config, tmp_path / "part")
    again = open_run(run(config, tmp_path / "part"))
    for group in ("models/local-action/L4/kappa0.2/draws", "estimates"):
        a, b = whole[group].to_dataset(), again[group].to_dataset()
        for name in a.data_vars:
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"family": "local-action", "train": {"on": "action"}}, "is an energy, which learns from"),
        ({"family": "local-action", "mixture": True}, "mixture is for densities"),
        (
            {"family": "local-action", "train": {"objective": "reverse-kl"}},
            "must be one of 'auto'",
        ),
        ({"family": "equivariant-cnf", "train": {"objective": "denoising"}}, "must be one of"),
        ({"family": "equivariant-cnf"}, "chains are for energies"),
    ],
)
def test_what_means_nothing_for_a_family_is_refused(model, says):
    with pytest.raises(InputError, match=says):
        config_from_dict(table(PHI4, model))


def test_chains_that_cannot_move_an_energy_are_refused_before_anything_is_drawn(tmp_path):
    model = {"family": "local-spin-action", "chains": {"name": "hmc"}}
    with pytest.raises(InputError, match=r"local-spin-action, .*HMC moves real fields, got a"):
        run(config_from_dict(table(ISING, model)), tmp_path / "a")
    assert not (tmp_path / "a" / "run.h5").exists()


def test_an_energy_needs_configurations():
    config = {k: v for k, v in table(PHI4, {"family": "local-action"}).items() if k != "sampler"}
    with pytest.raises(InputError, match="family 'local-action' needs configurations"):
        config_from_dict(config)

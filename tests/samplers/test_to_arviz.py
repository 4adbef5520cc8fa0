"""Draws in ArviZ: the same numbers, and every table and plot that ArviZ makes of them."""

import numpy as np
import pytest
import xarray as xr

import physgen as pg
from physgen.analysis.convergence import load_arviz
from physgen.core.errors import InputError

az = load_arviz()


@pytest.fixture(scope="module")
def draws():
    target = pg.Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    return pg.run(
        pg.HMC(), target, n_chains=64, n_draws=40, seed=1, quiet=True, keep="configurations"
    )


def test_arviz_finds_the_effective_draws_and_r_hat_that_we_find(draws):
    ours = pg.estimates(draws).sel(quantity="action_per_site")
    theirs = az.summary(pg.to_arviz(draws), round_to="none").loc["action"]
    assert theirs["r_hat"] == pytest.approx(float(ours["r_hat"]), abs=0.01)
    assert theirs["ess_bulk"] == pytest.approx(float(ours["ess"]), rel=0.25)
    assert theirs["mean"] / 16 == pytest.approx(float(ours["value"]), rel=1e-12)


def test_the_groups_hold_what_the_run_recorded(draws):
    found = pg.to_arviz(draws)
    assert set(found.posterior.data_vars) == {"action", "magnetization", "phi2"}
    np.testing.assert_array_equal(found.posterior["phi2"], draws["phi2"])
    np.testing.assert_array_equal(
        found.unconstrained_posterior["configurations"], draws["configurations"]
    )
    assert "acceptance_rate" in found.sample_stats
    assert found.sample_stats["divergent"].dims == ("chain",)
    assert found.posterior.attrs["target"] == draws.attrs["target"]


def test_spins_and_vector_observables():
    draws = pg.run(
        pg.HeatBath(), pg.Ising(L=4, beta=0.3), n_chains=8, n_draws=20, seed=1, quiet=True,
        observables={"rows": lambda s: s.sum(2)}, keep="configurations",
    )  # fmt: skip
    found = pg.to_arviz(draws)
    assert found.posterior["rows"].shape == (8, 20, 4)
    assert "unconstrained_posterior" not in found.groups()  # packed bits are no numbers
    assert len(az.summary(found)) == 4


def test_weighted_draws_are_refused():
    weighted = xr.Dataset({"action": ("sample", np.zeros(5))})
    with pytest.raises(InputError, match=r"chain and draw, got \('sample',\)"):
        pg.to_arviz(weighted)

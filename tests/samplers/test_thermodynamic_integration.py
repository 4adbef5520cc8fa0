"""log Z from the energies of replicas against exact values, and where the ladder is too coarse."""

import math

import numpy as np
import pytest
import xarray as xr
from helpers.statistics import accepts, normal_p, unit_variance_p, within
from scipy import stats

from physgen.core.errors import InputError
from physgen.exact.kaufman import log_z
from physgen.samplers import run
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.tempering import ParallelTempering
from physgen.samplers.thermodynamic_integration import (
    _bennett_steps,
    _integral_steps,
    thermodynamic_integration,
)
from physgen.targets.ising import Ising

BETAS = np.linspace(0.0, 0.5, 9)
EXACT = np.array([16 * math.log(2), *(float(log_z(b, (4, 4))) for b in BETAS[1:])])


def replicas(seed, n_chains=64, n_draws=100, betas=BETAS):
    return run(
        ParallelTempering(HeatBath(), betas), Ising(L=4, beta=betas[-1]), n_chains=n_chains,
        n_draws=n_draws, warmup=30, seed=seed, quiet=True,
    )  # fmt: skip


@pytest.mark.statistical
def test_ising_against_kaufman():
    found = thermodynamic_integration(replicas(1), log_z_start=16 * math.log(2))
    assert found.attrs["warnings"] == ""
    for name in ("log_z", "log_z_bennett"):
        for k in range(1, len(BETAS)):  # correlated along the ladder: one by one
            value, error = found[name][k], found[f"{name}_error"][k]
            assert within(value, EXACT[k], error, largest=0.035)
    assert found["log_z"][0] == 16 * math.log(2)
    wrong = thermodynamic_integration(replicas(1))  # forgets log Z of the start
    assert not within(wrong["log_z"][-1], EXACT[-1], wrong["log_z_error"][-1], largest=0.035)


@pytest.mark.slow
def test_errors_are_those_of_leaving_out_chains():
    """The linearised errors against a jackknife of the whole formula over chains."""
    ds = replicas(5)
    found, E = thermodynamic_integration(ds), ds["energy"].values
    for name, steps in (("log_z", _integral_steps), ("log_z_bennett", _bennett_steps)):
        without = np.array(
            [np.cumsum(steps(np.delete(E, c, axis=0), BETAS)[0]) for c in range(len(E))]
        )
        spread = np.sqrt(63 / 64 * np.sum((without - without.mean(0)) ** 2, axis=0))
        error = found[f"{name}_error"].values[1:]
        np.testing.assert_allclose(error, spread, rtol=0.25)
        assert 0.88 < np.mean(error / spread) < 1.12


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("name", ["log_z", "log_z_bennett"])
def test_error_bars_cover(name):
    def p_value(factor):
        def test(n, seed):
            pulls = []
            for k in range(n):
                ds = replicas(1000 * seed + k, n_draws=40)
                ds["energy"] = factor * ds["energy"]
                found = thermodynamic_integration(ds, log_z_start=16 * math.log(2))
                pulls.append(
                    (found[name][-1] - EXACT[-1]).item() / found[f"{name}_error"][-1].item()
                )
            return min(2 * unit_variance_p(np.array(pulls)), 2 * normal_p(sum(pulls) / n**0.5), 1)

        return test

    assert accepts(p_value(1.0), 24)
    assert not accepts(p_value(1 / 1.05), 6)  # temperature off by 5 %


def test_a_gaussian_is_integrated_to_its_closed_form():
    """E = x^2 / 2 at beta: log Z = -log(beta) / 2 + const; exact quantiles instead of draws."""
    betas = np.geomspace(0.5, 2.0, 8)
    u = (np.arange(40_000) + 0.5) / 40_000
    x = stats.norm.ppf(u)
    order = np.random.default_rng(1).permutation(40_000)
    E = np.stack([0.5 * x[order] ** 2 / beta for beta in betas], axis=-1).reshape(100, 400, 8)
    ds = xr.Dataset({"energy": (("chain", "draw", "beta"), E)}, coords={"beta": betas})
    found = thermodynamic_integration(ds)
    exact = -0.5 * np.log(betas / betas[0])
    np.testing.assert_allclose(found["log_z"], exact, atol=1e-3)
    np.testing.assert_allclose(found["log_z_bennett"], exact, atol=1e-3)
    trapezoid = np.cumsum(-np.diff(betas) / 2 * (1 / betas[1:] + 1 / betas[:-1]) / 2)
    assert abs(trapezoid[-1] - exact[-1]) > 3e-3  # without the variances it is not


def test_a_ladder_that_is_too_coarse_is_said():
    betas = np.array([0.0, 0.5])
    found = thermodynamic_integration(replicas(2, betas=betas))
    assert "take more values of beta" in found.attrs["warnings"]


def test_what_cannot_be_integrated_is_refused():
    ds = replicas(3, n_chains=4, n_draws=8)
    with pytest.raises(InputError, match="must have action with the dimension beta"):
        thermodynamic_integration(ds, energy="action")
    with pytest.raises(InputError, match="two or more values of beta, got 1"):
        thermodynamic_integration(ds.isel(beta=[0]))
    with pytest.raises(InputError, match="log_z_start must be a finite number"):
        thermodynamic_integration(ds, log_z_start=math.nan)

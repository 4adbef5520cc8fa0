"""Estimates of a run: against enumeration, their errors, and the table."""

import math

import numpy as np
import pytest
import xarray as xr
from helpers.chains import Chain, Gaussian
from helpers.marks import slow
from helpers.statistics import accepts, joint_p, unit_variance_p, within

from physgen.analysis import format_table
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact import exact_ising, probabilities
from physgen.exact.enumeration import spins_of
from physgen.observables import second_moment_correlation_length, structure_factor_kmin
from physgen.samplers import ExactDraws, HeatBath, estimates, run
from physgen.targets import Ising, Phi4

ISING = Ising(L=4, beta=0.35)
RECORDED = ["energy", "magnetization", "structure_factor_kmin"]


def references(target):
    exact = {
        name: float(exact_ising(target)[name])
        for name in (
            "energy_per_site",
            "specific_heat",
            "abs_magnetization",
            "susceptibility",
            "chi_abs",
            "binder",
        )
    }
    p, x = probabilities(target), spins_of(np.arange(1 << 16), (4, 4))
    S = float(p @ structure_factor_kmin(x, 2))
    S0 = exact["susceptibility"]
    return exact | {
        "magnetization": 0.0,
        "structure_factor_kmin": S,
        "correlation_length": float(second_moment_correlation_length(S0, S, 4)),
    }


@pytest.mark.statistical
@pytest.mark.parametrize("shape", [(128, 40), slow((8, 640))], ids=["many chains", "few chains"])
def test_coverage_of_every_estimate(shape):
    """Pulls against enumeration: unit variance, quantity by quantity, for chains of heat bath."""
    exact = references(ISING)

    def pulls(n, seed, exact=exact):
        rows = []
        for s in range(n):
            ds = run(
                HeatBath(),
                ISING,
                n_chains=shape[0],
                n_draws=shape[1],
                rng=Stream(seed).child(s),
                warmup=64,
                observables=RECORDED,
                quiet=True,
            )
            rows.append(estimates(ds, exact)["pull"].values)
        return np.array(rows)

    def p_value(n, seed, exact=exact):
        found = pulls(n, seed, exact)
        return found.shape[1] * min(unit_variance_p(column) for column in found.T)

    assert accepts(p_value, 20)
    # saboteur: the numbers of another temperature
    wrong = references(Ising(L=4, beta=0.37))
    assert joint_p(pulls(5, 1, wrong)[:, 0]) < 1e-4


@pytest.mark.statistical
def test_reweighted_estimates():
    """From beta = 0.35 to 0.38 and 0.3, every quantity against enumeration."""
    ds = run(ExactDraws(), ISING, n_chains=200, n_draws=400, seed=1, observables=RECORDED)
    for beta in (0.30, 0.38):
        exact = references(Ising(L=4, beta=beta))
        found = estimates(ds, exact, beta=beta)
        assert float(found["beta"]) == beta
        for name, value in exact.items():
            at = found.sel(quantity=name)
            largest = 0.008 * max(abs(value), 0.5)
            assert within(at["value"], value, at["error"], largest=largest), name
        assert np.abs(estimates(ds, exact)["pull"]).max() > 20  # saboteur: not reweighted
        assert np.all(found["ess"] < 80_000)
    same, plain = estimates(ds, beta=0.35), estimates(ds)
    np.testing.assert_allclose(same["value"], plain["value"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(same["error"], plain["error"], rtol=1e-6)
    with pytest.raises(InputError, match="effective draws"):
        estimates(ds, beta=-2.0)
    with pytest.raises(InputError, match="needs the energy"):
        estimates(ds.drop_vars("energy"), beta=0.36)


def test_names_units_and_labels():
    ds = run(ExactDraws(), ISING, n_chains=100, n_draws=30, seed=1, observables=RECORDED)
    found = estimates(ds, exact_ising(ISING))
    assert found["quantity"].values.tolist() == [
        "energy_per_site",
        "specific_heat",
        "magnetization",
        "abs_magnetization",
        "susceptibility",
        "chi_abs",
        "binder",
        "correlation_length",
        "structure_factor_kmin",
    ]
    assert found["unit"].sel(quantity="energy_per_site") == "J"
    assert found["unit"].sel(quantity="specific_heat") == "k_B"
    assert "symmetry" in str(found["estimator"].sel(quantity="susceptibility").values)
    assert str(found["estimator"].sel(quantity="binder").values).endswith("jackknife over chains")
    assert found.attrs["exactness"] == "exact"
    assert (found.attrs["n_chains"], found.attrs["n_draws"]) == (100, 30)
    assert float(found["beta"]) == 0.35
    np.testing.assert_allclose(found["tau_int"], 0.5, atol=0.1)
    np.testing.assert_allclose(found["ess"], 3000, rtol=0.2)
    assert np.isfinite(found["pull"].sel(quantity="binder"))
    assert np.isnan(found["pull"].sel(quantity="correlation_length"))
    lines = format_table(found).splitlines()
    assert lines[0].split() == [
        *("quantity", "value", "unit", "tau_int", "ess", "r_hat", "reference", "pull")
    ]
    assert len(lines) == 10


def test_values_are_those_of_their_definitions():
    ds = run(ExactDraws(), ISING, n_chains=64, n_draws=20, seed=1)
    found = estimates(ds)["value"]
    E, m = ds["energy"].values, ds["magnetization"].values
    assert float(found.sel(quantity="energy_per_site")) == pytest.approx(E.mean() / 16)
    assert float(found.sel(quantity="specific_heat")) == pytest.approx(
        0.35**2 * E.var() / 16, rel=0.02
    )
    assert float(found.sel(quantity="susceptibility")) == pytest.approx(16 * np.mean(m**2))
    assert float(found.sel(quantity="chi_abs")) == pytest.approx(16 * np.abs(m).var(), rel=0.02)
    assert float(found.sel(quantity="binder")) == pytest.approx(
        1 - np.mean(m**4) / (3 * np.mean(m**2) ** 2), rel=0.02
    )


def test_a_field_breaks_the_symmetry_and_the_susceptibility_is_connected():
    target = Ising(L=4, beta=0.35, h=0.3)
    found = estimates(run(ExactDraws(), target, n_chains=200, n_draws=50, seed=1))
    exact = exact_ising(target)
    for name in ("magnetization", "susceptibility", "energy_per_site", "specific_heat"):
        q = found.sel(quantity=name)
        assert within(q["value"], exact[name], q["error"], largest=0.04 * abs(exact[name]))
    assert str(found["estimator"].sel(quantity="susceptibility").values).startswith("V (<m^2> - ")


def test_a_field_leaves_the_connected_correlation_length():
    target = Ising(L=4, beta=0.35, h=0.3)
    p, x = probabilities(target), spins_of(np.arange(1 << 16), (4, 4))
    S = float(p @ structure_factor_kmin(x, 2))
    exact = float(second_moment_correlation_length(exact_ising(target)["susceptibility"], S, 4))
    ds = run(ExactDraws(), target, n_chains=200, n_draws=200, seed=1, observables=RECORDED)
    xi = estimates(ds).sel(quantity="correlation_length")
    assert within(xi["value"], exact, xi["error"], largest=0.012 * exact)


def test_scalar_fields():
    x = Stream(1).numpy().standard_normal((100, 4, 4))
    target = Phi4.from_hopping(4, kappa=0.1, lam=0.02)

    class Frozen(Chain):
        def bind(self, target):
            bound = super().bind(target)
            observables = {k: o.function for k, o in target.observables.items()}
            object.__setattr__(
                bound,
                "measure",
                lambda s: {k: np.asarray(f(s.x)) for k, f in observables.items()},
            )
            return bound

    ds = run(Frozen(0.5), target, n_chains=100, n_draws=5, seed=1, warmup=5, start=x)
    found = estimates(ds, {"phi2": (1.0, 0.01)})
    names = found["quantity"].values.tolist()
    assert {"action_per_site", "phi2", "binder", "chi_abs"} <= set(names)
    assert "specific_heat" not in names
    phi2 = found.sel(quantity="phi2")
    total = math.hypot(float(phi2["error"]), 0.01)
    assert float(phi2["pull"]) == pytest.approx((float(phi2["value"]) - 1) / total)


def test_coupled_chains_count_as_one():
    """The walkers of an ensemble share their noise: the spread over them means nothing."""
    ds = run(Chain(0.5, "shared"), Gaussian(), n_chains=100, n_draws=400, seed=1, quiet=True)
    independent = estimates(ds)["error"].sel(quantity="mean")
    coupled = estimates(ds.assign_attrs(chains="coupled"))["error"].sel(quantity="mean")
    true = math.sqrt(2 * 1.5 / 3 / 400)
    assert float(coupled) == pytest.approx(true, rel=0.3)
    assert float(independent) < 0.2 * true


def test_bad_input():
    ds = run(ExactDraws(), ISING, n_chains=4, n_draws=20, seed=1)
    with pytest.raises(InputError, match=r"exact must name quantities among .* got 'energie'"):
        estimates(ds, {"energie": 1.0})
    with pytest.raises(InputError, match=r"exact must be numbers .* got None for 'energy_per"):
        estimates(ds, {"energy_per_site": None})
    with pytest.raises(InputError, match=r"estimates needs a Dataset .* got 3"):
        estimates(3)
    with pytest.raises(InputError, match="as `run` returns it"):
        estimates(xr.Dataset({"energy": ("draw", [1.0])}))
    replicas = ds.expand_dims(beta=[0.1, 0.2]).transpose("chain", "draw", "beta", ...)
    with pytest.raises(InputError, match=r"one replica at a time.*ds.sel\(beta="):
        estimates(replicas)
    with pytest.raises(InputError, match="must be given draws, got a table of estimates"):
        estimates(estimates(ds))

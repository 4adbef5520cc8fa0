"""tau_int of AR(1) chains, where it is known, and the conventions of others."""

import math
import warnings

import numpy as np
import pytest
from helpers.chains import ar1, ar1_tau

from physgen.analysis import autocovariance, ess, r_hat, tau_int
from physgen.core.errors import InputError

SHAPES = [(1, 8000), (4, 3000), (64, 400), (500, 100)]


@pytest.mark.statistical
@pytest.mark.parametrize("window", ["gamma", "sokal"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_value_and_its_own_error(rho, shape, window):
    """Pulls have standard deviation 1 within 20 %: few or many chains, one estimator."""
    found = [tau_int(ar1(rho, *shape, seed=[s, *shape]), window=window) for s in range(150)]
    pulls = np.array([(t.value - ar1_tau(rho)) / t.error for t in found])
    assert abs(pulls.mean()) < 0.45  # a window cuts off a tail, by half an error at most
    assert 0.8 < pulls.std() < 1.25
    assert not any(t.lower_bound for t in found)
    # saboteur: the times of emcee and pymbar are twice as long
    assert abs(np.mean([(t.value - 2 * ar1_tau(rho)) / t.error for t in found])) > 5


def test_many_chains_shorter_than_the_time():
    """The pooled mean sees what the mean of each short chain hides; the end is reported."""
    rho = 0.98  # tau_int = 49.5
    found = tau_int(ar1(rho, 4000, 40, seed=1))
    t = np.arange(40)
    truncated = 0.5 + np.sum(rho ** t[1:])
    assert found.lower_bound
    assert found.value == pytest.approx(truncated, rel=0.1)
    each = np.mean([tau_int(chain).value for chain in ar1(rho, 50, 40, seed=2)])
    assert each < 0.5 * truncated  # saboteur


def test_frozen_chains_are_not_independent_draws():
    frozen = np.repeat(np.arange(8.0)[:, None], 100, axis=1)
    found = tau_int(frozen)
    assert found.lower_bound
    assert found.value > 90
    assert r_hat(frozen) == math.inf


def test_constant_series_have_no_time():
    for x in (np.full((3, 50), 0.1), np.zeros(7)):
        assert math.isnan(tau_int(x).value)
        assert math.isnan(ess(x))
        assert math.isnan(r_hat(x))
    assert tau_int([3.0]).lower_bound


def test_autocovariance_against_its_definition():
    x = ar1(0.7, 3, 30, seed=1)
    d = x - x.mean()
    direct = [np.mean(d[:, : 30 - t] * d[:, t:]) for t in range(30)]
    np.testing.assert_allclose(autocovariance(x), direct, atol=1e-12)


def test_conventions_of_emcee_and_arviz():
    """emcee's time is 2 tau_int; ArviZ's bulk ESS is n / (2 tau_int)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz
        import emcee
    x = ar1(0.9, 4, 25_000, seed=3)
    mine = tau_int(x)
    theirs = emcee.autocorr.integrated_time(x.T[:, :, None])[0]
    assert theirs == pytest.approx(2 * mine.value, rel=0.1)
    assert theirs == pytest.approx(2 * ar1_tau(0.9), rel=0.1)
    assert ess(x) == pytest.approx(float(arviz.ess(x)), rel=0.1)
    assert ess(x) == pytest.approx(x.size / 19, rel=0.1)


def test_r_hat():
    x = ar1(0.5, 8, 2000, seed=1)
    assert r_hat(x) < 1.01
    apart = x + np.where(np.arange(8) < 4, 0.0, 1.0)[:, None]
    assert r_hat(apart) > 1.1
    assert r_hat(np.concatenate([x, 3 * x])) > 1.1  # equal means, other widths
    many = ar1(0.5, 1000, 2000, seed=2)
    assert r_hat(many) < 1.01
    assert math.isnan(r_hat(x[:, :3]))
    assert math.isnan(r_hat(x[0]))


@pytest.mark.parametrize("function", [tau_int, ess, r_hat, autocovariance])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3, 4)), r"shape \(n_chains, n_draws\), got float64 \(2, 3, 4\)"),
        ([], "must be real numbers of shape"),
        (["a"], "must be real numbers"),
        ([1.0, np.nan], "finite, got nan"),
    ],
)
def test_bad_series(function, x, message):
    with pytest.raises(InputError, match=message):
        function(x)


def test_bad_window():
    with pytest.raises(InputError, match="window must be one of"):
        tau_int([1.0, 2.0], window="hann")
    with pytest.raises(InputError, match="factor must be a positive number"):
        tau_int([1.0, 2.0], factor=0)

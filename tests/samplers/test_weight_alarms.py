"""Weights whose errors are not to be trusted are named, and good ones are left in peace."""

import math

import numpy as np
import pytest
from helpers.statistics import accepts, normal_p
from scipy.stats import norm

from physgen.analysis import weights
from physgen.samplers import weight_alarms
from physgen.samplers.weight_alarms import alarms


def test_the_skewness_of_the_mean_of_a_few_equal_draws():
    n, m = 10_000, 9
    log_w = np.full(n, -np.inf)
    log_w[:m] = 0.0
    exact = (n - 2 * m) / math.sqrt(m * n * (n - m))  # of m successes in n
    assert weights.skewness(log_w) == pytest.approx(exact, rel=1e-9)
    assert exact == pytest.approx(1 / math.sqrt(m), rel=0.01)
    assert weights.skewness(log_w - 700) == pytest.approx(exact, rel=1e-9)
    assert weights.skewness(np.full(100, -3.0)) == 0


def test_the_skewness_of_lognormal_weights_follows_from_their_share():
    log_w = 0.5 * np.random.default_rng(1).standard_normal(10**6)
    found = weights.skewness(log_w)
    assert found == pytest.approx(
        weights.skewness_of_normal_logs(weights.ess(log_w), 10**6), rel=0.03
    )


def too_low(n, seed, gamma=None):
    """p-value of how often a mean of 400 exponential weights lies three errors low."""
    sets = np.random.default_rng(seed).exponential(size=(n, 400))
    pull = (sets.mean(1) - 1) / (sets.std(1) / 20)
    gamma = 2 / 20 if gamma is None else gamma
    expected = n * (norm.sf(3) + gamma / 6 * (2 * 9 + 1) * norm.pdf(3))
    return normal_p((np.sum(pull < -3) - expected) / math.sqrt(expected))


def test_skewed_means_fall_below_their_errors_as_often_as_is_said():
    assert accepts(too_low, 20_000)
    assert too_low(40_000, 2, gamma=0.0) < 1e-6


def normal(x, centre, width):
    return -((x - centre) ** 2).sum(1) / (2 * width**2) - 2 * math.log(width)


def barely_seen(seed, n=5000):
    """Return log weights, and the pull of log Z, of a model of two wells at 3 and -3.

    It draws one well, wider than it is, and two in a thousand of a bridge to the other.
    """
    rng = np.random.default_rng(seed)
    bridge, z = rng.random((n, 1)) < 0.002, rng.standard_normal((n, 2))
    x = np.where(bridge, -1.2 + 1.28 * z, 3 + 1.24 * z)
    log_q = np.logaddexp(
        math.log(0.998) + normal(x, 3, 1.24), math.log(0.002) + normal(x, -1.2, 1.28)
    )
    log_w = np.logaddexp(normal(x, 3, 1), normal(x, -3, 1)) - log_q
    value, error = weights.log_z(log_w)
    return log_w, (value - math.log(2)) / error


def wrong_without_a_word():
    """Return how many of 40 models are three errors low though k-hat is fine, and not alarmed."""
    wrong = quiet = 0
    for seed in range(40):
        log_w, pull = barely_seen(seed)
        if pull < -3 and weights.pareto_k(log_w) <= weight_alarms.K_HAT_MAX:
            wrong += 1
            quiet += not alarms(log_w, None, None)
    return wrong, quiet


def test_a_well_that_few_draws_reach_is_an_alarm(monkeypatch):
    wrong, quiet = wrong_without_a_word()
    assert wrong >= 5
    assert quiet <= wrong / 4  # no draw has come to the well: annealed particles find it
    monkeypatch.setattr(weight_alarms, "SKEWNESS_MAX", math.inf)
    assert wrong_without_a_word() == (wrong, wrong)


@pytest.mark.parametrize(("width", "n"), [(1.9, 20_000), (2.1, 200_000)])
def test_the_alarm_says_how_many_draws_are_needed(width, n):
    log_w = width * np.random.default_rng(3).standard_normal(n)
    assert weights.pareto_k(log_w) < 0.6
    (found,) = alarms(log_w, None, None)
    share = weights.ess(log_w)
    assert f"an effective share of {share:.2g} asks for" in found.text
    needed = int(found.text.split(" asks for ")[1].split(" draws")[0].replace(",", ""))
    assert weights.skewness_of_normal_logs(share, needed) <= weight_alarms.SKEWNESS_MAX
    assert weights.skewness_of_normal_logs(share, int(needed / 1.2)) > weight_alarms.SKEWNESS_MAX
    assert not found.fatal


def test_a_few_draws_that_make_the_error_are_counted():
    rng = np.random.default_rng(1)
    log_w = 0.2 * rng.standard_normal(5000)
    log_w[:2] = math.log(60) + 0.01 * np.arange(2)
    (found,) = alarms(log_w, None, None)
    assert found.text.startswith("2 of 5,000 draws carry 0.023 of the weights")


@pytest.mark.parametrize("width", [0.3, 0.8, 1.0])
def test_good_weights_raise_no_alarm(width):
    """Of a hundred sets, of an effective share of 0.9, 0.5 and 0.4."""
    rng = np.random.default_rng(1)
    assert not any(alarms(width * rng.standard_normal(10_000), None, None) for _ in range(100))


def test_a_small_share_alone_is_no_alarm():
    """A hundredth of many draws holds nearly all of the target, evenly: nothing is unseen."""
    rng = np.random.default_rng(1)
    log_w = np.where(rng.random(200_000) < 0.01, math.log(900), 0.0)
    log_w += 0.3 * rng.standard_normal(200_000)
    share = weights.ess(log_w)
    assert weights.skewness_of_normal_logs(share, log_w.size) > weight_alarms.SKEWNESS_MAX
    assert alarms(log_w, None, None) == []

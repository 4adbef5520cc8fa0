"""Heavy tails of weights are seen, and weights that repeat are not taken for one."""

import math

import numpy as np
import pytest
from helpers.statistics import accepts
from scipy import stats

from physgen.analysis import weights
from physgen.analysis.tails import Tail, weight_tail

NONE = Tail(math.nan)


def same(found, expected):
    return found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.statistical
@pytest.mark.parametrize("k", [0.3, 0.7, 1.2])
def test_the_shape_of_a_pareto_tail(k):
    """P(w > t) = t^(-1/k).  The estimate of M = 3 sqrt N draws has an error of (1 + k)/sqrt M."""

    def p_value(n, seed, true=k):
        found = weight_tail(true * np.random.default_rng(seed).exponential(size=n)).k
        prior = 10 / (10 + 3 * math.sqrt(n))  # towards 1/2, as of 10 draws
        mean = (1 - prior) * k + prior / 2
        return 2 * stats.norm.sf(abs(found - mean) * (3 * math.sqrt(n)) ** 0.5 / (1 + k))

    assert accepts(p_value, 40_000)
    assert not accepts(lambda n, seed: p_value(n, seed, k + 0.5), 40_000)


def test_weights_that_repeat_are_bounded_by_those_seen():
    """Three weights: no tail at all, wherever the cut falls; ArviZ says infinity."""
    rng = np.random.default_rng(1)
    for p in ([0.3, 0.5, 0.2], [0.5, 0.49, 0.01], [0.9, 0.0995, 0.0005]):
        a = np.log(rng.choice([0.5, 1.0, 1.2], size=10_000, p=p))
        assert same(weight_tail(a), NONE)
        # scores of one configuration at different places of a batch
        assert same(weight_tail(a + 5e-7 * rng.uniform(-1, 1, size=a.size)), NONE)


@pytest.mark.parametrize("seed", range(6))
def test_all_states_of_a_small_system_have_been_drawn(seed):
    """256 states of any probability, of a model that is off by 20 %: ArviZ says 0.5 to 9 here."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(256, 0.1))
    q = p * np.exp(0.2 * rng.normal(size=256))
    drawn = rng.choice(256, size=16_384, p=q / q.sum())
    assert same(weight_tail(np.log(p / q)[drawn]), NONE)


def test_a_heavy_tail_above_weights_that_repeat_is_seen():
    """Most states have been drawn, but what came once is of any size."""
    rng = np.random.default_rng(2)
    heavy = 1 + rng.pareto(0.8, size=300)
    assert weight_tail(np.log(np.r_[np.ones(16_000), heavy])).k > 0.7
    # the same draws, each a hundred times: these are all the states there are
    assert same(weight_tail(np.log(np.r_[np.ones(16_000), heavy.repeat(100)])), NONE)


def test_few_draws_that_came_once_are_given_with_their_share():
    a = np.log(np.r_[np.ones(9_997), 100.0, 200.0, 300.0])
    assert same(weight_tail(a), Tail(math.nan, 3, 600 / 10_597))
    assert same(weight_tail(a - 700), Tail(math.nan, 3, 600 / 10_597))
    assert weight_tail(a).lone_share == pytest.approx(600 / 10_597, rel=1e-12)
    assert math.isfinite(weight_tail(np.r_[a, np.log([150.0, 250.0])]).k)  # five can be fitted
    # half of the excess came twice: what was never drawn holds less than what was
    assert same(weight_tail(np.log(np.r_[np.ones(9_997), 300.0, 200.0, 200.0])), NONE)


def test_too_few_weights_or_all_alike():
    rng = np.random.default_rng(3)
    assert same(weight_tail(rng.normal(size=99)), NONE)
    assert math.isfinite(weight_tail(rng.normal(size=100)).k)
    assert same(weight_tail(np.full(1000, -3.0)), NONE)
    a = np.r_[rng.normal(size=500), np.full(500, -np.inf)]  # draws that the target forbids
    assert math.isfinite(weights.pareto_k(a))
    assert weights.pareto_k(a) == weights.tail(a).k

"""One-sided bounds: their coverage, also for skewed means of few shots."""

import numpy as np
import pytest
from helpers.statistics import accepts
from scipy import stats

from physgen.analysis.one_sided import SkewedMean, lower_bound, sum_of
from physgen.core.errors import InputError


def means(values):
    """One estimate for each row of shots."""
    n = values.shape[1]
    centre = values.mean(axis=1)
    residuals = (values - centre[:, None]) / np.sqrt(n * (n - 1.0))
    return [SkewedMean.from_residuals(m, r) for m, r in zip(centre, residuals)]


@pytest.mark.statistical
@pytest.mark.parametrize("level", [0.68, 0.95])
def test_bounds_of_normal_shots_cover_as_often_as_they_say(level):
    def p_value(n, seed, used=level):
        found = means(np.random.default_rng(seed).normal(size=(n, 40)))
        below = sum(mean.lower(used) < 0 for mean in found)
        return stats.binomtest(below, n, level).pvalue

    assert accepts(p_value, 800)
    two_sided = (1 + level) / 2
    assert not accepts(lambda n, seed: p_value(n, seed, two_sided), 800)


@pytest.mark.statistical
def test_rare_shots_far_below_lower_the_bound():
    """19 shots in 20 give 1, one gives -19: the mean is 0, and 60 shots may show none of them."""

    def below(bound, n=2000):
        rare = np.random.default_rng(1).random((n, 60)) < 0.05
        return sum(bound(mean) < 0 for mean in means(np.where(rare, -19.0, 1.0)))

    with_skewness = below(lambda mean: mean.lower(0.95))
    without = below(lambda mean: lower_bound(mean.value, mean.error, 0.95))
    # Without a single rare shot (5 % of the sets) no bound from these numbers can hold.
    assert with_skewness > 0.925 * 2000
    assert stats.binom.cdf(without, 2000, 0.925) < 1e-6


def test_a_tail_above_is_no_reason_for_a_higher_bound():
    up, down = (SkewedMean(0.0, 1.0, skewness=g).lower(0.95) for g in (0.5, -0.5))
    z = stats.norm.ppf(0.95)
    assert up == pytest.approx(-z)
    assert down == pytest.approx(-z - 0.5 * (2 * z**2 + 1) / 6)


def test_few_shots_that_carry_all_leave_few_degrees_of_freedom():
    residuals = np.zeros(1000)
    residuals[:6] = [1, -1, 1, -1, 1, -1]
    mean = SkewedMean.from_residuals(0.0, residuals)
    assert mean.dof == pytest.approx(12)
    assert mean.error == pytest.approx(np.sqrt(6))
    assert mean.lower(0.95) == pytest.approx(-np.sqrt(6) * stats.t(12).ppf(0.95))
    assert SkewedMean.from_residuals(0.0, np.array([1.0, -1.0])).dof == 1  # at most n - 1
    assert SkewedMean.from_residuals(0.3, np.zeros(9)) == (0.3, 0.0, 0.0, np.inf)


def test_cumulants_of_independent_parts_add():
    rng = np.random.default_rng(2)
    a, b = rng.exponential(size=30) - 1, -rng.exponential(size=50) + 1
    whole = SkewedMean.from_residuals(0.5, np.concatenate([a, b]))
    parts = sum_of(SkewedMean.from_residuals(0.2, a), SkewedMean.from_residuals(0.3, b))
    assert parts.value == pytest.approx(0.5)
    np.testing.assert_allclose(parts[1:], whole[1:])
    assert sum_of(SkewedMean(1.0, 0.0), SkewedMean(2.0, 0.0)) == (3.0, 0.0, 0.0, np.inf)


def test_a_value_must_be_finite():
    with pytest.raises(InputError, match="value must be"):
        lower_bound(np.nan, 0.1, 0.95)

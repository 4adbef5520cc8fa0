"""Errors from refits: on models whose sampling distribution is known."""

import numpy as np
import pytest
from helpers.statistics import accepts, normal_p

from physgen.analysis.refits import LEVELS, refit_errors
from physgen.core.errors import InputError
from physgen.core.random import Stream


def experiments(n, seed, B=12, correlated_bias=0.5):
    """n fits of theta = 1 with unit error and a bias, and B refits each, scattered alike."""
    draw = Stream(seed).numpy().standard_normal
    fits = 1.0 + correlated_bias + draw(n)
    return fits, fits + correlated_bias + draw((B, n))


def coverage_p(n, seed, level, half_width=1.0, centre=0.0):
    fits, refits = experiments(n, seed)
    found = refit_errors(fits, refits)
    low, high = np.moveaxis(found.interval[:, level], -1, 0)
    middle, half = (low + high) / 2, (high - low) / 2 * half_width
    inside = np.mean(abs(1.0 - middle - centre) < half)
    c = LEVELS[level]
    return normal_p((inside - c) / np.sqrt(c * (1 - c) / n))


@pytest.mark.statistical
@pytest.mark.parametrize("level", [0, 1])
def test_intervals_cover(level):
    assert accepts(lambda n, s: coverage_p(n, s, level), 3000)
    # Saboteurs: intervals 15 % narrower, as a normal quantile would make them; bias left in.
    assert not accepts(lambda n, s: coverage_p(n, s, level, half_width=0.85), 3000)
    assert not accepts(lambda n, s: coverage_p(n, s, level, centre=0.5), 3000)


def test_parts_add_up():
    refits = np.array([[1.0, 5.0], [3.0, 5.0], [2.0, 5.0]])
    found = refit_errors(np.array([1.5, 4.0]), refits, sampling_error=0.3)
    np.testing.assert_allclose(found.bias, [0.5, 1.0])
    np.testing.assert_allclose(found.estimate, [1.0, 3.0])
    np.testing.assert_allclose(found.fit_error, [1.0, 0.0])
    np.testing.assert_allclose(found.error**2, [4 / 3 + 0.09, 0.09])
    assert found.interval.shape == (2, 2, 2)


def test_sampling_noise_of_refits_is_not_counted_as_error_of_the_fit():
    draw = Stream(1).numpy().standard_normal
    noisy = 2.0 + 0.5 * draw(400)  # all of the scatter is sampling
    found = refit_errors(2.0, noisy, 0.1, 0.5)
    assert found.fit_error < 0.15
    assert refit_errors(2.0, noisy, 0.1).fit_error > 0.4


@pytest.mark.parametrize("refits", [np.zeros((1, 3)), np.zeros(3), np.zeros((4, 2))])
def test_too_few_or_misshapen_refits_are_refused(refits):
    with pytest.raises(InputError, match="refits must be at least 2 values"):
        refit_errors(np.zeros(3), refits)

"""The helper that bounds errors from both sides, and the saboteurs that it must reject."""

import numpy as np
import pytest
from helpers.statistics import within

RNG = np.random.default_rng(1)
DRAWS = RNG.normal(2.0, 1.0, (5, 4000))  # five independent estimates of 2
VALUES, ERRORS = DRAWS.mean(1), DRAWS.std(1) / np.sqrt(4000)
LARGEST = 0.025  # 1.6 times 1 / sqrt(4000)


def test_sound_estimates_pass():
    assert within(VALUES, 2.0, ERRORS, largest=LARGEST)
    assert all(within(v, 2.0, e, largest=LARGEST) for v, e in zip(VALUES, ERRORS, strict=True))


@pytest.mark.parametrize(
    ("exact", "scale"),
    [(2.1, 1.0), (2.0, 0.1), (2.0, 4.0), (2.0, np.inf)],
    ids=["a bias", "errors too small", "errors too large", "an infinite error"],
)
def test_saboteurs_are_rejected(exact, scale):
    assert not within(VALUES, exact, scale * ERRORS, largest=LARGEST)


def test_one_wrong_estimate_of_many_is_rejected():
    wrong = VALUES.copy()
    wrong[3] += 8 * ERRORS[3]
    assert not within(wrong, 2.0, ERRORS, largest=LARGEST)


def test_one_large_error_of_many_is_rejected():
    large = ERRORS.copy()
    large[3] *= 4
    assert not within(VALUES, 2.0, large, largest=LARGEST)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_numbers_that_are_missing_are_rejected(missing):
    given = [2.0, 2.0, 0.01]
    given[missing] = np.nan
    assert not within(*given, largest=0.1)


def test_an_error_of_zero_allows_rounding_only():
    assert within(2.0 + 1e-9, 2.0, 0.0, largest=0.1, rounding=1e-8)
    assert not within(2.0 + 1e-7, 2.0, 0.0, largest=0.1, rounding=1e-8)
    assert within(2.0, 2.0, 0.0, largest=0.1)

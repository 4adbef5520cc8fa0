"""The only place where statistical thresholds live.

False-alarm rate 1e-3 for a first look, then a retest on an independent stream with 4 times the
draws at 1e-4: a sound test fails once in 1e7, a broken one is rejected by both stages.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

ALPHA_FIRST = 1e-3
ALPHA_RETEST = 1e-4


def accepts(p_value: Callable[[int, int], float], n: int, seed: int = 1) -> bool:
    """Whether the hypothesis survives; ``p_value(n, seed)`` draws n samples from that seed."""
    if p_value(n, seed) > ALPHA_FIRST:
        return True
    return p_value(4 * n, seed + 1_000_003) > ALPHA_RETEST


def chi_square_p(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """p-value of multinomial counts; cells expecting fewer than 5 are pooled."""
    expected = probabilities * counts.sum()
    order = np.argsort(expected)
    counts, expected = counts[order], expected[order]
    small = int(np.searchsorted(np.cumsum(expected), 5.0)) + 1
    small = max(small, int(np.searchsorted(expected, 5.0)))
    if small > 1:
        counts = np.append(counts[small:], counts[:small].sum())
        expected = np.append(expected[small:], expected[:small].sum())
    if np.any((expected == 0) & (counts > 0)):
        return 0.0
    keep = expected > 0
    chi2 = float(np.sum((counts[keep] - expected[keep]) ** 2 / expected[keep]))
    return float(stats.chi2.sf(chi2, keep.sum() - 1))


def normal_p(pull: float) -> float:
    """Two-sided p-value of a pull (measured - exact) / error."""
    return float(2 * stats.norm.sf(abs(pull)))


def joint_p(pulls: np.ndarray) -> float:
    """p-value of the joint chi-square of independent pulls."""
    pulls = np.asarray(pulls, dtype=float).ravel()
    return float(stats.chi2.sf(np.sum(pulls**2), pulls.size))


def unit_variance_p(pulls: np.ndarray) -> float:
    """Two-sided p-value that pulls have unit variance about zero."""
    pulls = np.asarray(pulls, dtype=float).ravel()
    tail = stats.chi2.sf(np.sum(pulls**2), pulls.size)
    return float(2 * min(tail, 1 - tail))


def within(value, exact, error, *, largest, rounding=0.0) -> bool:
    """Whether estimates agree with exact values, with errors so small that it means something.

    From above, no error may be over `largest`: an error bar that is far too large agrees with
    anything.  From below, neither the joint chi-square of (value - exact) / error nor the worst of
    these pulls may be too large; for one estimate that is a pull below 3.9.  Seeds are fixed, so
    there are no fresh draws for a retest: the level is the level of a retest.

    Parameters
    ----------
    value, exact, error : float or array
        Independent estimates, what they should be, and their standard errors (with the error of
        `exact`, if it has one, added in squares).
    largest : float or array
        The largest error that still tests something; the test states it, about 1.5 to 2 times what
        its number of draws gives.
    rounding : float
        What arithmetic alone may make of a difference, where an error can be 0.
    """
    value, exact, error, largest = (
        np.asarray(x, dtype=float) for x in (value, exact, error, largest)
    )
    bounded = bool(np.all((error >= 0) & (error <= largest)))  # a NaN is neither
    distance = np.maximum(np.abs(value - exact) - rounding, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls = np.where(distance == 0, 0.0, distance / error)
    p = min(joint_p(pulls), pulls.size * normal_p(float(np.max(pulls))))
    return bounded and p > ALPHA_RETEST

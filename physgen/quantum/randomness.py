r"""Whether the settings of shots look as if they had been drawn at random.

Four tests decide whether each site and shot drew its basis with the probabilities :math:`p_b` of
the POVM (1/3 for pauli-6): (1) chi-square of the bases on every site, (S - 1) L degrees of
freedom; (2) how often two shots have the same setting, which detects repeated and balanced
designs; (3) how often a site keeps its basis from one shot to the next; and (4) how often
neighbours have the same basis.  Each test has a quarter of the total false alarm rate
:data:`FALSE_ALARM` = 1e-3; (2) to (4) are two-sided.

*Equal probabilities*: agreements of two shots or sites are independent of each other, so (3) and
(4) are binomial with probability 1/S, and (2) is a chi-square of all settings if there are fewer
settings than shots, else Poisson.

*Unequal probabilities*: with :math:`q_k = \sum_b p_b^k`, agreements have probability :math:`q_2`
and those that share a shot are correlated; the variance of their number in a row of m is
:math:`m (q_2 - q_2^2) + 2 (m - 1)(q_3 - q_2^2)`, in all pairs of n shots :math:`\binom n2 (Q_2 -
Q_2^2) + n (n-1)(n-2) (Q_3 - Q_2^2)` with :math:`Q_k = q_k^L`, and the law is taken as normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.quantum.bases import PAULI_BASES, Bases
from physgen.quantum.settings import unique_rows

__all__ = ["FALSE_ALARM", "random_p"]

FALSE_ALARM = 1e-3
_TESTS = 4


def random_p(bases: np.ndarray, frame: Bases = PAULI_BASES) -> float:
    """Return the p-value of the hypothesis that all bases were drawn with the shares of `frame`.

    It is four times the lowest p-value of the four tests above; below :data:`FALSE_ALARM` the
    settings count as chosen.

    Parameters
    ----------
    bases : ndarray of uint8, shape (n, L)
        In the order of `frame` (pauli-6: 0 = Z, 1 = X, 2 = Y) and of measurement.
    frame : Bases
        The bases and their probabilities.
    """
    from scipy import stats

    n, L = bases.shape
    S, p = len(frame), frame.share
    counts = np.array([(bases == basis).sum(axis=0) for basis in range(S)])
    expected = n * p[:, None]
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    found = [float(stats.chi2.sf(chi2, (S - 1) * L))]
    shots_of = np.bincount(unique_rows(bases, S)[1]).astype(float)
    pairs = float((shots_of * (shots_of - 1)).sum() / 2)
    if not frame.is_uniform:
        return min(1.0, _TESTS * min([*found, *_unequal(bases, p, pairs)]))
    if n > S**L:
        found.append(_two_sided(stats.chi2(S**L - 1), (shots_of**2).sum() * S**L / n - n))
    else:
        found.append(_two_sided(stats.poisson(n * (n - 1) / 2 * float(S) ** -L), pairs, 1))
    for a, b in ((bases[1:], bases[:-1]), (bases[:, 1:], bases[:, :-1])):
        if a.size:
            found.append(_two_sided(stats.binom(a.size, 1 / S), float((a == b).sum()), 1))
    return min(1.0, _TESTS * min(found))


def _unequal(bases: np.ndarray, p: np.ndarray, pairs: float) -> list[float]:
    """Return the p-values of (2) to (4) for bases of unequal probabilities."""
    from scipy import stats

    n, L = bases.shape
    q2, q3 = float((p**2).sum()), float((p**3).sum())
    Q2, Q3 = q2**L, q3**L
    every = n * (n - 1) / 2
    spread = every * (Q2 - Q2**2) + n * (n - 1) * (n - 2) * (Q3 - Q2**2)
    found = []
    if every * Q2 > 10:  # else there are too few for a normal law
        found.append(2 * stats.norm.sf(abs(pairs - every * Q2) / np.sqrt(spread)))
    for a, b, rows in (
        (bases[1:], bases[:-1], (L, n - 1)),
        (bases[:, 1:], bases[:, :-1], (n, L - 1)),
    ):
        many, m = rows
        if not a.size:
            continue
        variance = many * (m * (q2 - q2**2) + 2 * (m - 1) * (q3 - q2**2))
        distance = abs(float((a == b).sum()) - many * m * q2)
        found.append(2 * stats.norm.sf(distance / np.sqrt(variance)))
    return [float(f) for f in found]


def _two_sided(law: Any, value: float, step: int = 0) -> float:
    """Return twice the smaller tail, `value` included; `step` is 1 for laws on the integers."""
    return float(2 * min(law.cdf(value), law.sf(value - step)))

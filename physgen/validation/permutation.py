r"""Permutations of two samples, and the statistics of pairs that they are tested with.

Under the hypothesis that both samples are draws of one distribution, every assignment of the N =
n + m pooled points to the two samples is as likely as the one that was seen, so

.. math:: p = \frac{1 + \#\{r : T_r \ge T\}}{1 + R}

is a valid p-value of any statistic T, with R random assignments.

*Correlated draws.*  Neighbours along a Markov chain are alike, and an assignment that tears them
apart makes T look too small.  Blocks of at least :math:`2 \tau_\mathrm{int}` consecutive draws are
moved as a whole.  This is exact for independent blocks; if the two samples have different
autocorrelation times, it needs equal numbers of both.

*Statistics of pairs.*  For a kernel k of the pooled points,

.. math::
    T = \frac{\sum_{i \ne j} k(x_i, x_j)}{n (n - 1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{m (m - 1)}
        - \frac{2 \sum_{ij} k(x_i, y_j)}{n m} ,

all assignments at once: with K, without its diagonal, and s the indicator of the first sample, all
three sums follow from :math:`Ks` and :math:`K1`.  A constant added to k changes nothing, so the
mean is taken off before float32 adds up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream

__all__ = ["PairTest", "assignments", "pair_test", "pair_statistics", "permutation_p"]

BLOCK = 1000  # rows and columns of the kernel matrix in memory at a time
LEAST_BLOCKS = 10  # in all; fewer have too few assignments for a p-value

BlockKernel = Callable[[slice, slice], np.ndarray]


class PairTest(NamedTuple):
    """The result of a permutation test of a statistic of pairs.

    Attributes
    ----------
    value : float
        The statistic.
    p_value : float
        From 1 / (1 + R) to 1.
    null_mean, null_std : float
        Of the statistic under assignments at random.
    n_permutations, block : int
        R, and draws a block.
    """

    value: float
    p_value: float
    null_mean: float
    null_std: float
    n_permutations: int
    block: int

    @property
    def z(self) -> float:
        """The statistic above its mean under the hypothesis, in standard deviations."""
        return (self.value - self.null_mean) / self.null_std


def assignments(
    n: int, m: int, n_permutations: int, rng: Stream | int, block: int = 1
) -> np.ndarray:
    """Return which of the n + m pooled points are in the first sample, float32 (R + 1, n + m).

    Row 0 is the assignment that was seen.  n and m must be multiples of `block`; remainders are
    left to the caller, who knows which draws to drop.

    Raises
    ------
    InputError
        If n or m is no multiple of the block, or there are fewer than 10 blocks.
    """
    check_positive_int("n_permutations", n_permutations)
    check_positive_int("block", block)
    if n % block or m % block:
        raise InputError(
            f"sizes of samples must be multiples of the block of {block} draws, got {n} and {m}; "
            "drop the first draws"
        )
    a, b = n // block, m // block
    if a < 2 or b < 2 or a + b < LEAST_BLOCKS:
        raise InputError(
            f"a permutation test needs at least {LEAST_BLOCKS} blocks of {block} draws (2 tau_int)"
            f" in all and 2 in each sample, got {a} and {b}; draw longer chains"
        )
    generator = as_stream(rng).child("assignments").numpy()
    labels = np.zeros((n_permutations + 1, a + b), np.float32)
    labels[0, :a] = 1
    for row in labels[1:]:
        row[generator.permutation(a + b)[:a]] = 1
    return np.repeat(labels, block, axis=1)


def permutation_p(values: np.ndarray) -> float:
    """Return p = (1 + #{T_r >= T}) / (1 + R) of statistics (R + 1,), the first the one seen."""
    slack = 1e-9 * float(np.abs(values).max())  # equal assignments may round differently
    return float((1 + np.count_nonzero(values[1:] >= values[0] - slack)) / len(values))


def pair_statistics(kernel: BlockKernel, labels: np.ndarray) -> np.ndarray:
    """Return T for every assignment, shape (R + 1,).

    Parameters
    ----------
    kernel : callable(rows, columns)
        The block of the kernel matrix of the pooled points, symmetric; a new array each time.  Its
        diagonal is never used.
    labels : float32 array (R + 1, N)
        See :func:`assignments`.
    """
    N = labels.shape[1]
    s = np.ascontiguousarray(labels.T)
    with_ones = np.concatenate([s, np.ones((N, 1), s.dtype)], axis=1)
    sums = np.zeros((N, with_ones.shape[1]))
    blocks = [slice(i, min(i + BLOCK, N)) for i in range(0, N, BLOCK)]
    level = None
    for a, rows in enumerate(blocks):
        for columns in blocks[a:]:
            k = kernel(rows, columns)
            if level is None:
                level = k.dtype.type(k.mean())
            k -= level
            if rows == columns:
                np.fill_diagonal(k, 0)
            sums[rows] += k @ with_ones[columns]
            if rows != columns:
                sums[columns] += k.T @ with_ones[rows]
    total = sums[:, -1].sum()
    n = labels.sum(axis=1, dtype=np.float64)
    m = N - n
    first = np.einsum("ir,ir->r", s, sums[:, :-1])
    cross = s.T @ sums[:, -1] - first
    second = total - 2 * cross - first
    return first / (n * (n - 1)) + second / (m * (m - 1)) - 2 * cross / (n * m)


def pair_test(kernel: BlockKernel, labels: np.ndarray, block: int = 1) -> PairTest:
    """Return the permutation test of a kernel; arguments as for :func:`pair_statistics`."""
    values = pair_statistics(kernel, labels)
    null = values[1:]
    return PairTest(
        float(values[0]),
        permutation_p(values),
        float(null.mean()),
        float(null.std()),
        len(null),
        block,
    )

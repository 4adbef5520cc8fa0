r"""Permutations of two samples, and the statistics of pairs that they are tested with.

Under the hypothesis that both samples are draws of one distribution, every assignment of the N =
n + m pooled points to the two samples is as likely as the one that was seen, so

.. math:: p = \frac{1 + \#\{r : T_r \ge T\}}{1 + R}

is a valid p-value of any statistic T, with R random assignments.

*Correlated draws.*  Neighbours along a Markov chain are alike, and an assignment that tears them
apart makes T look too large.  Blocks of b consecutive draws are moved as a whole.  Correlation
across the ends of blocks misses the share :math:`\tau_\mathrm{int} / b` of the variance, so b is
:math:`2\tau (n / 2\tau)^{1/3}` (:func:`block_length`), never below 2 tau_int.  If the two samples
have different autocorrelation times, it needs equal numbers of both.

*Several kernels.*  Which width of a kernel sees a difference is not known beforehand, and a sum
over widths is as noisy as the worst of them.  The test statistic is therefore the largest of the
values in units of their own scatter over assignments, :math:`\max_l (T_l - \bar T_l) / s_l`; the
assignment that was seen is one of those that the scatter is taken of, so p stays valid.

*Statistics of pairs.*  For a kernel k of the pooled points,

.. math::
    T = \frac{\sum_{i \ne j} k(x_i, x_j)}{n (n - 1)} + \frac{\sum_{i \ne j} k(y_i, y_j)}{m (m - 1)}
        - \frac{2 \sum_{ij} k(x_i, y_j)}{n m} ,

all assignments at once: with K, without its diagonal, and s the indicator of the first sample, all
three sums follow from :math:`Ks` and :math:`K1`.  A constant added to k changes nothing, so the
mean is taken off before float32 adds up.

Pairs that are alike because they are near in time, those of one block and of neighbouring blocks,
are left out of all three means, as the pairs of a point with itself are.  Narrow kernels see
little else: with such pairs half of the null tests of a chain with tau_int = 3 are below a p-value
of 0.1 (without them, 8 %).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream

__all__ = [
    "PairTest",
    "assignments",
    "block_length",
    "pair_statistics",
    "pair_test",
    "permutation_p",
]

BLOCK = 1000  # rows and columns of the kernel matrix in memory at a time
LEAST_BLOCKS = 10  # in all; fewer have too few assignments for a p-value

BlockKernel = Callable[[slice, slice], np.ndarray]


class PairTest(NamedTuple):
    """The result of a permutation test of a statistic of pairs.

    Attributes
    ----------
    value : float
        The statistic; summed over kernels, if there are several.
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


def block_length(tau: float, n: int) -> int:
    """Return how many draws of n should be moved together, at an autocorrelation time tau_int."""
    tau = max(tau, 0.5)
    return 1 if tau <= 0.5 else math.ceil(2 * tau * max(1.0, n / (2 * tau)) ** (1 / 3))


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


def pair_statistics(kernel: BlockKernel, labels: np.ndarray, block: int = 1) -> np.ndarray:
    """Return T for every assignment and kernel, shape (R + 1, n_kernels).

    Parameters
    ----------
    kernel : callable(rows, columns)
        The block of the kernel matrices of the pooled points, (n_kernels, rows, columns), each
        symmetric; a new array each time.  Diagonals are never used.
    labels : float32 array (R + 1, N)
        See :func:`assignments`.
    block : int
        Draws of a block; pairs of one block count in no mean, nor, where a block is more than a
        point, pairs of neighbouring blocks of one sample.
    """
    N = labels.shape[1]
    number = np.arange(N) // block  # of the block of each point
    sample = labels[0]
    s = np.ascontiguousarray(labels.T)
    with_ones = np.concatenate([s, np.ones((N, 1), s.dtype)], axis=1)
    sums: list[np.ndarray] = []
    levels: list[np.ndarray] = []
    blocks = [slice(i, min(i + BLOCK, N)) for i in range(0, N, BLOCK)]
    for a, rows in enumerate(blocks):
        for columns in blocks[a:]:
            for i, k in enumerate(kernel(rows, columns)):
                if len(levels) == i:
                    levels.append(k.dtype.type(k.mean()))
                    sums.append(np.zeros(with_ones.shape))
                k -= levels[i]
                _leave_out(k, number[rows], number[columns], sample[rows], sample[columns], block)
                sums[i][rows] += k @ with_ones[columns]
                if rows != columns:
                    sums[i][columns] += k.T @ with_ones[rows]
    pairs = _pairs(labels[:, ::block], block)
    return np.stack([_statistic(s, each, pairs) for each in sums], axis=1)


def _leave_out(
    k: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    sample_a: np.ndarray,
    sample_b: np.ndarray,
    block: int,
) -> None:
    """Set pairs of one block, and of neighbouring blocks of one sample, to zero."""
    if a[0] - b[-1] > 1 or b[0] - a[-1] > 1:
        return
    if block == 1:
        if a[0] == b[0]:
            np.fill_diagonal(k, 0)
        return
    near = np.abs(a[:, None] - b) <= 1
    k[near & (sample_a[:, None] == sample_b)] = 0


def _pairs(labels: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of ordered pairs within both samples, and across, that are not left out.

    `labels` has one column a block.
    """
    x = labels.astype(np.float64)
    n, m = x.sum(axis=1), (1 - x).sum(axis=1)
    both = neither = across = np.zeros(len(x))
    if block > 1:
        first, second = x[:, :-1], x[:, 1:]
        joined = labels[0, :-1] == labels[0, 1:]  # neighbours of one sample
        both = (first * second)[:, joined].sum(axis=1)
        neither = ((1 - first) * (1 - second))[:, joined].sum(axis=1)
        across = joined.sum() - both - neither
    return (
        block**2 * (n * (n - 1) - 2 * both),
        block**2 * (m * (m - 1) - 2 * neither),
        block**2 * (n * m - across),
    )


def _statistic(
    s: np.ndarray, sums: np.ndarray, pairs: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return T from the indicators s (N, R + 1), Ks beside K1, and the numbers of pairs."""
    first = np.einsum("ir,ir->r", s, sums[:, :-1])
    cross = s.T @ sums[:, -1] - first
    second = sums[:, -1].sum() - 2 * cross - first
    return first / pairs[0] + second / pairs[1] - 2 * cross / pairs[2]


def pair_test(kernel: BlockKernel, labels: np.ndarray, block: int = 1) -> PairTest:
    """Return the permutation test of a kernel; arguments as for :func:`pair_statistics`."""
    values = pair_statistics(kernel, labels, block)
    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    summed = values.sum(axis=1)
    null = summed[1:]
    return PairTest(
        float(summed[0]),
        permutation_p(standard.max(axis=1)),
        float(null.mean()),
        float(null.std()),
        len(null),
        block,
    )

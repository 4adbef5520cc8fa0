r"""The squared maximum mean discrepancy of two samples, unbiased, in several widths at once.

For a kernel k, samples :math:`x_i \sim p` (n of them) and :math:`y_j \sim q` (m),

.. math::
    \mathrm{MMD}^2 = E\,k(x, x') + E\,k(y, y') - 2 E\,k(x, y) , \qquad
    k(x, y) = \sum_{l=0}^{n_\mathrm{widths} - 1} e^{-|x - y|^2 / (2 w 2^{-l})} ,

is zero only for p = q.  Means over pairs leave out the diagonal, so the estimate is unbiased and
*may be negative*: no root is taken, and nothing is clipped.  It is MMD^2 itself, not scaled by
nm / (n + m).  Under p = q its scatter is of the order of 1/n.

*Widths.*  Powers of two, so that one exponential and a few squarings make all of them.  The
largest is twice the median of the squared distances within the *reference*: it is fixed once, not
found anew for each pair of samples.  Narrow widths matter: on 1,000 fields of 256 sites that were
not thermalised the median itself is 1 to 5 standard deviations off, an eighth of it 8 to 19.  The
test takes the most telling width, and pays for the choice (:mod:`.permutation`).

*Precision.*  float32 arrays take the compiled pass, at the cost of about 2.3 matrix products
x y^T; float64 arrays take NumPy's exponential.  Both are shifted by the mean of y first, which
changes no distance and saves digits.

References
----------
Gretton et al., "A kernel two-sample test", J. Mach. Learn. Res. 13, 723 (2012).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.validation.permutation import BLOCK, PairTest, assignments, pair_test
from physgen.validation.points import as_points, check_same_space, pooled_blocks

__all__ = ["median_width", "mmd2", "mmd2_of_kernel", "mmd2_test"]

N_WIDTHS = 5
LOG2E = 1.4426950408889634


def median_width(reference: Any, *, n: int = 1000) -> float:
    """Return the largest squared width w: twice the median squared distance.

    Parameters
    ----------
    reference : array (m, ...)
        At most n points, evenly spaced, are compared with one another.
    n : int
        Points that are compared.

    Raises
    ------
    InputError
        If more than half of the points are equal: the median distance is zero.
    """
    y = as_points("reference", reference, 2).astype(np.float64)
    y = y[np.linspace(0, len(y) - 1, min(len(y), n)).astype(int)]
    y = y - y.mean(axis=0)
    square = (y**2).sum(axis=1)
    squares = square[:, None] + square - 2 * y @ y.T
    median = float(np.median(squares[np.triu_indices(len(y), 1)]))
    if not median > 1e-12 * float(square.max()):
        raise InputError(
            "reference must have points at different places, got a median distance of 0; are the "
            "samples duplicated or constant?"
        )
    return 2 * median


def mmd2(x: Any, y: Any, width: float | None = None, *, n_widths: int = N_WIDTHS) -> np.ndarray:
    """Return the unbiased MMD^2 of each width, float64 (n_widths,); it may be negative.

    Parameters
    ----------
    x, y : arrays (n, ...), (m, ...)
        Samples and reference, at least 2 each; all axes but the first count components.
    width : float, optional
        The largest squared width w, of w, w/2, w/4, ...; by default that of
        :func:`median_width` of y.
    n_widths : int
        Widths, >= 1, each half of the last.

    Raises
    ------
    InputError
        If shapes differ, a number is not finite, or there are too few points.
    """
    x, y = check_same_space(as_points("samples", x, 2), as_points("reference", y, 2))
    width = check_positive("width", median_width(y) if width is None else width)
    check_positive_int("n_widths", n_widths)
    x, y = _centred(x, y)
    n, m = len(x), len(y)
    return (
        2 * _upper_sums(x, width, n_widths) / (n * (n - 1))
        + 2 * _upper_sums(y, width, n_widths) / (m * (m - 1))
        - 2 * _cross_sums(x, y, width, n_widths) / (n * m)
    )


def mmd2_test(
    x: Any,
    y: Any,
    width: float | None = None,
    *,
    n_widths: int = N_WIDTHS,
    n_permutations: int = 200,
    block: int = 1,
    rng: Stream | int,
) -> PairTest:
    """Test x and y for one distribution by MMD^2; the value is the sum over the widths.

    Parameters
    ----------
    x, y, width, n_widths
        As for :func:`mmd2`.
    n_permutations : int
        The smallest p-value is 1 / (1 + n_permutations).
    block : int
        Consecutive draws that are moved together, see :func:`.permutation.block_length`; draws
        left over are dropped at the beginning.  Pairs within a block, and of neighbouring blocks,
        do not count.
    rng : Stream or int

    Raises
    ------
    InputError
        If the samples have different shapes, are not finite, or are fewer than two.
    """
    x, y = check_same_space(as_points("samples", x, 2), as_points("reference", y, 2))
    width = check_positive("width", median_width(y) if width is None else width)
    check_positive_int("n_widths", n_widths)
    x, y = pooled_blocks(x, y, block)
    points = np.concatenate(_centred(x, y))
    square = (points * points).sum(axis=1)
    labels = assignments(len(x), len(y), n_permutations, as_stream(rng).child("mmd2"), block)
    if points.dtype == np.float32:
        from physgen.kernels.cpu.mmd import all_kernels

        c = np.float32(-LOG2E / (2 * width))

        def kernel(rows: slice, columns: slice) -> np.ndarray:
            g = points[rows] @ points[columns].T
            k = np.empty((n_widths, *g.shape), np.float32)
            all_kernels(g, square[rows], square[columns], c, k)
            return k
    else:

        def kernel(rows: slice, columns: slice) -> np.ndarray:
            return np.stack(_kernels(points[rows], points[columns], width, n_widths))

    return pair_test(kernel, labels, block)


def mmd2_of_kernel(k: Any, n: int) -> float:
    """Return the unbiased MMD^2 of a kernel matrix of pooled points, the first n of them samples.

    The diagonal is not used.

    Parameters
    ----------
    k : array (n + m, n + m)
    n : int
        Points of the first sample, >= 2.

    Raises
    ------
    InputError
        If k is not square, or one of the samples has fewer than two points.
    """
    k = np.array(k, dtype=np.float64)
    m = len(k) - n
    if k.ndim != 2 or k.shape[0] != k.shape[1] or n < 2 or m < 2:
        raise InputError(
            f"k must be a square matrix of at least 2 + 2 points, got shape {k.shape}, n = {n}"
        )
    np.fill_diagonal(k, 0.0)
    within = k[:n, :n].sum() / (n * (n - 1)) + k[n:, n:].sum() / (m * (m - 1))
    return float(within - 2 * k[:n, n:].mean())


def _centred(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centre = y.mean(axis=0, dtype=np.float64).astype(y.dtype)
    return x - centre, y - centre


def _kernels(x: np.ndarray, y: np.ndarray, width: float, n_widths: int) -> list[np.ndarray]:
    """Return the kernel matrix of every width, float64."""
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2 * x @ y.T
    k = [np.exp(-np.maximum(squares, 0) / (2 * width))]
    for _ in range(1, n_widths):
        k.append(k[-1] ** 2)
    return k


def _upper_sums(x: np.ndarray, width: float, n_widths: int) -> np.ndarray:
    """Return the sums over pairs i < j of one sample."""
    sums = np.zeros(n_widths)
    for i in range(0, len(x), BLOCK):
        _add(x[i : i + BLOCK], x[i : i + BLOCK], width, True, sums)
        for j in range(i + BLOCK, len(x), BLOCK):
            _add(x[i : i + BLOCK], x[j : j + BLOCK], width, False, sums)
    return sums


def _cross_sums(x: np.ndarray, y: np.ndarray, width: float, n_widths: int) -> np.ndarray:
    """Return the sums over all pairs of two samples."""
    sums = np.zeros(n_widths)
    for i in range(0, len(x), BLOCK):
        for j in range(0, len(y), BLOCK):
            _add(x[i : i + BLOCK], y[j : j + BLOCK], width, False, sums)
    return sums


def _add(x: np.ndarray, y: np.ndarray, width: float, upper: bool, sums: np.ndarray) -> None:
    if x.dtype != np.float32:
        for width_index, k in enumerate(_kernels(x, y, width, len(sums))):
            sums[width_index] += np.triu(k, 1).sum() if upper else k.sum()
        return
    from physgen.kernels.cpu.mmd import add_kernels

    u, v = (x * x).sum(axis=1), (y * y).sum(axis=1)
    add_kernels(x @ y.T, u, v, np.float32(-LOG2E / (2 * width)), upper, sums)

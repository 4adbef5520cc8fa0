r"""Squared Wasserstein-2 distances on a line, of many rows of sorted numbers.

On a line the best plan is monotone: with the quantile functions of both samples,

.. math:: W_2^2 = \int_0^1 \big( F^{-1}(u) - G^{-1}(u) \big)^2 du ,

a sum over the steps of both, merged.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["permuted_rows", "rows_w2"]

_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(**_OPTIONS)
def _merged(a, b, ca, cb):
    """Return W_2^2 of sorted numbers a and b with cumulated weights that end at 1."""
    i, j = 0, 0
    u, total = 0.0, 0.0
    while i < a.size and j < b.size:
        following = min(ca[i], cb[j])
        difference = float(a[i]) - float(b[j])
        total += (following - u) * difference * difference
        u = following
        if ca[i] <= following:
            i += 1
        if cb[j] <= following:
            j += 1
    return total


@njit(**_OPTIONS)
def rows_w2(a, b, ca, cb):
    """Return W_2^2 of each row.

    Parameters
    ----------
    a, b : arrays (rows, n), (rows, m)
        Sorted along the rows.
    ca, cb : float64 arrays (rows or 1, n), (rows or 1, m)
        Cumulated weights in that order, 1 at the end; one row serves all.
    """
    out = np.empty(a.shape[0])
    for r in range(a.shape[0]):
        out[r] = _merged(a[r], b[r], ca[min(r, ca.shape[0] - 1)], cb[min(r, cb.shape[0] - 1)])
    return out


@njit(**_OPTIONS)
def permuted_rows(values, order, labels, n):
    """Return the mean over rows of W_2^2 between the two sides of each assignment.

    Parameters
    ----------
    values : array (rows, N)
        Pooled numbers, sorted along the rows.
    order : int array (rows, N)
        Which point each number belongs to.
    labels : uint8 array (R, N)
        1 for points of the first side, n of them in every row.
    n : int
    """
    N = values.shape[1]
    m = N - n
    ca = np.arange(1, n + 1) / n
    cb = np.arange(1, m + 1) / m
    a, b = np.empty(n, values.dtype), np.empty(m, values.dtype)
    out = np.zeros(labels.shape[0])
    for r in range(labels.shape[0]):
        for row in range(values.shape[0]):
            i = 0
            for k in range(N):
                if labels[r, order[row, k]]:
                    a[i] = values[row, k]
                    i += 1
                else:
                    b[k - i] = values[row, k]
            if n == m:
                total = 0.0
                for k in range(n):
                    difference = float(a[k]) - float(b[k])
                    total += difference * difference
                out[r] += total / n
            else:
                out[r] += _merged(a, b, ca, cb)
        out[r] /= values.shape[0]
    return out

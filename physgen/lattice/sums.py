r"""Sums over bonds and neighbours, for NumPy arrays and torch tensors alike.

.. math:: \sum_{b = (i, j)} w_b \, x_i x_j, \qquad  \Big( \sum_{y \sim x} w_{xy} \, x_y \Big)_x .

On hypercubic lattices neighbours are reached by rolling an axis, on graphs by gathering; both are
differentiable in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

__all__ = ["as_float", "axis_bond_sum", "axis_neighbour_sum", "gather_sum", "matching"]


def as_float(x: Any) -> Any:
    """Return x unchanged if it is floating point, else as float64."""
    xp = array_namespace(x)
    return x if xp.isdtype(x.dtype, "real floating") else xp.astype(x, xp.float64)


def matching(a: np.ndarray, x: Any) -> Any:
    """Return `a` as the kind of array that x is, on its device and with its dtype."""
    xp = array_namespace(x)
    a = a if a.flags.writeable else a.copy()  # torch shares memory only with what it may write
    return xp.astype(xp.asarray(a, device=device(x)), x.dtype)


def axis_bond_sum(x: Any, dim: int, weights: Sequence[np.ndarray | None]) -> Any:
    """Sum over forward bonds of the last `dim` axes; weights[mu] None means 1 everywhere."""
    xp = array_namespace(x)
    x = xp.astype(x, xp.float64)
    ahead = xp.zeros_like(x)
    for mu, w in enumerate(weights):
        step = xp.roll(x, -1, axis=mu - dim)
        ahead = ahead + (step if w is None else step * matching(w, x))
    return xp.sum(x * ahead, axis=tuple(range(-dim, 0)))


def axis_neighbour_sum(x: Any, dim: int, weights: Sequence[np.ndarray | None]) -> Any:
    """Sum over both neighbours along each of the last `dim` axes; see :func:`axis_bond_sum`."""
    xp = array_namespace(x)
    x = as_float(x)
    total = xp.zeros_like(x)
    for mu, w in enumerate(weights):
        axis = mu - dim
        if w is None:
            total = total + xp.roll(x, -1, axis=axis) + xp.roll(x, 1, axis=axis)
        else:
            w = matching(w, x)
            total = total + w * xp.roll(x, -1, axis=axis) + xp.roll(w * x, 1, axis=axis)
    return total


def gather_sum(x: Any, index: np.ndarray, weights: np.ndarray) -> Any:
    """Return sum_c weights[:, c] x[..., index[:, c]], shape (..., n), in floating point.

    Parameters
    ----------
    x : array or tensor, shape (..., m)
        Values to be gathered.
    index : ndarray of int, shape (n, z)
        Positions in x; negative ones add nothing.
    weights : ndarray, shape (n, z)
        Weight of every entry.
    """
    x = as_float(x)
    xp = array_namespace(x)
    present = index >= 0
    total = xp.zeros((*tuple(x.shape)[:-1], len(index)), dtype=x.dtype, device=device(x))
    for c in range(index.shape[1]):
        w = matching(np.where(present[:, c], weights[:, c], 0.0), x)
        total = total + w * x[..., np.where(present[:, c], index[:, c], 0).astype(np.int64)]
    return total

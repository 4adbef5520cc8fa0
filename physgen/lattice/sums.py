r"""Sums over bonds and neighbours, for NumPy arrays and torch tensors alike.

.. math:: \sum_{b = (i, j)} w_b \, x_i x_j, \qquad  \Big( \sum_{y \sim x} w_{xy} \, x_y \Big)_x .

On hypercubic lattices neighbours are reached by rolling an axis, on graphs by gathering; both are
differentiable in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from physgen.core.arrays import beside

__all__ = [
    "Columns",
    "as_float",
    "axis_bond_sum",
    "axis_neighbour_sum",
    "gather_sum",
    "gathered",
    "matching",
]


class Columns(NamedTuple):
    """Positions and weights of the neighbours of n sites, each (z, n)."""

    positions: np.ndarray
    weights: np.ndarray


def as_float(x: Any) -> Any:
    """Return x unchanged if it is floating point, else as float64."""
    xp = array_namespace(x)
    return x if xp.isdtype(x.dtype, "real floating") else xp.astype(x, xp.float64)


def matching(a: np.ndarray, x: Any) -> Any:
    """Return `a`, which never changes, as the kind of array that x is, with its dtype."""
    return array_namespace(x).astype(beside(a, x), x.dtype)


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


def gathered(index: np.ndarray, weights: np.ndarray) -> Columns:
    """Return what :func:`gather_sum` gathers by; made once, it is on a device once.

    Parameters
    ----------
    index : ndarray of int, shape (n, z)
        Positions; negative ones add nothing.
    weights : ndarray, shape (n, z)
        Weight of every entry.
    """
    present = index >= 0
    positions = np.where(present, index, 0).astype(np.int64)
    beside_them = np.where(present, weights, 0.0)
    return Columns(np.ascontiguousarray(positions.T), np.ascontiguousarray(beside_them.T))


def gather_sum(x: Any, columns: Columns) -> Any:
    """Return sum_c w_c x[..., i_c], shape (..., n), in floating point, of x (..., m)."""
    x = as_float(x)
    xp = array_namespace(x)
    z, n = columns.positions.shape
    positions, weights = beside(columns.positions, x), matching(columns.weights, x)
    total = xp.zeros((*tuple(x.shape)[:-1], n), dtype=x.dtype, device=device(x))
    for c in range(z):
        total = total + weights[c, ...] * x[..., positions[c, ...]]
    return total

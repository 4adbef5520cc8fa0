r"""Gaussian kernels of a block of pairs, in several widths at the cost of one exponential.

For a block :math:`g_{ij} = x_i \cdot y_j` of a matrix product and the squares
:math:`u_i = |x_i|^2` and :math:`v_j = |y_j|^2`, the squared widths :math:`w\,2^{-l}`,
l = 0..n_widths-1, need one exponential and n_widths - 1 squarings,

.. math:: k_{ij} = \exp\!\Big(-\frac{u_i + v_j - 2 g_{ij}}{2w}\Big), \qquad
          k_{ij}^{(l)} = k_{ij}^{2^l} .

Rounding may make a square of a distance negative; it counts as zero.  The exponential wants
`contract` alone: full fastmath would fold the trick by which it finds the exponent.  Only the sums
over a row may be reordered; rows are added up in float64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT, exp2

__all__ = ["add_kernels", "all_kernels"]

_F = np.float32
_TWO, _ZERO, _LOWEST = _F(2.0), _F(0.0), _F(-100.0)
_SUMS = {"fastmath": True, "error_model": "numpy", "cache": True, "nogil": True}


@njit(**CONTRACT)
def _row(g, u, v, c, k):
    """Write exp2(c (u + v - 2 g)) to k; c < 0."""
    restrict()
    for j in range(g.size):
        t = c * (u + v[j] - _TWO * g[j])
        t = t if t > _LOWEST else _LOWEST
        t = t if t < _ZERO else _ZERO
        k[j] = exp2(t)


@njit(**_SUMS)
def _add_row(k, sums):
    """Add the sum of k^(2^l) over a row to sums[l]; k is overwritten."""
    restrict()
    for width in range(sums.size):
        s = _ZERO
        for j in range(k.size):
            s += k[j]
            k[j] *= k[j]
        sums[width] += s


@njit(**CONTRACT)
def _square_row(k, out):
    """Write the squares of k to out."""
    restrict()
    for j in range(k.size):
        out[j] = k[j] * k[j]


@njit(cache=True, nogil=True, error_model="numpy")
def add_kernels(g, u, v, c, upper, sums):
    """Add the sums of all kernels of a block to `sums`, one a width.

    Parameters
    ----------
    g : float32 array (n, m)
        Products x_i . y_j.
    u, v : float32 arrays (n,), (m,)
        Squares of the x_i and the y_j.
    c : float32
        -log2(e) / (2 w), w the largest squared width.
    upper : bool
        Only pairs i < j: a block on the diagonal.
    sums : float64 array (n_widths,)
        In and out; widths w, w/2, w/4, ...
    """
    k = np.empty(g.shape[1], np.float32)
    for i in range(g.shape[0]):
        start = i + 1 if upper else 0
        row = k[start:]
        _row(g[i, start:], u[i], v[start:], c, row)
        _add_row(row, sums)


@njit(cache=True, nogil=True, error_model="numpy")
def all_kernels(g, u, v, c, out):
    """Write the kernels of all widths of a block to `out`, float32 (n_widths, n, m).

    The others as in :func:`add_kernels`.
    """
    for i in range(g.shape[0]):
        _row(g[i], u[i], v, c, out[0, i])
        for width in range(1, out.shape[0]):
            _square_row(out[width - 1, i], out[width, i])

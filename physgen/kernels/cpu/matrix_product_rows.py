"""Rows of arrays (row, shot) with scalar coefficients: the inner loops of matrix product kernels.

Arrays are flat; a row is a run of n items at an offset, and its last axis holds `LANES` shots.
Offsets inside the vector loops are uint64, because Numba tests int64 indices for a negative sign.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["LANES", "add_dots", "add_row", "combine", "divide", "squares", "transpose"]

LANES = 64
_U = np.uint64


@njit(**CONTRACT)
def _set4(out, x, o, a, b, c, d, p, q, r, s, n):
    restrict()
    for i in range(n):
        j = _U(i)
        out[o + j] = (p * x[a + j] + q * x[b + j]) + (r * x[c + j] + s * x[d + j])


@njit(**CONTRACT)
def _add4(out, x, o, a, b, c, d, p, q, r, s, n):
    restrict()
    for i in range(n):
        j = _U(i)
        out[o + j] += (p * x[a + j] + q * x[b + j]) + (r * x[c + j] + s * x[d + j])


@njit(**CONTRACT)
def add_row(out, x, o, a, p, n):
    """Add p x[a...] to out[o...]; offsets are uint64."""
    restrict()
    for i in range(n):
        j = _U(i)
        out[o + j] += p * x[a + j]


@njit(**CONTRACT)
def _clear(out, o, n):
    for i in range(n):
        out[o + _U(i)] = 0


@njit(**CONTRACT)
def combine(out, o, x, first, stride, c, at, step, count, n, fresh):
    """Write (`fresh`) or add sum_k c[at + k step] x[first + k stride + (0..n-1)] to out[o...]."""
    s, o = _U(stride), _U(o)
    k = 0
    if fresh:
        if count >= 4:
            a, i = _U(first), _U(at)
            d = _U(step)
            _set4(
                out, x, o, a, a + s, a + s + s, a + s + s + s,
                c[i], c[i + d], c[i + d + d], c[i + d + d + d], n,
            )  # fmt: skip
            k = 4
        else:
            _clear(out, o, n)
    while k + 4 <= count:
        a, i = _U(first + k * stride), _U(at + k * step)
        d = _U(step)
        _add4(
            out, x, o, a, a + s, a + s + s, a + s + s + s,
            c[i], c[i + d], c[i + d + d], c[i + d + d + d], n,
        )  # fmt: skip
        k += 4
    while k < count:
        add_row(out, x, o, _U(first + k * stride), c[_U(at + k * step)], n)
        k += 1


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _dot4(x, y, a, o, b, c, d, n):
    """Return the products of x[a...] with four rows of y."""
    restrict()
    zero = x[0] * 0
    p, q, r, s = zero, zero, zero, zero
    for i in range(n):
        j = _U(i)
        v = x[a + j]
        p += v * y[o + j]
        q += v * y[b + j]
        r += v * y[c + j]
        s += v * y[d + j]
    return p, q, r, s


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _dot1(x, y, a, o, n):
    restrict()
    p = x[0] * 0
    for i in range(n):
        j = _U(i)
        p += x[a + j] * y[o + j]
    return p


@njit(**CONTRACT)
def add_dots(d, at, step, count, x, a, y, first, stride, n):
    """Add to d[at + k step] the product of x[a...] with y[first + k stride...], k < count."""
    k = 0
    s, a, e = _U(stride), _U(a), _U(step)
    while k + 4 <= count:
        b, i = _U(first + k * stride), _U(at + k * step)
        p, q, r, t = _dot4(x, y, a, b, b + s, b + s + s, b + s + s + s, n)
        d[i] += p
        d[i + e] += q
        d[i + e + e] += r
        d[i + e + e + e] += t
        k += 4
    while k < count:
        d[_U(at + k * step)] += _dot1(x, y, a, _U(first + k * stride), n)
        k += 1


@njit(**CONTRACT)
def transpose(x, out, rows, columns):
    """Write out[c, r, :] = x[r, c, :] for flat arrays of LANES items a matrix element."""
    for r in range(rows):
        for c in range(columns):
            i, o = _U((r * columns + c) * LANES), _U((c * rows + r) * LANES)
            for j in range(LANES):
                out[o + _U(j)] = x[i + _U(j)]


@njit(**CONTRACT)
def divide(x, divisor, rows):
    """Divide each of `rows` rows of LANES items by `divisor`."""
    restrict()
    for row in range(rows):
        for j in range(LANES):
            x[_U(row * LANES) + _U(j)] /= divisor[_U(j)]


@njit(**CONTRACT)
def squares(out, x, rows):
    """Write the sum of squares of `rows` rows of LANES items."""
    restrict()
    out[:] = 0
    for row in range(rows):
        for j in range(LANES):
            v = x[_U(row * LANES) + _U(j)]
            out[_U(j)] += v * v

r"""Standard normal deviates on a CUDA device: the pairs of :mod:`physgen.kernels.cpu.normals`.

The same words go through the same transformation,

.. math:: r = \sqrt{-2 \ln u}, \qquad (z_0, z_1) = r\,(\cos\theta, \sin\theta) ,

with the CPU's polynomials for sine and cosine and the device's logarithm, so CPU and device agree
up to rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physgen.kernels.cpu import normals as cpu
from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.philox import draw_pair, philox4x32

__all__ = ["fill_normals", "uniform"]

_F, _D = np.float32, np.float64
_U32, _U64 = np.uint32, np.uint64
_S0, _S1, _S2 = cpu._S0, cpu._S1, cpu._S2
_C0, _C1, _C2 = cpu._C0, cpu._C1, cpu._C2
_P0, _P1, _P2, _P3, _P4, _P5 = cpu._P0, cpu._P1, cpu._P2, cpu._P3, cpu._P4, cpu._P5
_Q0, _Q1, _Q2, _Q3, _Q4, _Q5 = cpu._Q0, cpu._Q1, cpu._Q2, cpu._Q3, cpu._Q4, cpu._Q5
_HALF_F, _ONE_F, _UNIT_F, _EIGHTH_F = _F(0.5), _F(1.0), _F(2.0**-32), _F(np.pi / 4 * 2.0**-29)
_UNIT, _EIGHTH = 2.0**-53, np.pi / 4 * 2.0**-61


@cuda.jit(device=True)
def _pair32(w, a):
    """Return two float32 deviates of two uint32 words (radius, angle)."""
    u = (_F(w) + _HALF_F) * _UNIT_F
    r = _F(math.sqrt(_F(-2.0) * _F(math.log(u))))
    x = (_F(_U32(a >> _U32(3))) + _HALF_F) * _EIGHTH_F
    y = x * x
    s = r * (x + x * y * (_S0 + y * (_S1 + y * _S2)))
    c = r * (_ONE_F + y * (-_HALF_F + y * (_C0 + y * (_C1 + y * _C2))))
    swap = (a & _U32(1)) != _U32(0)
    first, second = (s, c) if swap else (c, s)
    first = -first if (a & _U32(2)) != _U32(0) else first
    second = -second if (a & _U32(4)) != _U32(0) else second
    return first, second


@cuda.jit(device=True)
def _pair64(w, a):
    """Return two float64 deviates of two uint64 words (radius, angle)."""
    r = math.sqrt(-2.0 * math.log((_D(w >> _U64(11)) + 0.5) * _UNIT))
    x = _D(a >> _U64(3)) * _EIGHTH
    y = x * x
    p = _P0 + y * (_P1 + y * (_P2 + y * (_P3 + y * (_P4 + y * _P5))))
    q = _Q0 + y * (_Q1 + y * (_Q2 + y * (_Q3 + y * (_Q4 + y * _Q5))))
    s, c = r * (x + x * y * p), r * (1.0 + y * (y * q - 0.5))
    swap = (a & _U64(1)) != _U64(0)
    first, second = (s, c) if swap else (c, s)
    first = -first if (a & _U64(2)) != _U64(0) else first
    second = -second if (a & _U64(4)) != _U64(0) else second
    return first, second


@cuda.jit(device=True)
def _fill32(z, width, lane, first, stride, chain, step, call, k0, k1):
    rows = _U32(z.size // (4 * width))
    for q in range(first, rows, stride):
        a, b, c, d = philox4x32(q, step, chain, call, k0, k1)
        at = q * width + lane
        z[at], z[at + rows * width] = _pair32(a, b)
        z[at + 2 * rows * width], z[at + 3 * rows * width] = _pair32(c, d)


@cuda.jit(device=True)
def _fill64(z, width, lane, first, stride, chain, step, call, k0, k1):
    rows = _U32(z.size // (2 * width))
    for q in range(first, rows, stride):
        w, a = draw_pair(q, step, chain, call, k0, k1)
        at = q * width + lane
        z[at], z[at + rows * width] = _pair64(w, a)


def fill_normals(dtype: Any) -> Any:
    """Return the device function that fills the deviates of one chain.

    It takes

    z : array (m * Q * W,)
        Out: sites by chains, the sites padded to a multiple m of 4 (float32) or 2 (float64).
    width, lane : uint32
        W, and the place of the chain among them.
    first, stride : uint32
        The rows of Q that this thread makes.
    chain, step, call, k0, k1 : uint32
        Counter words c2, c1, c3 and the key.
    """
    return _fill32 if np.dtype(dtype) == np.float32 else _fill64


@cuda.jit(device=True)
def uniform(c0, step, chain, call, k0, k1):
    """Return one deviate uniform in (0, 1), from 53 bits of a Philox call."""
    word, _ = draw_pair(c0, step, chain, call, k0, k1)
    return (_D(word >> _U64(11)) + 0.5) * _UNIT

r"""Elementary functions in float32 that LLVM turns into vector instructions.

The exponential splits its argument, :math:`t = n + f` with integer n and :math:`|f| \le 1/2`,

.. math:: 2^t = 2^n \, 2^f ,

takes :math:`2^f` from a polynomial of degree 6 (a Chebyshev interpolant, relative error 2e-8,
below float32 rounding) and puts n straight into the exponent bits.  From it

.. math:: \sigma(x) = \frac{1}{1 + 2^{-x \log_2 e}}, \qquad \tanh x = 2\sigma(2x) - 1 ,

with absolute errors below 2e-7.  Calls to the C library would not vectorise (pip installs Numba
without SVML), and the loops that use these functions would be five to ten times slower.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["CONTRACT", "exp2", "sigmoid", "tanh"]

# Options of every kernel here: fused multiply-add is allowed, reordering of sums is not.
CONTRACT = {"fastmath": {"contract"}, "error_model": "numpy", "cache": True, "nogil": True}

_F = np.float32
_ONE, _TWO = _F(1.0), _F(2.0)
_LOG2E = _F(1.4426950408889634)
# Adding 1.5 * 2^23 leaves the nearest integer in the low mantissa bits.
_ROUND = _F(12582912.0)
# sigma saturates to 0 or 1 in float32 well inside 2^-60..2^60; no overflow can follow.
_LIMIT = _F(60.0)


def _chebyshev_exp2(degree: int) -> list[np.float32]:
    """Coefficients, lowest first, of the interpolant of 2^f at Chebyshev nodes on [-1/2, 1/2]."""
    n = degree + 1
    nodes = 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    return [_F(c) for c in np.polynomial.polynomial.polyfit(nodes, 2.0**nodes, degree)]


_C0, _C1, _C2, _C3, _C4, _C5, _C6 = _chebyshev_exp2(6)


@intrinsic
def _bits(typingctx, x):
    """Reinterpret a float32 as int32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def _float(typingctx, i):
    """Reinterpret an int32 as float32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@njit(inline="always", **CONTRACT)
def exp2(t):
    """Return 2^t for |t| <= 120 in float32."""
    s = t + _ROUND
    f = t - (s - _ROUND)
    p = _C0 + f * (_C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * _C6)))))
    return _float(_bits(p) + (_bits(s) << np.int32(23)))  # pyright: ignore[reportCallIssue]


@njit(inline="always", **CONTRACT)
def sigmoid(x):
    """Return 1 / (1 + e^-x) in float32."""
    t = -_LOG2E * x
    t = t if t < _LIMIT else _LIMIT
    t = t if t > -_LIMIT else -_LIMIT
    return _ONE / (_ONE + exp2(t))


@njit(inline="always", **CONTRACT)
def tanh(x):
    """Return tanh(x) in float32 (absolute error below 2e-7)."""
    return _TWO * sigmoid(_TWO * x) - _ONE

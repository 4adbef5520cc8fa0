r"""Ising spins as int8, 64 chains side by side: any couplings, any fields, any graph.

With :math:`b = \sum_y K_{xy} s_y + H_x` and a uniform u of 53 bits, the new spin differs from the
favoured spin :math:`g = \mathrm{sign}(b)` with probability

.. math:: P = \frac{e^{-2|b|}}{1 + e^{-2|b|}} \;(\text{heat bath}), \qquad
          P = e^{-2|b|} \;(\text{Metropolis, if } s = g) ,

at a tie (b = 0) 1/2, or 1 under the rule "accept" of Metropolis.  Chains are the last axis, so
every loop runs along chains and vectorises.  Sites are visited in order, as in the bit-sliced
kernels.

Words: calls 0 .. 3 of a site give eight words to each of eight groups; chain :math:`8k + l` of
block B takes word k of group :math:`8B + l`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from physgen.kernels.cpu import philox, simd, xoshiro
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["WIDTH", "exp_negative", "sweeps"]

WIDTH = 64
_SEED_CALL = 1 << 24
_LOG2E = 1.4426950408889634
_ROUND = 6755399441055744.0  # 1.5 * 2^52 leaves the nearest integer in the low mantissa bits
_LOWEST = -1000.0
_UNIT = 2.0**-53


def _chebyshev_exp2(degree: int) -> list[float]:
    """Coefficients, lowest first, of the interpolant of 2^f at Chebyshev nodes on [-1/2, 1/2]."""
    n = degree + 1
    nodes = 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
    return [float(c) for c in np.polynomial.polynomial.polyfit(nodes, 2.0**nodes, degree)]


_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11 = _chebyshev_exp2(11)


@intrinsic
def _bits(typingctx, x):
    """Reinterpret a float64 as int64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def _float(typingctx, i):
    """Reinterpret an int64 as float64."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@njit(inline="always", **CONTRACT)
def exp_negative(x):
    """Return e^x for x <= 0 (relative error below 1e-14; below 1e-301 it stays there)."""
    t = x * _LOG2E
    t = t if t > _LOWEST else _LOWEST
    s = t + _ROUND
    f = t - (s - _ROUND)
    p = _C6 + f * (_C7 + f * (_C8 + f * (_C9 + f * (_C10 + f * _C11))))
    p = _C0 + f * (_C1 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * p)))))
    return _float(_bits(p) + (_bits(s) << np.int64(52)))  # pyright: ignore[reportCallIssue]


@njit(**CONTRACT)
def _fields(x, neighbours, K, H, b):
    """Write the local fields of one site of 64 chains to b."""
    for j in range(WIDTH):
        b[j] = H
    for m in range(0, neighbours.shape[0], 2):
        k0, k1 = K[m], K[m + 1]
        row0, row1 = x[neighbours[m]], x[neighbours[m + 1]]
        for j in range(WIDTH):
            b[j] += k0 * row0[j] + k1 * row1[j]


@njit(**CONTRACT)
def _heat_bath(words, b, new):
    for j in range(WIDTH):
        e = exp_negative(-2.0 * abs(b[j]))
        u = np.float64(words[j] >> np.uint64(11)) * _UNIT
        g = np.int8(1) if b[j] > 0 else np.int8(-1)
        new[j] = -g if u * (1.0 + e) < e else g


@njit(**CONTRACT)
def _metropolis(words, b, old, at_tie, new):
    for j in range(WIDTH):
        along = old[j] * b[j]
        e = exp_negative(-2.0 * abs(along))
        e = e if along > 0 else 1.0
        e = at_tie if along == 0 else e
        u = np.float64(words[j] >> np.uint64(11)) * _UNIT
        new[j] = -old[j] if u < e else old[j]


@cache
def sweeps(rule: int, fast: int) -> Any:
    """Return the compiled sweeps.

    The function returned takes x and out, int8 (n_blocks, n_sites, 64); neighbours and K
    (n_sites, z), z even and K = 0 where there is no neighbour; H (n_sites,); schedule (20,),
    first, stride and n_sweeps as in the bit-sliced kernels; and flipped, int64 (n_blocks, 64),
    where Metropolis adds the number of flips of each chain.
    """

    @njit(**CONTRACT)
    def run(x, out, neighbours, K, H, schedule, first, stride, n_sweeps, flipped):
        n_sites = H.shape[0]
        words, state = simd.aligned(64), simd.aligned(32)
        b, new = np.empty(WIDTH), np.empty(WIDTH, np.int8)
        zero = np.uint64(0)
        at_tie = 1.0 if rule == 2 else 0.5
        for block in range(first, x.shape[0], stride):
            group = np.uint64(8 * block)
            out[block] = x[block]
            s = out[block]
            if fast:
                seed_call = np.uint64(_SEED_CALL)
                philox.draw8(words, 0, schedule, zero, zero, group, seed_call)
                state[:] = words[:32]
            for t in range(n_sweeps):
                for i in range(n_sites):
                    if fast:
                        xoshiro.draw8(state, 0, words, 0)
                    else:
                        philox.draw8(words, 0, schedule, np.uint64(i), np.uint64(t), group, zero)
                    _fields(s, neighbours[i], K[i], H[i], b)
                    old = s[i]
                    if rule == 0:
                        _heat_bath(words, b, new)
                    else:
                        _metropolis(words, b, old, at_tie, new)
                        moved = flipped[block]
                        for j in range(WIDTH):
                            moved[j] += old[j] != new[j]
                    for j in range(WIDTH):
                        old[j] = new[j]

    return run

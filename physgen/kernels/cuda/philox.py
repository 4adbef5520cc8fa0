"""Philox4x32-10 on a CUDA device: the words of :mod:`physgen.kernels.cpu.philox`.

The counter layout is the same, so CPU and device produce the same chain.  A 32-bit word is kept in
32 bits here, and every product has two 32-bit factors, so one instruction (``mul.wide.u32``) gives
both halves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.cuda.extending import intrinsic

from physgen.kernels.cuda._numba import SIMULATED, cuda

__all__ = ["draw_pair", "philox4x32"]

_U32, _U64 = np.uint32, np.uint64
_M0, _M1 = _U32(0xD2511F53), _U32(0xCD9E8D57)
_W0, _W1 = _U64(0x9E3779B9), _U64(0xBB67AE85)
_HALF, _LOW = _U64(32), _U64(0xFFFFFFFF)


def _product(a, b):
    return _U64(a) * _U64(b)


def _wide_product(typingctx, a, b):
    # NVVM would widen the factors and multiply 64 bits by 64, which costs a third more.
    def codegen(context, builder, signature, args):
        word, both = ir.IntType(32), ir.IntType(64)
        kind = ir.FunctionType(both, [word, word])
        code = ir.InlineAsm(kind, "mul.wide.u32 $0, $1, $2;", "=l,r,r")
        return builder.call(code, args)

    return types.uint64(types.uint32, types.uint32), codegen


# The 64-bit product of two uint32.
product: Any = _product if SIMULATED else intrinsic(_wide_product)


@cuda.jit(device=True)
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Return the four words of a call, uint32; arguments are integers < 2**32."""
    a, b, c, d = _U32(c0), _U32(c1), _U32(c2), _U32(c3)
    p, q = _U32(k0), _U32(k1)
    for _ in range(10):
        x, y = product(a, _M0), product(c, _M1)
        a, b = _U32(_U32(y >> _HALF) ^ b ^ p), _U32(y & _LOW)
        c, d = _U32(_U32(x >> _HALF) ^ d ^ q), _U32(x & _LOW)
        p, q = _U32((_U64(p) + _W0) & _LOW), _U32((_U64(q) + _W1) & _LOW)
    return a, b, c, d


@cuda.jit(device=True)
def draw_pair(c0, c1, c2, c3, k0, k1):
    """Return the two 64-bit words of a call."""
    a, b, c, d = philox4x32(c0, c1, c2, c3, k0, k1)
    return _U64(a) | (_U64(b) << _HALF), _U64(c) | (_U64(d) << _HALF)

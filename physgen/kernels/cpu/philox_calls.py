r"""Words of many Philox calls at once, for the sites of a block of W = 2^s interleaved chains.

Call t has the counter :math:`(c_0, c_1, c_2, c_3) = (t \gg s,\; {\rm step},\; {\rm chain}_0 +
t \bmod W,\; {\rm call})` (:mod:`.philox`): calls follow each other as the numbers of a block do.

LLVM turns the loops into vectors where a register holds four products of 64 bits.  Where it holds
two (NEON) it counts each as two scalar ones, and leaves the loop as it is: there the loop is
written in explicit vectors (:mod:`.simd`), which elsewhere are a sixth slower than LLVM's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types

from physgen.kernels.cpu import simd
from physgen.kernels.cpu.philox import N_ROUNDS, W0, W1, joined, philox4x32, rounds
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["rows32", "rows64", "words32", "words64"]

NARROW = simd.register_lanes() < 4
I64 = ir.IntType(64)

_U32, _U64 = np.uint32, np.uint64
_W0, _W1 = _U64(W0), _U64(W1)


@njit(**CONTRACT)
def words32(first, shift, chain0, step, call, k0, k1, w0, w1, w2, w3):
    """Write the four 32-bit words of the calls first, first + 1, ... to uint32 arrays."""
    done = rows32(first, shift, chain0, step, call, k0, k1, w0, w1, w2, w3) if NARROW else 0
    _rest32(done, first, shift, chain0, step, call, k0, k1, w0, w1, w2, w3)


@njit(**CONTRACT)
def words64(first, shift, chain0, step, call, k0, k1, w, v):
    """Write the two 64-bit words of the calls first, first + 1, ... to uint64 arrays."""
    done = rows64(first, shift, chain0, step, call, k0, k1, w, v) if NARROW else 0
    _rest64(done, first, shift, chain0, step, call, k0, k1, w, v)


@njit(**CONTRACT)
def _rest32(done, first, shift, chain0, step, call, k0, k1, w0, w1, w2, w3):
    restrict()
    mask = (_U64(1) << shift) - _U64(1)
    for j in range(done, w0.size):
        t = first + _U64(j)
        a, b, c, d = philox4x32(t >> shift, step, chain0 + (t & mask), call, k0, k1)
        w0[j], w1[j], w2[j], w3[j] = _U32(a), _U32(b), _U32(c), _U32(d)


@njit(**CONTRACT)
def _rest64(done, first, shift, chain0, step, call, k0, k1, w, v):
    restrict()
    mask = (_U64(1) << shift) - _U64(1)
    for j in range(done, w.size):
        t = first + _U64(j)
        a, b, c, d = philox4x32(t >> shift, step, chain0 + (t & mask), call, k0, k1)
        w[j], v[j] = a | (b << _U64(32)), c | (d << _U64(32))


# --- explicit vectors: whole rows of eight calls --------------------------------------------


@njit(**CONTRACT)
def rows32(first, shift, chain0, step, call, k0, k1, w0, w1, w2, w3):
    """Write the words of whole rows, and return the number of calls."""
    keys, mask = _schedule(k0, k1), (_U64(1) << shift) - _U64(1)
    whole = w0.size // simd.LANES * simd.LANES
    for j in range(0, whole, simd.LANES):
        t = first + _U64(j)
        _row32(w0, w1, w2, w3, j, keys, t, shift, mask, chain0, step, call)  # pyright: ignore[reportCallIssue]
    return whole


@njit(**CONTRACT)
def rows64(first, shift, chain0, step, call, k0, k1, w, v):
    """Write the words of whole rows, and return the number of calls."""
    keys, mask = _schedule(k0, k1), (_U64(1) << shift) - _U64(1)
    whole = w.size // simd.LANES * simd.LANES
    for j in range(0, whole, simd.LANES):
        t = first + _U64(j)
        _row64(w, v, j, keys, t, shift, mask, chain0, step, call)  # pyright: ignore[reportCallIssue]
    return whole


@njit(**CONTRACT)
def _schedule(k0, k1):
    keys = np.empty(2 * N_ROUNDS, np.uint64)
    for r in range(N_ROUNDS):
        keys[2 * r], keys[2 * r + 1] = k0 + _U64(r) * _W0, k1 + _U64(r) * _W1
    return keys


@simd.intrinsic
def _row32(typingctx, w0, w1, w2, w3, start, keys, t, shift, mask, chain0, step, call):
    """Write the words of the calls t .. t + 7 to items start .. start + 7 of each array."""

    def codegen(context, builder, signature, args):
        outs = [
            context.make_array(kind)(context, builder, array).data
            for kind, array in zip(signature.args[:4], args[:4], strict=True)
        ]
        table = simd.pointer(context, builder, signature.args[5], args[5])
        for part, words in _calls(builder, table, args[6:]):
            half = ir.VectorType(ir.IntType(32), part.width)
            at = builder.add(args[4], args[4].type(part.first))
            for out, word in zip(outs, words, strict=True):
                address = builder.bitcast(builder.gep(out, [at]), half.as_pointer())
                builder.store(builder.trunc(word.value, half), address, align=4)
        return context.get_dummy_value()

    u = types.uint64
    return types.void(w0, w1, w2, w3, types.intp, keys, u, u, u, u, u, u), codegen


@simd.intrinsic
def _row64(typingctx, w, v, start, keys, t, shift, mask, chain0, step, call):
    """Write the words of the calls t .. t + 7 to items start .. start + 7 of each array."""

    def codegen(context, builder, signature, args):
        first, second, table = (
            simd.pointer(context, builder, signature.args[i], args[i]) for i in (0, 1, 3)
        )
        for part, words in _calls(builder, table, args[4:]):
            for out, word in zip((first, second), joined(words), strict=True):
                simd.store(builder, out, args[2], part, word)
        return context.get_dummy_value()

    u = types.uint64
    return types.void(w, v, types.intp, keys, u, u, u, u, u, u), codegen


def _calls(builder: Any, table: Any, args: Any) -> Iterator[tuple[simd.Part, list[simd.Vector]]]:
    """Yield the parts of a row of calls, and their four words (low halves)."""
    t, shift, mask, chain0, step, call = (simd.Vector(builder, a) for a in args)
    for part in simd.parts():
        each = simd.Vector(builder, simd.lane_numbers(part)) + t
        c = [each.shifted_right(shift), step, (each & mask) + chain0, call]
        k = [simd.broadcast_load(builder, table, I64(i), part) for i in range(2 * N_ROUNDS)]
        yield part, rounds(c, [*zip(k[::2], k[1::2], strict=True)])

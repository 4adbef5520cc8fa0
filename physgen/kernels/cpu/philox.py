r"""Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): random words from counters.

A round maps the 32-bit words :math:`(c_0, c_1, c_2, c_3)` with the key :math:`(k_0, k_1)` to

.. math:: (\mathrm{hi}(M_1 c_2) \oplus c_1 \oplus k_0,\; \mathrm{lo}(M_1 c_2),\;
           \mathrm{hi}(M_0 c_0) \oplus c_3 \oplus k_1,\; \mathrm{lo}(M_0 c_0)) ,

and the key is increased by :math:`(W_0, W_1)`; ten rounds make a call.  There is no state between
calls: a word depends only on key and counter, on any thread or device.

**Layout of the counter**, the same for every kernel, on the CPU and on CUDA:

====  =================================================================================
key   low and high half of ``Stream.philox_key()[0]``, a new one for each call of `step`
c0    site (or chunk of sites), ``< 2**32``
c1    sweep within the call of `step`
c2    group of 64 chains: ``8 * block + lane``
c3    call: 0, 1, 2, 3 of a site; larger numbers for other uses, each named where used
====  =================================================================================

A call gives two 64-bit words, :math:`x_0 + 2^{32} x_1` and :math:`x_2 + 2^{32} x_3`: call j of a
site gives its words 2j and 2j + 1.

In the vector code a 32-bit word is the low half of a 64-bit lane, and the high half is arbitrary:
the 32-bit multiplier does not read it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from physgen.kernels.cpu import simd
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = [
    "N_ROUNDS",
    "W0",
    "W1",
    "draw8",
    "draw_pair",
    "key_schedule",
    "philox4x32",
    "rounds",
    "split_key",
    "words",
]

N_ROUNDS = 10
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
W0, W1 = 0x9E3779B9, 0xBB67AE85  # of the keys
_LOW = 0xFFFFFFFF


def rounds(c: list[Any], keys: list[tuple[Any, Any]]) -> list[Any]:
    """Return the four words (low halves) after a round with each pair of keys.

    `c` and the keys are lanes of 64 bits: vectors, or NumPy uint64 arrays.
    """
    c0, c1, c2, c3 = c
    for k0, k1 in keys:
        p0, p1 = (c0 & _LOW) * _M0, (c2 & _LOW) * _M1
        c0, c1 = _high(p1) ^ c1 ^ k0, p1
        c2, c3 = _high(p0) ^ c3 ^ k1, p0
    return [c0, c1, c2, c3]


def _high(product: Any) -> Any:
    is_vector = isinstance(product, simd.Vector) and product.is_vector
    return product.high() if is_vector else product >> 32


def joined(x: list[Any]) -> tuple[Any, Any]:
    """Return the two 64-bit words of a call from its four 32-bit ones."""
    if isinstance(x[0], simd.Vector):
        return x[0].under(x[1]), x[2].under(x[3])
    return (x[0] & _LOW) | (x[1] << 32), (x[2] & _LOW) | (x[3] << 32)


def split_key(key: int | np.integer) -> tuple[np.uint64, np.uint64]:
    """Return (k0, k1), the low and the high half of a 64-bit key."""
    return np.uint64(int(key) & _LOW), np.uint64(int(key) >> 32)


def key_schedule(key: int | np.integer) -> np.ndarray:
    """Return the keys of the ten rounds, k0 and k1 of the first and so on, uint64 (20,)."""
    r = np.arange(N_ROUNDS, dtype=np.uint64)[:, None]
    first, step = np.array(split_key(key)), np.array([W0, W1], dtype=np.uint64)
    return ((first + r * step) & np.uint64(_LOW)).reshape(-1)


def words(key: int | np.integer, c0: Any, c1: Any, c2: Any, c3: Any) -> tuple[Any, Any]:
    """Return the two 64-bit words of each call, as arrays over the broadcast counters."""
    c = [np.atleast_1d(np.asarray(i, dtype=np.uint64)) for i in (c0, c1, c2, c3)]
    return joined(rounds(list(np.broadcast_arrays(*c)), _pairs(key_schedule(key))))


def _pairs(schedule: Any) -> list[tuple[Any, Any]]:
    return [(schedule[2 * r], schedule[2 * r + 1]) for r in range(N_ROUNDS)]


@njit(inline="always", **CONTRACT)
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Return the four 32-bit words of a call; all arguments and results are uint64 < 2**32."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):  # high halves are arbitrary: the multiplier masks them for free
        p0 = (c0 & low) * np.uint64(0xD2511F53)
        p1 = (c2 & low) * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> half) ^ c1 ^ k0, p1
        c2, c3 = (p0 >> half) ^ c3 ^ k1, p0
        k0 += np.uint64(0x9E3779B9)
        k1 += np.uint64(0xBB67AE85)
    return c0 & low, c1 & low, c2 & low, c3 & low


@njit(inline="always", **CONTRACT)
def draw_pair(c0, c1, c2, c3, k0, k1):
    """Return the two 64-bit words of a call."""
    x0, x1, x2, x3 = philox4x32(c0, c1, c2, c3, k0, k1)
    return x0 | (x1 << np.uint64(32)), x2 | (x3 << np.uint64(32))


@simd.intrinsic
def draw8(typingctx, buffer, start, schedule, c0, c1, group, c3):
    """Write eight vectors of words to ``buffer[start:]``: calls c3 .. c3 + 3 of eight groups.

    Lane l belongs to counter word c2 = group + l; `schedule` comes from :func:`key_schedule`.
    """

    def codegen(context, builder, signature, args):
        out, table = (simd.pointer(context, builder, signature.args[i], args[i]) for i in (0, 2))
        start = args[1]
        # A chain of multiplications waits for itself: the halves of a row fill each other's gaps.
        part = simd.WHOLE
        # The keys stay in memory, as memory operands of the instructions.
        keys = [
            simd.broadcast_load(builder, table, start.type(i), part) for i in range(2 * N_ROUNDS)
        ]
        c = [simd.Vector(builder, i) for i in args[3:]]
        c[2] = simd.Vector(builder, simd.lane_numbers(part)) + c[2]
        for j in range(4):
            pair = joined(rounds([*c[:3], c[3] + j], _pairs(keys)))
            for i, word in enumerate(pair):
                at = builder.add(start, start.type(16 * j + 8 * i))
                simd.store(builder, out, at, part, word)
        return context.get_dummy_value()

    u = types.uint64
    return types.void(buffer, types.intp, schedule, u, u, u, u), codegen

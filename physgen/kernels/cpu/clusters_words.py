r"""Words of random bits, and the union-find forest, for the cluster kernels.

Each chain has one generator xoshiro256++ (Blackman & Vigna, ACM Trans. Math. Softw. 47, 36
(2021)), with its state passed from call to call in registers.  To make a word with each bit 1 with
probability :math:`p = T / 2^{64}`, 64 uniform numbers are compared with T at once, from the most
significant digit down, one random word a digit, until every bit is decided (about eight words).

The forest is joined by Rem's algorithm (Dijkstra 1976; Patwary, Blair & Manne, SEA 2010): the
index of a parent never exceeds the index of its child, and both paths are spliced on the way up,
so there is no separate search for the roots.  Here it is a third faster than path halving.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = [
    "ALL",
    "ONE",
    "ZERO",
    "biased_bits",
    "join",
    "next_word",
    "popcount",
    "seed_chain",
    "trailing_zeros",
    "unit",
]

_U = np.uint64
ZERO, ONE, ALL = _U(0), _U(1), _U(0xFFFFFFFFFFFFFFFF)
_GOLDEN, _MIX1, _MIX2 = _U(0x9E3779B97F4A7C15), _U(0xBF58476D1CE4E5B9), _U(0x94D049BB133111EB)
_2_53 = 1.0 / 9007199254740992.0


@intrinsic
def _popcount(typingctx, x):
    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@intrinsic
def _trailing_zeros(typingctx, x):
    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


@njit(inline="always", **CONTRACT)
def popcount(x):
    """Return the number of set bits of a uint64."""
    return _popcount(x)  # pyright: ignore[reportCallIssue]


@njit(inline="always", **CONTRACT)
def trailing_zeros(x):
    """Return the position of the lowest set bit of a uint64 that is not 0."""
    return _trailing_zeros(x)  # pyright: ignore[reportCallIssue]


@njit(inline="always", **CONTRACT)
def _splitmix(z):
    z = (z ^ (z >> _U(30))) * _MIX1
    z = (z ^ (z >> _U(27))) * _MIX2
    return z ^ (z >> _U(31))


@njit(inline="always", **CONTRACT)
def seed_chain(key, chain):
    """Return the generator of one chain: four words hashed from a 128-bit key and its index.

    SplitMix64 is a bijection of the chain's index, so no two chains of a key start alike.
    """
    a = _splitmix(key[0] + (_U(chain) + ONE) * _GOLDEN)
    b = _splitmix(key[1] ^ a)
    s0 = _splitmix(a + _GOLDEN)
    s1 = _splitmix(b + _GOLDEN)
    s2 = _splitmix(a + (_GOLDEN << ONE))
    s3 = _splitmix(b + (_GOLDEN << ONE)) | ONE
    return s0, s1, s2, s3


@njit(inline="always", **CONTRACT)
def next_word(s0, s1, s2, s3):
    """Return 64 random bits and the next state."""
    word = s0 + s3
    word = ((word << _U(23)) | (word >> _U(41))) + s0
    t = s1 << _U(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = (s3 << _U(45)) | (s3 >> _U(19))
    return word, s0, s1, s2, s3


@njit(inline="always", **CONTRACT)
def unit(word):
    """Return the uniform number in [0, 1) of the 53 high bits of a word."""
    return np.float64(word >> _U(11)) * _2_53


@njit(inline="always", **CONTRACT)
def biased_bits(threshold, mask, s0, s1, s2, s3):
    """Return a word with bits 1 with probability threshold / 2^64 within `mask`, else 0."""
    bits, undecided, digit = ZERO, mask, _U(63)
    while undecided != ZERO:
        word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
        ones = ZERO - ((threshold >> digit) & ONE)
        bits |= undecided & ones & ~word
        undecided &= ~(word ^ ones)
        if digit == ZERO:
            break  # equal in all 64 digits: not below the threshold
        digit -= ONE
    return bits, s0, s1, s2, s3


@njit(inline="always", **CONTRACT)
def join(parent, a, b):
    """Join the trees of a and b, keeping ``parent[i] <= i``."""
    pa, pb = parent[a], parent[b]
    while pa != pb:
        if pa < pb:
            a, b = b, a
            pa, pb = pb, pa
        parent[a] = pb
        if a == pa:  # a was a root, and hangs under pb now
            break
        a = pa
        pa = parent[a]

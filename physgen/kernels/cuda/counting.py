r"""Counting set bits for each chain, in bit-sliced form on a CUDA device.

The counts of the 64 chains of a word are stored as planes: plane p holds binary digit p of all
counts.  Seven words are first added up to three digits by four full adders,

.. math:: a + b + c = (a \oplus b \oplus c) + 2\,\mathrm{maj}(a, b, c) ,

then the digits are added to the planes.  Each thread of a block counts into its own planes, which
:func:`merge` adds up; :func:`count_of` turns planes into integers, one thread a chain.
"""

from __future__ import annotations

import numpy as np

from physgen.kernels.cuda._numba import cuda

__all__ = ["add_seven", "clear", "count_of", "majority", "merge", "tally"]

_U32, _U64 = np.uint32, np.uint64
_NONE, _ONE, _SIX, _LOW = _U64(0), _U64(1), _U32(6), _U32(63)


@cuda.jit(device=True)
def majority(a, b, c):
    """Return the bits that at least two of three words have."""
    return (a & b) | (c & (a | b))


@cuda.jit(device=True)
def clear(planes, at, n_planes):
    """Set the planes ``planes[at + 8 p]`` to 0."""
    for p in range(n_planes):
        planes[at + 8 * p] = _NONE


@cuda.jit(device=True)
def add_seven(planes, at, n_planes, words):
    """Add the bits of ``words[:7]`` to the planes ``planes[at + 8 p]``."""
    a, b, c = words[0], words[1], words[2]
    d, e, f = words[3], words[4], words[5]
    g, h = a ^ b ^ c, d ^ e ^ f
    j, k, m = majority(a, b, c), majority(d, e, f), majority(g, h, words[6])
    ones, twos, fours = g ^ h ^ words[6], j ^ k ^ m, majority(j, k, m)
    carry = _NONE
    for p in range(n_planes):
        digit = ones if p == 0 else (twos if p == 1 else (fours if p == 2 else _NONE))
        old = planes[at + 8 * p]
        planes[at + 8 * p] = old ^ digit ^ carry
        carry = majority(old, digit, carry)


@cuda.jit(device=True)
def merge(planes, n_planes, part, n_parts, lane):
    """Add the planes of all parts to those of part 0; all threads of the block must call it."""
    cuda.syncthreads()
    while n_parts > 1:
        half = (n_parts + 1) // 2
        if part + half < n_parts:
            to, source = 8 * part * n_planes + lane, 8 * (part + half) * n_planes + lane
            carry = _NONE
            for p in range(n_planes):
                a, b = planes[to + 8 * p], planes[source + 8 * p]
                planes[to + 8 * p] = a ^ b ^ carry
                carry = majority(a, b, carry)
        cuda.syncthreads()
        n_parts = half


@cuda.jit(device=True)
def tally(spins, first, second, signs, begin, end, counts, n_planes, lane, part, n_parts):
    """Count the set bits of ``spins[first[k]] ^ spins[second[k]] ^ signs[k]``, begin <= k < end.

    All threads of the block must call it; the planes of part 0 hold the result.

    Parameters
    ----------
    spins : uint64 array (8 * n_sites,)
        Of a block.
    first, second : uint32 array (n,)
        Sites; n_sites stands for a word of zeros.
    signs : uint64 array (n,)
        All bits set where equal pairs count instead.
    begin, end : int
        Their difference is a multiple of 7.
    counts : uint64 array (n_parts * n_planes * 8,)
        Out: digits, lowest first.
    n_planes, lane, part, n_parts : int
    """
    at, n_rows = 8 * part * n_planes + lane, spins.size // 8
    clear(counts, at, n_planes)
    words = cuda.local.array(7, _U64)
    for start in range(begin + 7 * part, end, 7 * n_parts):
        for i in range(7):
            k = _U32(start + i)
            word = signs[k]
            if first[k] < n_rows:
                word ^= spins[8 * first[k] + lane]
            if second[k] < n_rows:
                word ^= spins[8 * second[k] + lane]
            words[i] = word
        add_seven(counts, at, n_planes, words)
    merge(counts, n_planes, part, n_parts, lane)


@cuda.jit(device=True)
def count_of(counts, n_planes, chain):
    """Return the count of one of the 512 chains, in the planes of part 0."""
    lane, bit = chain >> _SIX, _U64(chain & _LOW)
    total = 0
    for p in range(n_planes):
        total += np.int64((counts[8 * p + lane] >> bit) & _ONE) << p
    return total

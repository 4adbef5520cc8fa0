r"""Counting set bits for each of 512 chains, in bit-sliced form.

Full adders (sum and carry of three bits) add 32 words at a time into 12 counter planes; plane p
holds binary digit p of all 512 counts.  Every 4064 words the planes are added to integers.  With u
unsatisfied bonds (of B) and :math:`n_\uparrow` up spins (of V)

.. math:: \sum_b \mathrm{sgn}(J_b) s_x s_y = B - 2u, \qquad \sum_x s_x = 2 n_\uparrow - V .
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from physgen.kernels.cpu import simd
from physgen.kernels.cpu.ising_logic import counted, majority
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["BATCH", "PLANES", "count_pairs", "count_up", "flush", "tally"]

BATCH = 32
PLANES = 12
_CAPACITY = (2**PLANES - 1) // BATCH * BATCH


@simd.intrinsic
def _tally(typingctx, planes, x, first, second, signs, at):
    """Add ``x[first[k]] ^ x[second[k]] ^ signs[k]`` for k = at .. at + 31 to the planes.

    `second` and `signs` may be None.
    """
    given = [i for i, t in ((3, second), (4, signs)) if not isinstance(t, types.NoneType)]

    def codegen(context, builder, signature, args):
        arrays = {
            i: simd.pointer(context, builder, signature.args[i], args[i])
            for i in (0, 1, 2, *given)
        }
        for part in simd.parts():
            add(builder, args, arrays, part)
        return context.get_dummy_value()

    def add(builder, args, arrays, part):
        bits = []
        for k in range(BATCH):
            at_k = builder.add(args[5], args[5].type(k))
            row = builder.load(builder.gep(arrays[2], [at_k]))
            bit = simd.load(builder, arrays[1], row, part)
            if 3 in given:
                other = builder.load(builder.gep(arrays[3], [at_k]))
                bit = bit ^ simd.load(builder, arrays[1], other, part)
            if 4 in given:
                bit = bit ^ simd.broadcast_load(builder, arrays[4], at_k, part)
            bits.append(bit)
        digits, carry = counted(bits), None
        for p in range(PLANES):
            index = args[5].type(simd.LANES * p)
            plane = simd.load(builder, arrays[0], index, part)
            if p == 0:
                new, carry = plane ^ digits[0], plane & digits[0]
            elif p < len(digits):
                new, carry = plane ^ digits[p] ^ carry, majority(plane, digits[p], carry)
            else:
                new, carry = plane ^ carry, plane & carry
            simd.store(builder, arrays[0], index, part, new)

    arguments = (planes, x, first, second, signs, types.intp)
    return types.void(*arguments), codegen


@simd.intrinsic
def _add_plane(typingctx, total, at, word, p):
    """Add ``((word >> b) & 1) << p`` to ``total[at + b]`` for b = 0 .. 63."""

    def codegen(context, builder, signature, args):
        base = simd.pointer(context, builder, signature.args[0], args[0])
        for b in range(0, 64, simd.LANES):
            index = builder.add(args[1], args[1].type(b))
            for part in simd.parts():
                bits, power = (simd.splat(builder, args[i], part.width) for i in (2, 3))
                shift = simd.Vector(builder, simd.lane_numbers(part)) + b
                digit = bits.shifted_right(shift) & 1
                old = simd.load(builder, base, index, part)
                simd.store(builder, base, index, part, old + digit.shifted_left(power))
        return context.get_dummy_value()

    return types.void(total, types.intp, types.uint64, types.intp), codegen


@njit(**CONTRACT)
def flush(planes, total, n_added):
    """Add the planes, which hold counts up to `n_added`, to ``total`` (512,) and clear them."""
    p = 0
    while n_added >> p:
        for lane in range(8):
            _add_plane(total, 64 * lane, planes[8 * p + lane], p)
        p += 1
    planes[:] = np.uint64(0)


@njit(**CONTRACT)
def tally(planes, x, first, second, signs, n, n_added, total):
    """Add words 0 .. n - 1 (n a multiple of 32), flushing as needed; return the new level."""
    for at in range(0, n, BATCH):
        if n_added + BATCH > _CAPACITY:
            flush(planes, total, n_added)
            n_added = 0
        _tally(planes, x, first, second, signs, at)
        n_added += BATCH
    return n_added


@njit(**CONTRACT)
def count_pairs(x, ends, signs, start, stride, total):
    """Add to `total` (n_blocks, 512) for each chain the number of unequal pairs of spins.

    Parameters
    ----------
    x : uint64 array (n_blocks, 8 * n_sites)
        Spins.
    ends : int64 array (2, n)
        Offsets in a block of the two ends of each bond; n a multiple of 32 (a row against itself
        pads).
    signs : uint64 array (n,) or None
        All bits set where equal pairs count instead.
    start, stride : int
        Blocks start, start + stride, ... are done: the share of one thread.
    """
    planes = simd.aligned(8 * PLANES)
    planes[:] = np.uint64(0)
    first, second = ends[0], ends[1]
    for block in range(start, x.shape[0], stride):
        n_added = tally(planes, x[block], first, second, signs, first.shape[0], 0, total[block])
        flush(planes, total[block], n_added)


@njit(**CONTRACT)
def count_up(x, sites, signs, start, stride, total):
    """Add to `total` (n_blocks, 512) for each chain how many of the rows `sites` are set.

    With `signs`, a row is inverted first where all bits of its sign are set.  Other parameters
    as for :func:`count_pairs`.
    """
    planes = simd.aligned(8 * PLANES)
    planes[:] = np.uint64(0)
    rest, in_order = simd.aligned(8 * BATCH), 8 * np.arange(BATCH)
    rest[:] = np.uint64(0)
    n = sites.shape[0]
    whole = n - n % BATCH
    for block in range(start, x.shape[0], stride):
        s, counts = x[block], total[block]
        n_added = tally(planes, s, sites, None, signs, whole, 0, counts)
        if whole < n:
            for k in range(whole, n):
                at = 8 * (k - whole)
                rest[at : at + 8] = s[sites[k] : sites[k] + 8]
                if signs is not None:
                    rest[at : at + 8] ^= signs[k]
            n_added = tally(planes, rest, in_order, None, None, BATCH, n_added, counts)
        flush(planes, counts, n_added)

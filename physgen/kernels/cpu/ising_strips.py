r"""One large lattice as 512 strips: bit and lane = part of the lattice.

A periodic lattice of extents :math:`L_0, \dots, L_{d-1}` is cut into 8 slabs along axis 0 and 64
along axis d - 1.  Site :math:`(l\,L_0/8 + y, \dots, b\,L_{d-1}/64 + x)` is bit b of lane l of row
:math:`(y, \dots, x)` of a virtual lattice of extents :math:`L_0/8, \dots, L_{d-1}/64`, so that one
row holds 512 sites, no two of them neighbours (the virtual extents are at least 2).  The
neighbour beyond the edge of a strip is the row at the opposite edge, its bits or lanes rotated
by one.  With these *moves* the sweeps of :mod:`physgen.kernels.cpu.ising_sweeps` need no change: a
block is one lattice instead of 512 chains.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from physgen.kernels.cpu import simd
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["rotate", "unequal_pairs"]


@njit(**CONTRACT)
def rotate(s, move):
    """Write row move[0]: bit b, lane l from bit b + move[2], lane l + move[3] of row move[1]."""
    row, source, bits, lanes = move[0], move[1], np.uint64(move[2] & 63), move[3]
    back = np.uint64((64 - move[2]) & 63)
    for lane in range(8):
        word = s[source + ((lane + lanes) & 7)]
        s[row + lane] = (word >> bits) | (word << back)


@simd.intrinsic
def _add_unequal(typingctx, total, s, a, b):
    """Add to the eight items of `total` the number of bits in which rows a and b differ."""

    def codegen(context, builder, signature, args):
        totals, x = (simd.pointer(context, builder, signature.args[i], args[i]) for i in (0, 1))
        zero = args[2].type(0)
        for part in simd.parts():
            a, b = (simd.load(builder, x, args[i], part) for i in (2, 3))
            old = simd.load(builder, totals, zero, part)
            simd.store(builder, totals, zero, part, old + (a ^ b).popcount())
        return context.get_dummy_value()

    return types.void(total, s, types.intp, types.intp), codegen


@njit(**CONTRACT)
def unequal_pairs(x, rows, edges, moves, first, stride, unequal, up):
    """Count the unequal pairs of neighbours and the up spins of every lattice.

    Parameters
    ----------
    x : uint64 array (n_lattices, 8 * n_rows)
    rows, edges, moves
        As for the sweeps; columns 0, 2, ... of `rows` are the forward neighbours.
    first, stride : int
        Lattices first, first + stride, ... are done: the share of one thread.
    unequal, up : int64 arrays (n_lattices,)
        Out.
    """
    n, z = rows.shape
    s = simd.aligned(8 * (n + 1 + z))
    s[:] = np.uint64(0)
    pairs, ups = simd.aligned(8), simd.aligned(8)
    for lattice in range(first, x.shape[0], stride):
        s[: 8 * n] = x[lattice]
        pairs[:] = np.uint64(0)
        ups[:] = np.uint64(0)
        for i in range(n):
            for e in range(edges[i], edges[i + 1]):
                rotate(s, moves[e])
            _add_unequal(ups, s, 8 * i, 8 * n)  # row n is empty
            for m in range(0, z, 2):
                _add_unequal(pairs, s, 8 * i, rows[i, m])
        unequal[lattice] = pairs.sum()
        up[lattice] = ups.sum()

r"""Sweeps of the bit-sliced Ising kernels over a block of 512 chains.

Sites are visited in the order of their numbers.  Each update satisfies detailed balance, so their
product, the sweep, leaves :math:`\pi` invariant, :math:`\pi P = \pi`, but is not reversible.  The
heat bath is ergodic at every :math:`\beta`; for Metropolis see :mod:`physgen.samplers.metropolis`.

Spins are rows of eight words, ``x[8 * site + lane]``, bit b of lane l of block B being chain
``512 B + 64 l + b``.  The random words of a site depend on (key, site, sweep, group) only, see
:mod:`physgen.kernels.cpu.philox`: blocks may run on any number of threads.  In the fast mode each
lane is a generator seeded by calls 2^24 and 2^24 + 1 of its group.

After the sites, x holds a row of zeros (for absent neighbours) and one row for each neighbour that
lies beyond the edge of a strip, in another bit or lane; see :func:`sweeps`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from physgen.kernels.cpu import philox, simd, xoshiro
from physgen.kernels.cpu.ising_counts import PLANES, flush, tally
from physgen.kernels.cpu.ising_events import CALL, CHUNK, number_of_points, scatter
from physgen.kernels.cpu.ising_logic import n_classes as classes
from physgen.kernels.cpu.ising_logic import update
from physgen.kernels.cpu.ising_strips import rotate
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["sweeps"]

_SEED_CALL = 1 << 24


@cache
def sweeps(z: int, symmetric: int, rule: int, fast: int) -> Any:
    """Return the compiled sweeps for degree |z| (negative: every bond is +).

    The function returned takes

    x, out : uint64 (n_blocks, 8 n_sites)
        Spins before and after.
    rows : int64 (n_sites, |z|)
        Offset of the row of each neighbour.
    signs : uint64 (n_sites, |z|)
        All bits set at a negative bond.
    kinds : int64 (n_sites,)
        Kind of each site, an index of the tables.
    masks, kept, poisson
        The :class:`~physgen.kernels.cpu.ising_tables.Tables`.
    edges : int64 (n_sites + 1,), moves : int64 (n_moves, 4)
        Before site i is updated, rows ``moves[edges[i]:edges[i + 1]]`` = (row, source, bits,
        lanes) are made: source with its bits and lanes rotated.
    schedule : uint64 (20,)
        Philox keys.
    first, stride : int
        Blocks first, first + stride, ... are done: the share of one thread.
    n_sweeps : int
    flipped : int64 (n_blocks, 512)
        Metropolis adds the number of flips of each chain; else unused.
    """
    n_classes = np.uint64(classes(abs(z), bool(symmetric)))

    # One function, with nothing but numbers in its closure: Numba's cache keys on what is there.
    @njit(**CONTRACT)
    def run(
        x, out, rows, signs, kinds, masks, kept, poisson, edges, moves, schedule, first, stride,
        n_sweeps, flipped,
    ):  # fmt: skip
        n_sites = kinds.shape[0]
        s = simd.aligned(8 * (n_sites + 1 + abs(z)))
        s[8 * n_sites :] = np.uint64(0)
        events = simd.aligned(CHUNK * 8 * kept.shape[1])
        kept = kept.reshape(-1)
        words, state, flips = simd.aligned(64 * 17), simd.aligned(32), simd.aligned(8 * CHUNK)
        planes, chunk_rows = simd.aligned(8 * PLANES), 8 * np.arange(CHUNK)
        planes[:] = np.uint64(0)
        counts = np.empty(8, np.uint64)
        for block in range(first, x.shape[0], stride):
            s[: 8 * n_sites] = x[block]
            group, n_added = np.uint64(8 * block), 0
            if fast:
                none, seed_call = np.uint64(0), np.uint64(_SEED_CALL)
                philox.draw8(words, 0, schedule, none, none, group, seed_call)
                state[:] = words[:32]
            for t, start in np.ndindex((n_sweeps, -(-n_sites // CHUNK))):
                sweep, chunk, start = np.uint64(t), np.uint64(start), start * CHUNK
                n_rows = min(CHUNK, n_sites - start)
                _draw_points(words, counts, poisson, schedule, chunk, sweep, group, state, fast)
                events[:] = np.uint64(0)
                for lane in range(8):
                    scatter(
                        words, np.uint64(lane), counts[lane], kept, kinds[start : start + n_rows],
                        np.uint64(n_rows), events, n_classes,
                    )  # fmt: skip
                for row in range(n_rows):
                    i = start + row
                    for e in range(edges[i], edges[i + 1]):
                        rotate(s, moves[e])
                    if not fast:
                        philox.draw8(words, 0, schedule, np.uint64(i), sweep, group, np.uint64(0))
                    update(
                        s, i, rows, signs, state if fast else words, masks, kinds[i], events, row,
                        flips, z, symmetric, rule, fast,
                    )  # fmt: skip
                if rule > 0:
                    flips[8 * n_rows :] = np.uint64(0)
                    n_added = tally(
                        planes, flips, chunk_rows, None, None, CHUNK, n_added, flipped[block]
                    )
            if rule > 0:
                flush(planes, flipped[block], n_added)
            out[block] = s[: 8 * n_sites]

    return run


@njit(**CONTRACT)
def _draw_points(words, counts, poisson, schedule, chunk, sweep, group, state, fast):
    """Write the words of the rare events of a chunk, and how many points each lane has."""
    most = np.uint64(0)
    for k in range(17):
        if k > 0 and most < np.uint64(8 * k):
            break
        if fast:
            xoshiro.draw8(state, 0, words, 64 * k)
        else:
            philox.draw8(words, 64 * k, schedule, chunk, sweep, group, np.uint64(CALL + 4 * k))
        if k == 0:
            for lane in range(8):
                counts[lane] = number_of_points(words[lane], poisson)
                most = max(most, counts[lane])

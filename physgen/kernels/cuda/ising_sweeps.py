r"""Sweeps of the bit-sliced Ising kernels on a CUDA device.

A CUDA block handles a block of 512 chains with threads (lane, site): eight words of 64 chains lie
together, and the sites of a colour of :mod:`.schedule` are updated at once.  The result equals the
sequential sweep of :mod:`physgen.kernels.cpu.ising_sweeps` with the same random words, bit for
bit.  All sweeps of a call run in one launch; the spins of a block stay in the first- or
second-level cache.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cpu.ising_logic import n_classes
from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.counting import add_seven, clear, merge
from physgen.kernels.cuda.ising_events import scatter
from physgen.kernels.cuda.ising_logic import (
    COMPLEMENT,
    FAVOURED,
    TIE,
    add_bit,
    below,
    mask,
    selector,
)
from physgen.kernels.cuda.philox import draw_pair

__all__ = ["settled", "sweeps"]

_U32, _U64 = np.uint32, np.uint64
_NONE, _ALL = _U64(0), _U64(2**64 - 1)
_CHUNK = 64


@cache
def sweeps(z: int, symmetric: int, rule: int) -> Any:
    """Return the kernel for degree abs(z) (negative: every bond is +); launch (8, S) threads.

    It takes

    x : uint64 (n_blocks, 8 n_sites)
        Spins, changed in place.
    rows : uint32 (n_sites, abs(z))
        Neighbours; n_sites where there is none.
    signs : uint64 (n_sites, abs(z))
        All bits set at a negative bond.
    kinds : uint32 (n_sites,)
        Kind of each site, an index of the tables.
    codes, kept : uint64 (n_kinds, n_classes)
        `ising_logic.class_codes` of the masks of the CPU's tables, and their `kept`.
    poisson : uint64 (128,)
        As on the CPU.
    order, starts, late : uint32
        The :class:`~physgen.kernels.cuda.schedule.Schedule`.
    n_periods : int
        Of the schedule.
    events : uint64 (n_blocks, n_periods * n_sites * n_classes * 8)
        Scratch.
    planes : uint64 (n_blocks, S * n_planes * 8)
        Out, for Metropolis: counts of the flips of each chain, to be flushed; else unused.
    k0, k1 : uint32
        Philox key.
    n_sweeps : int
    """
    update, classes = _update(z, symmetric, rule), n_classes(abs(z), bool(symmetric))

    @cuda.jit
    def run(
        x, rows, signs, kinds, codes, kept, poisson, order, starts, late, n_periods, events,
        planes, k0, k1, n_sweeps,
    ):  # fmt: skip
        lane, part, n_parts = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y), cuda.blockDim.y
        group = _U32(8 * cuda.blockIdx.x + lane)
        spins, rare, counts = x[cuda.blockIdx.x], events[cuda.blockIdx.x], planes[cuda.blockIdx.x]
        n_sites = kinds.size
        n_planes = counts.size // (8 * n_parts)
        own = 8 * part * n_planes + lane
        flips = cuda.local.array(7, _U64)
        n_flips = 0
        if rule > 0:
            clear(counts, own, n_planes)
        for i in range(part, rare.size // 8, n_parts):
            rare[8 * i + lane] = _NONE
        cuda.syncthreads()
        for period in range(n_sweeps + n_periods - 1):
            if period < n_sweeps:
                for chunk in range(part, (n_sites + _CHUNK - 1) // _CHUNK, n_parts):
                    scatter(
                        rare, _U32(period % n_periods), lane, _U32(chunk), _U32(period), group,
                        kinds, kept, poisson, k0, k1,
                    )  # fmt: skip
            cuda.syncthreads()
            for colour in range(starts.size - 1):
                for j in range(starts[colour] + part, starts[colour + 1], n_parts):
                    sweep = period - np.int64(late[j])
                    if sweep < 0 or sweep >= n_sweeps:
                        continue
                    at = (_U32(sweep % n_periods) * n_sites + order[j]) * classes * 8 + lane
                    flip = update(
                        spins, order[j], lane, rows, signs, codes, kinds[order[j]], rare, at,
                        _U32(sweep), group, k0, k1,
                    )  # fmt: skip
                    if rule > 0:
                        flips[n_flips] = flip
                        n_flips += 1
                        if n_flips == 7:
                            add_seven(counts, own, n_planes, flips)
                            n_flips = 0
                cuda.syncthreads()
        if rule > 0:
            for i in range(n_flips, 7):
                flips[i] = _NONE
            add_seven(counts, own, n_planes, flips)
            merge(counts, n_planes, part, n_parts, lane)

    return run


def _update(z: int, symmetric: int, rule: int) -> Any:
    """Return the device function that updates one site of 64 chains and returns who flipped.

    Besides arguments of the kernel it takes the site and its kind, the position of its rare events
    (class n at ``at + 8 n``; they are consumed), the sweep and the group.
    """
    degree, signed, settle = abs(z), z > 0, settled(z, symmetric, rule)

    @cuda.jit(device=True)
    def update(
        spins, site, lane, rows, signs, codes, kind, rare, at, sweep, group, k0, k1
    ):  # fmt: skip
        d0, d1, d2, d3, d4 = _NONE, _NONE, _NONE, _NONE, _NONE
        for m in range(degree):
            row, bit = rows[site, m], _NONE
            if row < rows.shape[0]:
                bit = spins[8 * row + lane]
            if signed:
                bit ^= signs[site, m]
            d0, d1, d2, d3, d4 = add_bit(d0, d1, d2, d3, d4, bit)
        spin = spins[8 * site + lane]
        new = settle(
            d0, d1, d2, d3, d4, spin, site, codes, kind, rare, at, sweep, group, k0, k1
        )  # fmt: skip
        spins[8 * site + lane] = new
        return spin ^ new

    return update


def settled(z: int, symmetric: int, rule: int) -> Any:
    """Return the device function that gives the new spin of one site of 64 chains.

    It takes the digits of the number of neighbours up, the old spin, and the arguments of the
    update of a site from the site on.
    """
    degree, classes = abs(z), n_classes(abs(z), bool(symmetric))
    has_tie, middle = symmetric and degree % 2 == 0, _U64(degree // 2)

    @cuda.jit(device=True)
    def settle(
        d0, d1, d2, d3, d4, spin, site, codes, kind, rare, at, sweep, group, k0, k1
    ):  # fmt: skip
        a, b = draw_pair(site, sweep, group, _U32(0), k0, k1)
        c, d = draw_pair(site, sweep, group, _U32(1), k0, k1)
        e, f = draw_pair(site, sweep, group, _U32(2), k0, k1)
        g, h = draw_pair(site, sweep, group, _U32(3), k0, k1)
        excited, favoured = _NONE, _NONE
        for n in range(classes):
            code, event = codes[kind, n], rare[at + 8 * n]
            if event != _NONE:
                rare[at + 8 * n] = _NONE
            drawn = (below(code, a, b, c, d, e, f, g, h) | event) ^ mask(code, COMPLEMENT)
            here = selector(d0, d1, d2, d3, d4, _U64(n))
            if symmetric:
                above = selector(d0, d1, d2, d3, d4, _U64(degree - n))
                here |= above
                favoured |= above
            else:
                favoured |= here & (mask(code, FAVOURED) | (mask(code, TIE) & spin))
            excited |= here & drawn
        if has_tie:
            here = selector(d0, d1, d2, d3, d4, middle)
            favoured |= here & spin
            excited |= here & (h if rule < 2 else _ALL)
        if rule > 0:
            excited &= (spin ^ favoured) ^ _ALL
        return favoured ^ excited

    return settle

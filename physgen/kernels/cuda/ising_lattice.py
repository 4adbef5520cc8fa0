r"""Sweeps of one large Ising lattice that all of a CUDA device works on.

The strips of :mod:`physgen.kernels.cpu.ising_strips`: a word holds 64 sites of the lattice, a row
of the virtual lattice 512 of them.  Rows are updated colour by colour, the even ones and then the
odd ones, each colour in one launch, because blocks of threads cannot wait for one another.  Row
number i of the colours has the random words of site i, so the result is that of the CPU's sweep
over the same rows in this order, bit for bit.

**Limit.**  A word is read and written once, its neighbours come from the cache, and its rare
events are read too: 40 bytes for 64 flips, hence 7,700 flips a nanosecond at 4.8 TB/s (H200).
Random words and logic are those of the chains, which do 1,490 on an H100.  Three launches a sweep
take some 50 microseconds on the host, the time of 2^26 sites: smaller lattices wait for launches.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cpu.ising_logic import n_classes
from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.ising_events import scatter
from physgen.kernels.cuda.ising_logic import add_bit
from physgen.kernels.cuda.ising_sweeps import settled

__all__ = ["AT_REST", "SLOTS", "THREADS", "colour", "counts", "rare_events"]

THREADS = 32  # along the rows, in blocks of (8, THREADS)
SLOTS = 64 * 8 * THREADS  # places where threads add counts, so that few add at the same place
AT_REST = 4  # turn of a neighbour in the same strip: see `colour`

_I32, _U32, _U64 = np.int32, np.uint32, np.uint64
_NONE, _ALL, _ONE, _63 = _U64(0), _U64(2**64 - 1), _U64(1), _U64(63)


@cuda.jit(device=True)
def _word(spins, row, turn, lane):
    """Return a word of a neighbour, rotated by turn // 3 - 1 bits and turn % 3 - 1 lanes."""
    if turn == AT_REST:
        return spins[8 * row + lane]
    bits, lanes = turn // 3, turn % 3
    word = spins[8 * row + ((lane + lanes + 7) & 7)]
    if bits == 2:
        return (word >> _ONE) | (word << _63)
    if bits == 0:
        return (word << _ONE) | (word >> _63)
    return word


@cuda.jit(device=True)
def _slot():
    """Return where this thread adds counts."""
    return (cuda.blockIdx.x % 64) * 8 * THREADS + 8 * cuda.threadIdx.y + cuda.threadIdx.x


@cuda.jit
def rare_events(kinds, kept, poisson, k0, k1, sweep, events):
    """Scatter the rare events of a sweep; a thread for each lane and 64 rows, and each lattice.

    Parameters
    ----------
    kinds : uint32 array (n_rows,)
        All 0.
    kept, poisson, k0, k1
        As `ising_sweeps.sweeps` takes them.
    sweep : uint32
    events : uint64 array (n_lattices, n_rows * n_classes * 8)
        Out: they are added.
    """
    lane = _U32(cuda.threadIdx.x)
    chunk = _I32(cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y)
    lattice = cuda.blockIdx.y
    if chunk * 64 < kinds.size:
        scatter(
            events[lattice], _U32(0), lane, _U32(chunk), sweep, _U32(8 * lattice + lane), kinds,
            kept, poisson, k0, k1,
        )  # fmt: skip


@cache
def colour(z: int, symmetric: int, rule: int) -> Any:
    """Return the kernel that updates the rows of a colour, for degree abs(z) (positive: J < 0).

    A thread for each lane and row, and each lattice.  It takes

    x : uint64 array (n_lattices, 8 * n_rows)
        Spins, changed in place.
    order : uint32 array (n_rows,)
        Rows, colour by colour.
    rows : uint32 array (n_rows, abs(z))
        Neighbours of each of them.
    turns : uint8 array (n_rows, abs(z))
        3 (1 + bits) + 1 + lanes: how a neighbour beyond the edge of a strip is rotated.
    codes : uint64 array (1, n_classes)
        As `ising_sweeps.sweeps` takes them.
    begin, end : uint32
        The colour is ``order[begin:end]``.
    k0, k1, sweep : uint32
    events : uint64 array (n_lattices, n_rows * n_classes * 8)
        Of this sweep; consumed.
    flips : int64 array (n_lattices, SLOTS)
        For Metropolis: the numbers of flips are added.
    """
    degree, opposite = abs(z), z > 0
    settle, classes = settled(z, symmetric, rule), n_classes(abs(z), bool(symmetric))

    @cuda.jit
    def run(x, order, rows, turns, codes, begin, end, k0, k1, sweep, events, flips):
        lane, lattice = _U32(cuda.threadIdx.x), cuda.blockIdx.y
        place = _U32(begin + cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y)
        if place < end:
            spins, at = x[lattice], 8 * order[place] + lane
            d0, d1, d2, d3, d4 = _NONE, _NONE, _NONE, _NONE, _NONE
            for m in range(degree):
                word = _word(spins, rows[place, m], turns[place, m], lane)
                if opposite:
                    word ^= _ALL
                d0, d1, d2, d3, d4 = add_bit(d0, d1, d2, d3, d4, word)
            old = spins[at]
            new = settle(
                d0, d1, d2, d3, d4, old, place, codes, 0, events[lattice],
                place * classes * 8 + lane, sweep, _U32(8 * lattice + lane), k0, k1,
            )  # fmt: skip
            spins[at] = new
            if rule > 0:
                cuda.atomic.add(flips, (lattice, _slot()), np.int64(cuda.popc(old ^ new)))

    return run


@cuda.jit
def counts(x, order, rows, turns, out):
    """Count unequal neighbours and spins up; a thread for each lane and row, and each lattice.

    Parameters
    ----------
    x, order, rows, turns
        See `colour`; columns 0, 2, ... are the forward neighbours.
    out : int64 array (2, n_lattices, SLOTS)
        Counts are added.
    """
    lane, lattice = _U32(cuda.threadIdx.x), cuda.blockIdx.y
    place = cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    if place < order.size:
        spins = x[lattice]
        word, unequal = spins[8 * order[place] + lane], 0
        for m in range(0, rows.shape[1], 2):
            there = _word(spins, rows[place, m], turns[place, m], lane)
            unequal += cuda.popc(word ^ there)
        cuda.atomic.add(out, (0, lattice, _slot()), np.int64(unequal))
        cuda.atomic.add(out, (1, lattice, _slot()), np.int64(cuda.popc(word)))

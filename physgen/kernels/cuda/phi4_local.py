r"""Sweeps of phi^4 fields, one site at a time, on a CUDA device: Metropolis and overrelaxation.

Formulas and random words are those of :mod:`physgen.kernels.cpu.phi4_local`, and fields agree up
to rounding: a move whose probability and deviate agree to 1e-7 may be decided otherwise.  Sites
that do not depend on each other's update are updated at once (:mod:`.schedule`, of the order in
which the CPU visits them): half of the lattice where it is bipartite, with one barrier a half.

**Limit.**  A block's fields stay in the cache.  A site takes some 70 integer instructions for its
ten rounds of Philox, whose words are drawn where they are used, and 30 for the action: with 64 of
them a clock, 132 multiprocessors and 1.8 GHz (H200) 150 site-updates a nanosecond.  Memory (8
bytes a site, read and written once) would allow 600.  Half of the 150 is expected.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.phi4_sites import MOST_THREADS, add_up, around
from physgen.kernels.cuda.philox import philox4x32

__all__ = ["sweeps"]

_U32, _I32, _F, _D = np.uint32, np.int32, np.float32, np.float64
_CALL = _U32(2)  # counter word c3, as on the CPU
_HALF, _UNIT, _LOWEST = _F(0.5), _F(2.0**-32), _F(-69.0)


@cache
def sweeps(dtype: str) -> Any:
    """Return the kernel for fields of `dtype`; launch (W, S) threads, at most `MOST_THREADS`.

    It takes

    x : float array (n_blocks, n_sites * W)
        Fields, changed in place.
    table, degrees
        See :mod:`.phi4_sites`.
    order, starts, late : uint32
        The :class:`~physgen.kernels.cuda.schedule.Schedule`; `order` holds sites.
    n_periods : int
        Of the schedule.
    hop, quad, quart, zero : float, of the type of x
    width, inverse : float, of the type of x
        Half width of Metropolis proposals; 1 / c of the reflections.
    n_reflections : int
        Overrelaxation sweeps before each Metropolis sweep, >= 0.
    k0, k1 : uint32
        Philox key.
    n : int
        Rounds.
    accepted, reflected : float64 array (n_chains,)
        Out: shares of accepted Metropolis moves and, if there are any, reflections.
    """
    real = np.dtype(dtype).type
    fraction = real(2.0**-31)

    @cuda.jit(device=True)
    def moved(p, b, quad, quart, width, inverse, reflects, proposal, acceptance):
        """Return the new field of a site, and whether it has moved."""
        new = b * inverse - p if reflects else p + width * real(_I32(proposal)) * fraction
        change = (new - p) * ((new + p) * (quad + quart * (new * new + p * p)) - b)
        t = -_F(change)
        t = t if t < _F(0.0) else _F(0.0)
        t = t if t > _LOWEST else _LOWEST
        passes = (_F(acceptance) + _HALF) * _UNIT < _F(math.exp(t))
        return (new if passes else p), passes

    @cuda.jit
    def run(
        x, table, degrees, order, starts, late, n_periods, hop, quad, quart, zero, width, inverse,
        n_reflections, k0, k1, n, accepted, reflected,
    ):  # fmt: skip
        lane, part = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
        W, n_parts = _U32(cuda.blockDim.x), cuda.blockDim.y
        chain = _U32(cuda.blockIdx.x * cuda.blockDim.x + lane)
        shares = cuda.shared.array(MOST_THREADS, _D)
        phi = x[cuda.blockIdx.x]
        half = _U32((degrees.size + 1) // 2)
        each, per_round = n_reflections + 1, (n_reflections + 1) // 2 + 1
        moves, reflections = 0.0, 0.0
        for period in range(n * each + n_periods - 1):
            for colour in range(starts.size - 1):
                for j in range(starts[colour] + part, starts[colour + 1], n_parts):
                    sweep = period - np.int64(late[j])
                    if sweep < 0 or sweep >= n * each:
                        continue
                    site, kind = order[j], sweep % each
                    reflects = kind < n_reflections
                    call = (sweep // each) * per_round
                    call += kind // 2 if reflects else per_round - 1
                    upper = site >= half
                    q = site - half if upper else site
                    c, d, e, f = philox4x32(q, _U32(call), chain, _CALL, k0, k1)
                    first, second = (e, f) if upper else (c, d)
                    # Two sweeps of reflections share the words of a call.
                    acceptance = first if reflects and kind % 2 == 0 else second
                    at = site * W + lane
                    b = hop * around(phi, table, degrees[site], site, W, lane, zero)
                    phi[at], passes = moved(
                        phi[at], b, quad, quart, width, inverse, reflects, first, acceptance
                    )
                    if passes and reflects:
                        reflections += 1.0
                    elif passes:
                        moves += 1.0
                cuda.syncthreads()
        shares[part * W + lane] = moves
        cuda.syncthreads()
        if part == 0 and chain < accepted.size:
            accepted[chain] = add_up(shares, W, lane, n_parts) / (n * degrees.size)
        cuda.syncthreads()
        shares[part * W + lane] = reflections
        cuda.syncthreads()
        if part == 0 and chain < reflected.size:
            of_round = add_up(shares, W, lane, n_parts) / (n * degrees.size)
            reflected[chain] = of_round / (n_reflections if n_reflections > 0 else 1)

    return run

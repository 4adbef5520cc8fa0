r"""Sweeps of int8 Ising spins on a CUDA device: any couplings, any fields, any graph.

Formulas, random words and layout are those of :mod:`physgen.kernels.cpu.ising_scalar`, one chain a
thread.  Spins are the same but where rounding decides: a deviate within 1e-15 of its probability,
or couplings that cancel.  Sites that do not depend on each other's update are updated at once
(:mod:`.schedule`), with a barrier after each colour.

**Limit.**  A spin takes one call of Philox, of which it uses one of two words: some 70 integer
instructions, and 30 for addresses and the acceptance; the sum over z neighbours and the
exponential take some 20 + 2 z operations in float64.  With 64 of each a clock, 132
multiprocessors and 1.8 GHz (H200) that is 150 flips a nanosecond.  Memory (2 bytes a flip,
neighbours in the cache) would allow 2,000.  Half of the 150 is expected.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.phi4_sites import MOST_THREADS, add_up
from physgen.kernels.cuda.philox import draw_pair

__all__ = ["WIDTH", "numbers", "sweeps"]

WIDTH = 64  # chains of a block, as on the CPU

_U32, _U64, _I8, _D = np.uint32, np.uint64, np.int8, np.float64
_UNIT, _ELEVEN = 2.0**-53, _U64(11)


@cache
def sweeps(rule: int) -> Any:
    """Return the kernel: 0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie.

    Launch (64, S) threads.  It takes

    x : int8 array (n_blocks, n_sites * 64)
        Spins, changed in place.
    neighbours : uint32 array (n_sites, z)
        Any site where there is none.
    K : float64 array (n_sites, z)
        Couplings times beta; 0 where there is no neighbour.
    H : float64 array (n_sites,)
        Fields times beta.
    order, starts, late : uint32
        The :class:`~physgen.kernels.cuda.schedule.Schedule`.
    n_periods : int
        Of the schedule.
    k0, k1 : uint32
        Philox key.
    n_sweeps : int
    rates : float64 array (n_chains,)
        Out: share of the attempts that flipped a spin.
    """
    at_tie = 1.0 if rule == 2 else 0.5

    @cuda.jit(device=True)
    def flips(s, b, word):
        """Whether a spin changes its sign; b is its local field, times beta."""
        u = _D(word >> _ELEVEN) * _UNIT
        along = s * b
        if rule == 0:
            # At b = 0 the CPU favours -1, so a deviate below 1/2 makes +1 of it.
            against = along < 0.0 or (b == 0.0 and s > 0)
            e = math.exp(-2.0 * math.fabs(b))
            return (u * (1.0 + e) < e) != against
        e = math.exp(-2.0 * along) if along > 0.0 else 1.0
        return u < (at_tie if along == 0.0 else e)

    @cuda.jit
    def run(
        x, neighbours, K, H, order, starts, late, n_periods, k0, k1, n_sweeps, rates
    ):  # fmt: skip
        lane, part = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
        width, n_parts = _U32(cuda.blockDim.x), cuda.blockDim.y
        shares = cuda.shared.array(MOST_THREADS, _D)
        spins, chain = x[cuda.blockIdx.x], cuda.blockIdx.x * cuda.blockDim.x + lane
        # Word k of group l is that of chain 8 k + l.
        k, group = lane // _U32(8), _U32(_U32(8) * _U32(cuda.blockIdx.x) + lane % _U32(8))
        flipped = 0.0
        for period in range(n_sweeps + n_periods - 1):
            for colour in range(starts.size - 1):
                for j in range(starts[colour] + part, starts[colour + 1], n_parts):
                    sweep = period - np.int64(late[j])
                    if sweep < 0 or sweep >= n_sweeps:
                        continue
                    site = order[j]
                    b = H[site]
                    for m in range(neighbours.shape[1]):
                        b += K[site, m] * spins[neighbours[site, m] * width + lane]
                    first, second = draw_pair(site, _U32(sweep), group, k // _U32(2), k0, k1)
                    at = site * width + lane
                    if flips(spins[at], b, second if k % _U32(2) == 1 else first):
                        spins[at] = _I8(-spins[at])
                        flipped += 1.0
                cuda.syncthreads()
        shares[part * width + lane] = flipped
        cuda.syncthreads()
        if part == 0 and chain < rates.size:
            rates[chain] = add_up(shares, width, lane, n_parts) / (n_sweeps * H.size)

    return run


@cuda.jit
def numbers(x, first, second, J, h, out):
    """Write energy and magnetization of each chain; launch (64, S) threads.

    Parameters
    ----------
    x : int8 array (n_blocks, n_sites * 64)
    first, second : uint32 arrays (n_bonds,)
        Ends of the bonds.
    J : float64 array (n_bonds,)
    h : float64 array (n_sites,)
    out : float64 array (2, n_chains)
    """
    lane, part = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
    width, n_parts = _U32(cuda.blockDim.x), cuda.blockDim.y
    shares = cuda.shared.array(MOST_THREADS, _D)
    spins, chain = x[cuda.blockIdx.x], cuda.blockIdx.x * cuda.blockDim.x + lane
    energy, total = 0.0, 0.0
    for k in range(part, first.size, n_parts):
        energy -= J[k] * (spins[first[k] * width + lane] * spins[second[k] * width + lane])
    for site in range(part, h.size, n_parts):
        s = spins[site * width + lane]
        energy -= h[site] * s
        total += s
    shares[part * width + lane] = energy
    cuda.syncthreads()
    if part == 0 and chain < out.shape[1]:
        out[0, chain] = add_up(shares, width, lane, n_parts)
    cuda.syncthreads()
    shares[part * width + lane] = total
    cuda.syncthreads()
    if part == 0 and chain < out.shape[1]:
        out[1, chain] = add_up(shares, width, lane, n_parts) / h.size

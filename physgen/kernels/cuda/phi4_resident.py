r"""Hybrid Monte Carlo and Langevin steps of phi^4 fields that stay in shared memory.

The trajectories of :mod:`.phi4_hmc`, from the same random words; fields agree up to rounding.  A
CUDA block takes w of the W interleaved chains of a block of the layout, as many as fit, and keeps
their fields and momenta in the shared memory of its multiprocessor until the last step.  There is
one buffer of fields: after a barrier all momenta are kicked, after another one all fields drift.

**Limit.**  A site-step loads six numbers and stores one for the kick (field, momentum, four
neighbours) and loads two and stores one for the drift; four more loads find the neighbours.  With
32 of these 14 a clock, 132 multiprocessors and 1.8 GHz (H200) that is 540 site-steps a nanosecond.
The bytes of shared memory allow 760 in float32 and 380 in float64.  At 16 x 16 in float32 a
block of 256 threads takes 64 registers a thread and 37 KiB, so four blocks share a multiprocessor;
half of the 540 is expected.  The kernel of :mod:`.phi4_hmc`, whose fields are in the second-level
cache, did 72 on an H100.  It remains for lattices that do not fit (`lanes`): more than 1280 sites
in float32, 640 in float64.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cpu.normals import padded_sites
from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.normals import fill_normals
from physgen.kernels.cuda.phi4_hmc import NORMALS, decide
from physgen.kernels.cuda.phi4_sites import MOST_THREADS, add_up, drift, energies, kick, moments

__all__ = ["lanes", "langevin", "trajectories"]

# Every device has 48 KiB of shared memory for a block; sums over threads take 5 of them.
_BYTES = 40 * 1024
_MOST_LANES, _LEAST_LANES = 32, 4  # with fewer lanes, reads and writes of memory get too short

_U32, _D = np.uint32, np.float64


def lanes(n_sites: int, width: int, dtype: str) -> int:
    """Return w: chains of a CUDA block, a power of two; 0 if the lattice does not fit.

    Parameters
    ----------
    n_sites : int
    width : int
        W, a power of two.
    dtype : {"float32", "float64"}
    """
    w = min(_MOST_LANES, width)
    each = (n_sites + padded_sites(n_sites, dtype)) * np.dtype(dtype).itemsize
    while w * each > _BYTES:
        w //= 2
    return w if w >= _LEAST_LANES else 0


@cache
def trajectories(dtype: str, n_sites: int, w: int) -> Any:
    """Return the kernel; launch a block of (w, S) threads for every w chains.

    It takes the arguments of `phi4_hmc.trajectories` without its scratch.
    """
    fill, real = fill_normals(dtype), np.dtype(dtype).type
    n_fields, n_momenta = n_sites * w, padded_sites(n_sites, dtype) * w

    @cuda.jit
    def run(
        x, action, table, degrees, hop, quad, quart, zero, constant, k0, k1, steps, n_leapfrog,
        stats,
    ):  # fmt: skip
        lane, first = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
        width, stride = _U32(cuda.blockDim.x), _U32(cuda.blockDim.y)
        span = action.shape[1]
        n_parts = span // w
        block, place = cuda.blockIdx.x // n_parts, (cuda.blockIdx.x % n_parts) * w + lane
        chain, own = _U32(block * span + place), first * width + lane
        phi = cuda.shared.array(n_fields, real)
        pi = cuda.shared.array(n_momenta, real)
        before = cuda.shared.array(MOST_THREADS, _D)
        after = cuda.shared.array(MOST_THREADS, _D)
        taken = cuda.shared.array(MOST_THREADS, np.int32)
        fields, c = x[block], (hop, quad, quart, zero)
        for site in range(first, n_sites, stride):
            phi[site * width + lane] = fields[site * span + place]
        for t in range(steps.size):
            step, eps = _U32(t), steps[t]
            half = eps * real(0.5)
            fill(pi, width, lane, first, stride, chain, step, NORMALS, k0, k1)
            cuda.syncthreads()
            _, kinetic = moments(pi, n_sites, width, lane, first, stride)
            kick(phi, pi, table, degrees, c, half, width, lane, first, stride)
            for i in range(n_leapfrog):
                cuda.syncthreads()
                drift(phi, pi, eps, n_sites, width, lane, first, stride)
                cuda.syncthreads()
                if i < n_leapfrog - 1:
                    kick(phi, pi, table, degrees, c, eps, width, lane, first, stride)
            s, k = energies(phi, pi, table, degrees, c, half, width, lane, first, stride)
            before[own], after[own] = kinetic, k
            cuda.syncthreads()
            if first == 0:
                kinetic = add_up(after, width, lane, stride) - add_up(before, width, lane, stride)
            cuda.syncthreads()
            after[own] = s
            cuda.syncthreads()
            if first == 0:
                moved = add_up(after, width, lane, stride) + constant
                taken[lane] = decide(
                    action, stats, block, place, moved, kinetic, chain, step, k0, k1
                )
            cuda.syncthreads()
            for site in range(first, n_sites, stride):
                at, there = site * width + lane, site * span + place
                if taken[lane] == 1:
                    fields[there] = phi[at]
                else:
                    phi[at] = fields[there]
            cuda.syncthreads()

    return run


@cache
def langevin(dtype: str, n_sites: int, w: int) -> Any:
    """Return the kernel of unadjusted Langevin steps; launched as `trajectories`.

    It takes the arguments of `phi4_hmc.langevin` without its scratch, and W after the fields.
    """
    fill, real = fill_normals(dtype), np.dtype(dtype).type
    n_fields, n_momenta = n_sites * w, padded_sites(n_sites, dtype) * w

    @cuda.jit
    def run(x, span, table, degrees, hop, quad, quart, zero, k0, k1, h, half, n_steps):
        lane, first = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
        width, stride = _U32(cuda.blockDim.x), _U32(cuda.blockDim.y)
        n_parts = span // w
        block, place = cuda.blockIdx.x // n_parts, (cuda.blockIdx.x % n_parts) * w + lane
        chain = _U32(block * span + place)
        phi = cuda.shared.array(n_fields, real)
        pi = cuda.shared.array(n_momenta, real)
        fields, c = x[block], (hop, quad, quart, zero)
        for site in range(first, n_sites, stride):
            phi[site * width + lane] = fields[site * span + place]
        for t in range(n_steps):
            fill(pi, width, lane, first, stride, chain, _U32(t), NORMALS, k0, k1)
            cuda.syncthreads()
            kick(phi, pi, table, degrees, c, half, width, lane, first, stride)
            cuda.syncthreads()
            drift(phi, pi, h, n_sites, width, lane, first, stride)
            cuda.syncthreads()
        for site in range(first, n_sites, stride):
            fields[site * span + place] = phi[site * width + lane]

    return run

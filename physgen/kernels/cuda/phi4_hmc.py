r"""Hybrid Monte Carlo and Langevin steps of phi^4 fields on a CUDA device.

Formulas, random words and layout are the same as in :mod:`physgen.kernels.cpu.field_hmc` and
:mod:`physgen.kernels.cpu.langevin`, and fields agree up to rounding.  A CUDA block runs all steps
of its W chains in one launch, and its threads wait for one another after each pass over the
lattice.  Two field buffers alternate; together with the momenta they stay in the first- or
second-level cache.  Actions are summed in float64.  Lattices that fit in shared memory take the
kernels of :mod:`.phi4_resident`.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.normals import fill_normals, uniform
from physgen.kernels.cuda.phi4_sites import (
    MOST_THREADS,
    add_up,
    copy,
    energies,
    kick_drift,
    moments,
)

__all__ = ["NORMALS", "actions", "decide", "langevin", "sums", "trajectories"]

_U32, _D = np.uint32, np.float64
NORMALS, _UNIFORM, _ACCEPT = _U32(0), _U32(1), _U32(0xFFFFFFFF)  # as on the CPU
_DIVERGED = 1000.0


@cuda.jit(device=True)
def decide(action, stats, block, place, moved, kinetic, chain, step, k0, k1):
    """Accept or reject a chain, add to its `stats`, and return 1 or 0.

    `moved` is the new action and `kinetic` twice the change of the kinetic energy; `place` is that
    of the chain in its block.
    """
    change = moved - action[block, place] + 0.5 * kinetic
    finite = math.isfinite(change)
    p = 0.0
    if finite:
        p = math.exp(-change) if change > 0.0 else 1.0
    accept = uniform(_ACCEPT, step, chain, _UNIFORM, k0, k1) < p
    stats[block, 1, place] += p
    if accept:
        action[block, place] = moved
        stats[block, 0, place] += 1.0
    if finite:
        stats[block, 2, place] += change
    if not finite or math.fabs(change) > _DIVERGED:
        stats[block, 3, place] += 1.0
    return 1 if accept else 0


@cache
def trajectories(dtype: str) -> Any:
    """Return the kernel for fields of `dtype`; launch (W, S) threads, at most `MOST_THREADS`.

    It takes

    x : float array (n_blocks, n_sites * W)
        Fields, changed in place.
    action : float64 array (n_blocks, W)
        Their actions; changed in place.
    table, degrees
        See :mod:`.phi4_sites`.
    hop, quad, quart, zero : float, of the type of x
    constant : float
        n_sites * const, added to the action.
    work : float array (3, n_blocks, padded sites * W)
        Scratch; sites padded as `physgen.kernels.cpu.normals.padded_sites` says.
    k0, k1 : uint32
        Philox key.
    steps : float array (n,), of the type of x
        Step size of each trajectory.
    n_leapfrog : int
    stats : float64 array (n_blocks, 4, W)
        Sums over trajectories are added: accepted, min(1, e^-dH), dH, divergent.
    """
    fill, real = fill_normals(dtype), np.dtype(dtype).type

    @cuda.jit
    def run(
        x, action, table, degrees, hop, quad, quart, zero, constant, work, k0, k1, steps,
        n_leapfrog, stats,
    ):  # fmt: skip
        block = cuda.blockIdx.x
        lane, first = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
        width, stride = _U32(cuda.blockDim.x), _U32(cuda.blockDim.y)
        chain, own = _U32(block * cuda.blockDim.x + lane), first * width + lane
        before = cuda.shared.array(MOST_THREADS, _D)
        after = cuda.shared.array(MOST_THREADS, _D)
        taken = cuda.shared.array(MOST_THREADS, np.int32)
        phi, pi = x[block], work[2, block]
        c = (hop, quad, quart, zero)
        n_sites = degrees.size
        for t in range(steps.size):
            one, two = work[0, block], work[1, block]
            step = _U32(t)
            fill(pi, width, lane, first, stride, chain, step, NORMALS, k0, k1)
            cuda.syncthreads()
            _, kinetic = moments(pi, n_sites, width, lane, first, stride)
            eps = steps[t]
            half = eps * real(0.5)
            kick_drift(phi, pi, one, table, degrees, c, half, eps, width, lane, first, stride)
            for _i in range(n_leapfrog - 1):
                cuda.syncthreads()
                kick_drift(one, pi, two, table, degrees, c, eps, eps, width, lane, first, stride)
                one, two = two, one
            cuda.syncthreads()
            s, k = energies(one, pi, table, degrees, c, half, width, lane, first, stride)
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
                    action, stats, block, lane, moved, kinetic, chain, step, k0, k1
                )
            cuda.syncthreads()
            if taken[lane] == 1:
                copy(one, phi, n_sites, width, lane, first, stride)
            cuda.syncthreads()

    return run


@cache
def langevin(dtype: str) -> Any:
    r"""Return the kernel of unadjusted Langevin steps; launched as `trajectories`.

    It takes the same x, table, degrees, hop, quad, quart, zero, work, k0 and k1, and ``h, half``,
    :math:`h = \sqrt{2 \epsilon}` and h/2 in the type of x, and n_steps.
    """
    fill = fill_normals(dtype)

    @cuda.jit
    def run(x, table, degrees, hop, quad, quart, zero, work, k0, k1, h, half, n_steps):
        block = cuda.blockIdx.x
        lane, first = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
        width, stride = _U32(cuda.blockDim.x), _U32(cuda.blockDim.y)
        chain = _U32(block * cuda.blockDim.x + lane)
        c = (hop, quad, quart, zero)
        phi, other, pi = x[block], work[0, block], work[2, block]
        for t in range(n_steps):
            fill(pi, width, lane, first, stride, chain, _U32(t), NORMALS, k0, k1)
            cuda.syncthreads()
            kick_drift(phi, pi, other, table, degrees, c, half, h, width, lane, first, stride)
            cuda.syncthreads()
            phi, other = other, phi
        if n_steps % 2 == 1:
            copy(phi, other, degrees.size, width, lane, first, stride)

    return run


@cuda.jit
def actions(x, table, degrees, hop, quad, quart, zero, constant, out):
    """Write the action of each chain, float64 (n_blocks, W)."""
    block = cuda.blockIdx.x
    lane, first = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
    width, stride = _U32(cuda.blockDim.x), _U32(cuda.blockDim.y)
    shares = cuda.shared.array(MOST_THREADS, _D)
    phi, c = x[block], (hop, quad, quart, zero)
    s, _ = energies(phi, phi, table, degrees, c, zero, width, lane, first, stride)
    shares[first * width + lane] = s
    cuda.syncthreads()
    if first == 0:
        out[block, lane] = add_up(shares, width, lane, stride) + constant


@cuda.jit
def sums(x, n_sites, out):
    """Write the sums over sites of phi and phi^2 of each chain, float64 (n_blocks, 2, W)."""
    block = cuda.blockIdx.x
    lane, first = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y)
    width, stride = _U32(cuda.blockDim.x), _U32(cuda.blockDim.y)
    linear = cuda.shared.array(MOST_THREADS, _D)
    square = cuda.shared.array(MOST_THREADS, _D)
    s, q = moments(x[block], n_sites, width, lane, first, stride)
    linear[first * width + lane], square[first * width + lane] = s, q
    cuda.syncthreads()
    if first == 0:
        out[block, 0, lane] = add_up(linear, width, lane, stride)
        out[block, 1, lane] = add_up(square, width, lane, stride)

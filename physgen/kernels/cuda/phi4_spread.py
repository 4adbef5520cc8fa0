r"""Trajectories of large phi^4 lattices, on each of which all of a CUDA device works.

The trajectories and Langevin steps of :mod:`.phi4_hmc`, from the same random words; fields agree
up to rounding.  A lattice lies on its own, and thread i of all S takes the sites i, i + S, ...
Blocks of threads cannot wait for one another, so every pass over the lattice is a launch: momenta,
kicks with drifts, energies, the decision, the copy of an accepted field.  A block adds up its
shares in their order, and shares of blocks are added up in theirs: sums do not depend on timing.

All kernels but `settle` are launched with (B, n_lattices) blocks of at most `MOST_THREADS`
threads.  ``shares`` is float64 (2, n_lattices, B); the other arguments are those of
:mod:`.phi4_hmc`, with fields (n_lattices, n_sites) and momenta (n_lattices, padded sites).

**Limit.**  A site-step reads field and momentum and writes both, and its neighbours come from the
cache: 16 bytes in float32, hence 300 site-steps a nanosecond at 4.8 TB/s (H200).  A launch takes
some 5 microseconds on the host, the time of 1.5 million sites: smaller lattices wait for launches.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.normals import fill_normals
from physgen.kernels.cuda.phi4_hmc import NORMALS, decide
from physgen.kernels.cuda.phi4_sites import MOST_THREADS, add_up, kick_drift, moments
from physgen.kernels.cuda.phi4_sites import energies as site_energies

__all__ = ["LEAST_SITES", "energies", "leap", "momenta", "n_blocks", "settle", "sums",
           "take"]  # fmt: skip

LEAST_SITES = 512**2  # from which on lattices are spread
_MOST_BLOCKS = 1056  # of a lattice: eight for each of 132 multiprocessors

_U32, _D = np.uint32, np.float64
_WIDTH, _LANE = _U32(1), _U32(0)  # of a lattice on its own


def n_blocks(n_sites: int, n_threads: int) -> int:
    """Return B: blocks of threads for each lattice."""
    return min(_MOST_BLOCKS, -(-n_sites // n_threads))


@cache
def momenta(dtype: str) -> Any:
    """Return the kernel that fills the momenta of a step; it takes pi, k0, k1 and step."""
    fill = fill_normals(dtype)

    @cuda.jit
    def run(pi, k0, k1, step):
        first = _U32(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x)
        stride, chain = _U32(cuda.gridDim.x * cuda.blockDim.x), _U32(cuda.blockIdx.y)
        fill(pi[cuda.blockIdx.y], _WIDTH, _LANE, first, stride, chain, step, NORMALS, k0, k1)

    return run


@cuda.jit
def leap(phi, pi, out, table, degrees, hop, quad, quart, zero, kick, drift):
    """Kick and drift: pi += kick F(phi), out = phi + drift pi; out is not phi."""
    first = _U32(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x)
    stride, lattice = _U32(cuda.gridDim.x * cuda.blockDim.x), cuda.blockIdx.y
    fields, own, c = phi[lattice], pi[lattice], (hop, quad, quart, zero)
    kick_drift(
        fields, own, out[lattice], table, degrees, c, kick, drift, _WIDTH, _LANE, first, stride
    )


@cuda.jit(device=True)
def _total(of_threads, value, at, n):
    """Return to thread 0 the sum over the n threads of a block; all of them must call it."""
    cuda.syncthreads()
    of_threads[at] = value
    cuda.syncthreads()
    return add_up(of_threads, _WIDTH, _LANE, n) if at == 0 else value


@cuda.jit
def energies(phi, pi, table, degrees, hop, quad, quart, zero, kick, shares):
    """Write ``shares``: the action without constant, and sums of (pi + kick F)^2."""
    of_threads, at, n = cuda.shared.array(MOST_THREADS, _D), cuda.threadIdx.x, cuda.blockDim.x
    first, stride = _U32(cuda.blockIdx.x * n + at), _U32(cuda.gridDim.x * n)
    lattice, c = cuda.blockIdx.y, (hop, quad, quart, zero)
    s, k = site_energies(
        phi[lattice], pi[lattice], table, degrees, c, kick, _WIDTH, _LANE, first, stride
    )
    s = _total(of_threads, s, at, n)
    k = _total(of_threads, k, at, n)
    if at == 0:
        shares[0, lattice, cuda.blockIdx.x] = s
        shares[1, lattice, cuda.blockIdx.x] = k


@cuda.jit
def sums(phi, n_sites, shares):
    """Write ``shares``: sums of phi and phi^2; or of momenta, which may be padded."""
    of_threads, at, n = cuda.shared.array(MOST_THREADS, _D), cuda.threadIdx.x, cuda.blockDim.x
    first, stride = _U32(cuda.blockIdx.x * n + at), _U32(cuda.gridDim.x * n)
    lattice = cuda.blockIdx.y
    s, q = moments(phi[lattice], n_sites, _WIDTH, _LANE, first, stride)
    s = _total(of_threads, s, at, n)
    q = _total(of_threads, q, at, n)
    if at == 0:
        shares[0, lattice, cuda.blockIdx.x] = s
        shares[1, lattice, cuda.blockIdx.x] = q


@cuda.jit
def settle(first, last, constant, k0, k1, step, action, stats, taken):
    """Accept or reject; launch a block for each lattice.

    Parameters
    ----------
    first, last : float64 arrays (2, n_lattices, B)
        Shares: sums of the momenta at the start, energies at the end.
    constant, k0, k1, step
    action : float64 array (n_lattices, 1)
    stats : float64 array (n_lattices, 4, 1)
    taken : int32 array (n_lattices,)
        Out: 1 where a lattice is accepted.
    """
    of_threads, at, n = cuda.shared.array(MOST_THREADS, _D), cuda.threadIdx.x, cuda.blockDim.x
    lattice = cuda.blockIdx.x
    moved, change = 0.0, 0.0
    for b in range(at, last.shape[2], n):
        moved += last[0, lattice, b]
        change += last[1, lattice, b] - first[1, lattice, b]
    moved = _total(of_threads, moved, at, n)
    change = _total(of_threads, change, at, n)
    if at == 0:
        taken[lattice] = decide(
            action, stats, lattice, 0, moved + constant, change, _U32(lattice), step, k0, k1
        )


@cuda.jit
def take(phi, taken, x):
    """Copy the fields of lattices that are accepted."""
    first = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    lattice = cuda.blockIdx.y
    if taken[lattice] == 1:
        for site in range(first, x.shape[1], cuda.gridDim.x * cuda.blockDim.x):
            x[lattice, site] = phi[lattice, site]

r"""The numbers of Ising chains that go to the host: energy, magnetization, acceptance rates.

Energy and magnetization are functions of counts: u unequal bonds, p spins up, a spins along their
field,

.. math:: E = -J (B - 2u) - h (2a - V_h), \qquad m = 2p / V - 1 ,

so the device looks them up in tables that the host has computed with its own formula.  They agree
with the CPU's bit for bit, whatever products and sums a compiler contracts.

**Limit.**  The spins are read once from memory (V / 8 bytes a chain; neighbours come from the
cache) and 16 bytes a chain cross the bus.  For a million chains of 256 spins on an H200 that is 7
microseconds of memory and 0.3 ms of a PCIe bus of 55 GB/s: the bus is the limit.  The copy runs
beside the sweeps that follow (`samplers.cuda_transfers`), so it should cost next to nothing; a
sweep of these chains takes 0.18 ms.
"""

from __future__ import annotations

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.counting import count_of, tally

__all__ = ["CHAINS", "PARTS", "energies", "rates"]

CHAINS = 512  # of a block, as on the CPU
PARTS = 4  # threads of `energies` for each word of 64 chains

_U32 = np.uint32


@cuda.jit
def energies(x, first, second, signs, starts, values, offsets, planes, out):
    """Write energy and magnetization of each chain; launch (8, PARTS) threads.

    Parameters
    ----------
    x : uint64 array (n_blocks, 8 * n_sites)
        Spins.
    first, second, signs
        What is counted, as `counting.tally` takes it.
    starts : uint32 array (n_counts + 1,)
        Count k is that of rows ``starts[k]:starts[k + 1]``, a multiple of 7: unequal bonds, spins
        up and, if there is a field, spins along it.
    values : float64 array
        Tables: energy of the bonds, magnetization, energy of the field.
    offsets : uint32 array (n_counts,)
        Where the table of each count begins.
    planes : uint64 array (n_blocks, PARTS * n_planes * 8)
        Scratch.
    out : float64 array (2, n_chains)
        Energy and magnetization; chains after the last one are left out.
    """
    block = cuda.blockIdx.x
    lane, part, n_parts = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y), cuda.blockDim.y
    spins, counts = x[block], planes[block]
    n_planes = counts.size // (8 * n_parts)
    for k in range(offsets.size):
        tally(
            spins, first, second, signs, starts[k], starts[k + 1], counts, n_planes, lane, part,
            n_parts,
        )  # fmt: skip
        for bit in range(part, 64, n_parts):
            i = 64 * lane + bit
            chain = block * CHAINS + i
            if chain < out.shape[1]:
                value = values[offsets[k] + count_of(counts, n_planes, _U32(i))]
                if k == 2:
                    value += out[0, chain]
                out[k % 2, chain] = value
        cuda.syncthreads()


@cuda.jit
def rates(planes, n_planes, n, out):
    """Write count / n of the counts in the planes of part 0; any number of threads a block.

    Parameters
    ----------
    planes : uint64 array (n_blocks, n_parts * n_planes * 8)
    n_planes : int
    n : float
    out : float64 array (n_chains,)
    """
    block = cuda.blockIdx.x
    for i in range(cuda.threadIdx.x, CHAINS, cuda.blockDim.x):
        chain = block * CHAINS + i
        if chain < out.size:
            out[chain] = np.float64(count_of(planes[block], n_planes, _U32(i))) / n

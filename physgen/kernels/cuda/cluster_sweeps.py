r"""Swendsen-Wang sweeps on a CUDA device: every cluster is flipped with probability 1/2.

A block of threads works on the lattices of w chains, one of them for spins and up to 32 for
interleaved fields.  A sweep has two phases, with a barrier after each: threads share the bonds and
join the ends of those that are occupied (:mod:`.cluster_forest`, :mod:`.cluster_bonds`); then they
share the sites, and each looks up the coin of its root.

**Words.**  Philox counter: c1 = sweep, c2 = chain; c0 = b // 2 and c3 = 0 for the 64-bit words of
bonds b and b + 1, b even; c3 = 1 for coins, a bit for each node.  The CPU's loops draw from one
sequential generator a chain, in an order that depends on the spins, which threads at work at once
cannot do: chains of the device are others.  They equal, bit for bit, those that the same words
give one bond after the other.

**Where the labels are.**  In the shared memory of a multiprocessor, where they fit into 48 KiB
(11,911 sites), else in memory.  The upper half of a label is a size, so that a lattice has 65,535
sites at most.

**Limit.**  On a square lattice a site takes a call of Philox for its two bonds, some 70 integer
instructions, and 150 more for its ends, two joins and a walk to the root: with 64 of them a clock,
132 multiprocessors and 1.8 GHz (H200) that is 70 sites a nanosecond.  Threads of a warp walk paths
of different lengths; a third of it is expected.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.cluster_forest import (
    MOST_NODES,
    SIZE,
    coin,
    coin_words,
    join,
    reset,
    root,
    size_of,
    toss,
)
from physgen.kernels.cuda.philox import draw_pair

__all__ = ["MOST_SITES", "lanes", "scratch_words", "sweeps"]

MOST_SITES = MOST_NODES - 1

# Every device has 48 KiB of shared memory for a block.
_BYTES, _MOST_LANES = 48 * 1024, 32

_U32, _D = np.uint32, np.float64
_BONDS = _U32(0)  # counter word c3


def scratch_words(n_sites: int) -> int:
    """Return the number of uint32 that labels and coins of a chain take."""
    return n_sites + 1 + coin_words(n_sites + 1)


def lanes(n_sites: int, width: int) -> int:
    """Return w: chains of a CUDA block, a power of two; 0 if not even one fits.

    Parameters
    ----------
    n_sites : int
    width : int
        Chains that lie interleaved, a power of two.
    """
    w = min(_MOST_LANES, width)
    while 4 * w * scratch_words(n_sites) > _BYTES:
        w //= 2
    return w


@cache
def sweeps(occupied: Any, n_sites: int, w: int, shared: bool) -> Any:
    """Return the kernel; launch a block of (w, S) threads for every w chains.

    Parameters
    ----------
    occupied : device function
        Of :mod:`.cluster_bonds`.
    n_sites, w : int
    shared : bool
        Whether labels are in shared memory.

    Notes
    -----
    The kernel takes

    x : array (n_blocks, n_sites * W)
        Spins or fields, changed in place.
    ghost : of the type of x
        1, the spin of node 0.
    first, second : uint32 arrays (n_bonds,)
        Nodes: sites + 1, and in `second` also 0.
    kinds : uint32 array (n_bonds,)
    strengths, signs : arrays
        Of each kind; see :mod:`.cluster_bonds`.
    scratch : uint32 array (n_blocks * W / w, w * scratch_words(n_sites))
        Labels and coins, unless they are in shared memory.
    k0, k1 : uint32
        Philox key.
    n : int
        Sweeps.
    out : float64 array (2, n_blocks * W)
        Out: mean number of clusters a sweep (without the ghost's), and in the last sweep sum_c
        n_c^2 / n_sites.
    """
    n_nodes, n_words = n_sites + 1, coin_words(n_sites + 1)
    width, n_labels = _U32(w), w * scratch_words(n_sites)

    @cuda.jit
    def run(
        x, ghost, first, second, kinds, strengths, signs, scratch, k0, k1, n, out
    ):  # fmt: skip
        lane, part, n_parts = _U32(cuda.threadIdx.x), _U32(cuda.threadIdx.y), cuda.blockDim.y
        span = x.shape[1] // n_sites
        each = span // w
        block, place = cuda.blockIdx.x // each, (cuda.blockIdx.x % each) * w + lane
        spins, chain = x[block], _U32(block * span + place)
        labels = cuda.shared.array(n_labels, np.uint32) if shared else scratch[cuda.blockIdx.x]
        parent, coins = labels[: n_nodes * w], labels[n_nodes * w :]
        clusters, squares = 0, 0.0
        for t in range(n):
            sweep = _U32(t)
            reset(parent, n_nodes, width, lane, part, n_parts)
            toss(coins, n_words, width, lane, part, n_parts, chain, sweep, k0, k1)
            cuda.syncthreads()
            for p in range(part, (first.size + 1) // 2, n_parts):
                words = draw_pair(_U32(p), sweep, chain, _BONDS, k0, k1)
                for half in range(2):
                    b = 2 * p + half
                    if b < first.size:
                        i, j = first[b], second[b]
                        here = spins[(i - 1) * span + place]
                        there = ghost
                        if j > 0:
                            there = spins[(j - 1) * span + place]
                        word = words[1] if half == 1 else words[0]
                        if occupied(here, there, kinds[b], strengths, signs, word):
                            join(parent, i, j, width, lane)
            cuda.syncthreads()
            for site in range(part, n_sites, n_parts):
                node = _U32(site + 1)
                top = root(parent, node, width, lane)
                clusters += 1 if top == node else 0
                if coin(coins, top, width, lane):
                    spins[site * span + place] = -spins[site * span + place]
                if t == n - 1:
                    cuda.atomic.add(parent, top * width + lane, SIZE)
            cuda.syncthreads()
        for node in range(part, n_nodes, n_parts):
            size = _D(size_of(parent, node, width, lane))
            squares += size * size
        # Sums of integers: the same in whatever order threads come.
        if part == 0:
            out[0, chain], out[1, chain] = 0.0, 0.0
        cuda.syncthreads()
        cuda.atomic.add(out, (0, chain), _D(clusters))
        cuda.atomic.add(out, (1, chain), squares)
        cuda.syncthreads()
        if part == 0:
            out[0, chain] /= n
            out[1, chain] /= n_sites

    return run

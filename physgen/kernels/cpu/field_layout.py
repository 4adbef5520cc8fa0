r"""Memory layout of the fields of many chains, for the compiled loops of local actions.

Chains are interleaved in blocks of W, ``x[block, site, w]``, chain = W block + w, W a power of
two.  Neighbouring numbers belong to neighbouring chains, so vector instructions work for any
lattice, and all fields of a block stay in the cache.

A lattice is a **table** of groups of four neighbours: sites with other numbers of neighbours are
filled up with a site n_sites whose field is 0, which the loops put behind every field.  So open
boundaries, chains, cubes and graphs are no special cases, and a double bond is a neighbour listed
twice.  Each group has a weight, its coupling: diagonal neighbours are further groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "CPU_BLOCK",
    "GPU_BLOCK",
    "GROUP",
    "MIN_WIDTH",
    "block_width",
    "groups",
    "pack",
    "unpack",
]

MIN_WIDTH, _MAX_WIDTH = 16, 256
GROUP = 4
CPU_BLOCK, GPU_BLOCK = 32768, 65536  # bytes of one field, by which the fastest loops were found


def block_width(
    n_chains: int,
    n_sites: int,
    itemsize: int,
    least: int = MIN_WIDTH,
    n_bytes: int = CPU_BLOCK,
) -> int:
    """Return W: a power of two that keeps a block in the cache and wastes few lanes.

    `least` is the smallest W, for loops over the chains of a single site; `n_bytes` the size of
    one field of a block.
    """
    fits = max(least, n_bytes // (n_sites * itemsize))
    needed = max(MIN_WIDTH, 1 << (n_chains - 1).bit_length())
    return 1 << (min(fits, needed, _MAX_WIDTH).bit_length() - 1)


def pack(x: np.ndarray, width: int, dtype: Any) -> np.ndarray:
    """Return configurations (n_chains, n_sites) as (n_blocks, n_sites, width), C-contiguous.

    Lanes without a chain repeat the last chain.
    """
    n_chains, n_sites = x.shape
    n_blocks = -(-n_chains // width)
    chain = np.minimum(np.arange(n_blocks * width), n_chains - 1)
    blocks = x[chain].reshape(n_blocks, width, n_sites).transpose(0, 2, 1)
    return np.ascontiguousarray(blocks, dtype=dtype)


def unpack(x: np.ndarray, n_chains: int) -> np.ndarray:
    """Return blocks (n_blocks, n_sites, width) as configurations (n_chains, n_sites)."""
    n_sites = x.shape[1]
    return np.ascontiguousarray(x.transpose(0, 2, 1).reshape(-1, n_sites)[:n_chains])


def groups(
    shells: Sequence[np.ndarray], weights: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the table of a lattice, and the weight of each of its groups.

    Parameters
    ----------
    shells : sequence of int arrays (n_sites, z)
        Neighbour tables, -1 where there is none.
    weights : sequence of float
        A coupling for each; a shell whose coupling is 0 is left out.

    Returns
    -------
    int32 array (n_sites, 4 n_groups)
    float64 array (n_groups,)
        n_groups >= 1.
    """
    n_sites = len(shells[0])
    table, of_group = [], []
    for shell, weight in zip(shells, weights, strict=True):
        # Sites in C order have few neighbours absent: the last columns may be absent everywhere.
        order = np.argsort(shell < 0, axis=1, kind="stable")
        there = np.take_along_axis(np.asarray(shell), order, axis=1)
        there = np.where(there < 0, n_sites, there)
        n_groups = -(-there.shape[1] // GROUP) if weight != 0 else 0
        full = np.full((n_sites, GROUP * n_groups), n_sites)
        full[:, : there.shape[1]] = there[:, : full.shape[1]]
        table.append(full)
        of_group += [float(weight)] * n_groups
    if not of_group:
        table, of_group = [np.full((n_sites, GROUP), n_sites)], [0.0]
    return np.ascontiguousarray(np.concatenate(table, axis=1), np.int32), np.array(of_group)

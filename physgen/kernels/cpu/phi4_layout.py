r"""Memory layout of the fields of many chains, for the compiled phi^4 loops.

Chains are interleaved in blocks of W, ``x[block, site, w]``, chain = W block + w, W a power of
two.  Neighbouring numbers belong to neighbouring chains, so vector instructions work for any
lattice, and all fields of a block stay in the cache.

A neighbour table becomes **runs**: the longest stretches of consecutive sites s, s + 1, ... with
neighbours that also advance by one, so a loop over a run is a loop over contiguous memory.  On a
hypercubic lattice a row has three runs, its two ends and the rest; any graph can be cut into runs.
A run is a row of int64: first site, length, number z of neighbours, and the z neighbours of its
first site (padded with 0).  Absent neighbours (-1) are left out, so open boundaries are no special
case, and a double bond is a neighbour listed twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["MIN_WIDTH", "block_width", "pack", "runs", "unpack"]

MIN_WIDTH, _MAX_WIDTH = 16, 256
_BLOCK_BYTES = 65536  # bytes of one field: three fields fit easily in the second-level cache


def block_width(n_chains: int, n_sites: int, itemsize: int, least: int = MIN_WIDTH) -> int:
    """Return W: a power of two that keeps a block in the cache and wastes few lanes.

    `least` is the smallest W, for loops over the chains of a single site.
    """
    fits = max(least, _BLOCK_BYTES // (n_sites * itemsize))
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


def runs(neighbours: np.ndarray) -> np.ndarray:
    """Return the runs of a neighbour table (n_sites, z) of int, -1 where there is none.

    Returns
    -------
    int64 array (n_runs, 3 + z)
        First site, length, number of neighbours, neighbours of the first site.
    """
    table = np.asarray(neighbours, dtype=np.int64)
    n_sites, z = table.shape
    absent = table < 0
    same = np.all(absent[1:] == absent[:-1], axis=1)
    advance = np.all((table[1:] == table[:-1] + 1) | absent[1:], axis=1)
    first = np.flatnonzero(np.concatenate([[True], ~(same & advance)]))
    length = np.diff(np.append(first, n_sites))
    out = np.zeros((first.size, 3 + z), dtype=np.int64)
    out[:, 0], out[:, 1] = first, length
    for row, site in zip(out, first, strict=True):
        present = table[site][~absent[site]]
        row[2], row[3 : 3 + present.size] = present.size, present
    return out

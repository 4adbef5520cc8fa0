r"""Where a pass over a lattice may go on before the pass in front of it has ended.

A pass over a block of chains reads and writes three fields, which are larger than the first-level
cache.  Sites in C order have their neighbours in their own **slab** or in a slab beside it, on a
circle of slabs (on a hypercubic lattice a slab is a row, or a plane).  So pass k may visit a slab
once pass k - 1 has visited it and both beside it, and a few passes go round together, while a slab
is in the cache:

    for i in 0 ... n_slabs + 2 (g - 1) - 1:
        for j in 0 ... g - 1:                  # pass j is at its slab number m = i - 2 j
            visit slab (m + j) mod n_slabs     # if 0 <= m < n_slabs

Pass j begins with slab j and stays two slabs behind pass j - 1.  It overwrites the fields of pass
j - 2 in a slab whose neighbours pass j - 1 has visited, and at its end it comes to the slabs where
pass j - 1 began.  The numbers are those of whole passes one by one, bit for bit.

A slab is cut into **runs**: stretches on which the four neighbours advance with their site, so
nothing is looked up on the way.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["runs", "slabs", "starts"]

_U = np.uint64
_LEAST_BYTES = 1024  # of a slab: a visit costs as much as a few vectors
_TOGETHER = 4  # passes that go round together: more gain nothing


@njit(**CONTRACT)
def starts(table, width, itemsize):
    """Return the first site of each slab, and n_sites, int64 (n_slabs + 1,).

    `table` is that of :func:`.field_layout.groups`.
    """
    n_sites, reach = table.shape[0], 1
    for s in range(n_sites):
        for i in range(table.shape[1]):
            y = table[s, i]
            if y < n_sites:
                reach = max(reach, min(abs(y - s), n_sites - abs(y - s)))
    size = min(n_sites, max(reach, -(-_LEAST_BYTES // (width * itemsize))))
    while n_sites % size:  # a shorter slab would not keep those beside it apart
        size += 1
    return np.arange(n_sites // size + 1) * size


@njit(**CONTRACT)
def runs(at, first_sites, width):
    """Cut each slab into runs, for one group of neighbours.

    Parameters
    ----------
    at : uint32 array (n_groups, 4 n_sites)
        :func:`.action_rows.offsets`.
    first_sites : int64 array (n_slabs + 1,)
        :func:`starts`.
    width : int
        Chains of the block.

    Returns
    -------
    uint64 array (n_runs, 6)
        First item, the item after the last, and how far the four neighbours of an item lie ahead
        of it, modulo 2^64.  No run where there are more groups of neighbours.
    uint64 array (n_slabs + 1,)
        The first run of each slab, and n_runs.
    """
    n_sites, w, slab, n = at.shape[1] // 4, _U(width), 0, 0
    out = np.empty((n_sites if at.shape[0] == 1 else 0, 6), np.uint64)
    first_runs = np.zeros(first_sites.size, np.uint64)
    for s in range(len(out)):
        first, k = _U(s) * w, 4 * s
        a, b = _U(at[0, k]) - first, _U(at[0, k + 1]) - first
        c, d = _U(at[0, k + 2]) - first, _U(at[0, k + 3]) - first
        new = s == first_sites[slab]
        if new:
            first_runs[slab] = n
            slab += 1
        else:
            last = out[n - 1]
            new = a != last[2] or b != last[3] or c != last[4] or d != last[5]
        if new:
            out[n, 0], out[n, 2], out[n, 3], out[n, 4], out[n, 5] = first, a, b, c, d
            n += 1
        out[n - 1, 1] = first + w
    first_runs[slab:] = n
    return out[:n], first_runs


@njit(**CONTRACT)
def slabs(table, at, width, itemsize):
    """Return the starts of slabs, their runs and first runs, and how many passes go together."""
    first_sites = starts(table, width, itemsize)
    stretches, first_runs = runs(at, first_sites, width)
    return first_sites, stretches, first_runs, min(_TOGETHER, first_sites.size - 1)

r"""Sums over bonds, :math:`\sum_{b = (i, j)} \phi_i \phi_j`, and reordering of chains."""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["bond_products", "gather_lanes", "lane_products"]


@njit(**CONTRACT)
def bond_products(x, bonds, out):
    """Sum the products of the ends of all bonds.

    Parameters
    ----------
    x : float array (n_chains, n_sites)
        Fields.
    bonds : int32 array (n_bonds, 2)
        Ends of each bond; a double bond is listed twice.
    out : float64 array (n_chains,)
        Out: the sums.
    """
    for chain in range(x.shape[0]):
        total = 0.0
        for b in range(bonds.shape[0]):
            total += np.float64(x[chain, bonds[b, 0]]) * np.float64(x[chain, bonds[b, 1]])
        out[chain] = total


@njit(**CONTRACT)
def lane_products(x, bonds, out):
    """Sum the products for interleaved chains, x (n_blocks, n_sites, W), out (n_blocks, W)."""
    for block in range(x.shape[0]):
        total = out[block]
        for w in range(x.shape[2]):
            total[w] = 0.0
        for b in range(bonds.shape[0]):
            one, two = x[block, bonds[b, 0]], x[block, bonds[b, 1]]
            for w in range(x.shape[2]):
                total[w] += np.float64(one[w]) * np.float64(two[w])


@njit(**CONTRACT)
def gather_lanes(x, source, out):
    """Make chain i of `out` chain ``source[i]`` of `x`, both (n_blocks, n_sites, W).

    Lanes after the last chain repeat it.
    """
    n_blocks, n_sites, width = x.shape
    for block in range(n_blocks):
        for s in range(n_sites):
            row = out[block, s]
            for w in range(width):
                k = source[min(block * width + w, source.shape[0] - 1)]
                row[w] = x[k // width, s, k % width]

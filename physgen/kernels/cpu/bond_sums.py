r"""Sums over bonds, chain by chain: :math:`\sum_{b = (i, j)} \phi_i \phi_j` in float64."""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["bond_products"]


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

r"""Exact diagonalisation of short transverse-field Ising chains, L <= 14.

:math:`H = -J \sum Z_i Z_{i+1} - h \sum X_i` commutes with :math:`P = \prod_i X_i`, which flips
every spin, so each sector P = p is spanned by :math:`(|s\rangle + p |\bar s\rangle)/\sqrt 2` with
the first spin up: half the dimension, and no degeneracy between the sectors.  State vectors are
indexed with site 0 as the most significant bit; bit 0 is :math:`|0\rangle`, with Z = +1.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import sparse
from scipy.sparse.linalg import eigsh

from physgen.core.errors import InputError
from physgen.quantum.estimators import observables_dataset
from physgen.quantum.tfim import TFIM, central_pairs

__all__ = ["diagonalised_observables", "ground_state_vector", "lowest_levels", "sector_matrix"]

_MAX_SITES = 14
_DENSE_DIMENSION = 128


def sector_matrix(tfim: TFIM, parity: int) -> sparse.csr_array:
    """Return H in the sector P = `parity`, a symmetric matrix of dimension 2**(L-1)."""
    if tfim.L > _MAX_SITES:
        raise InputError(
            f"L must be at most {_MAX_SITES} for exact diagonalisation, got {tfim.L}; "
            "use free fermions instead"
        )
    half = 2 ** (tfim.L - 1)
    state = np.arange(half)
    spin = _z_values(tfim.L)[:, :half]
    diagonal = np.zeros(half)
    for i, j in tfim.bonds:
        diagonal -= tfim.J * spin[i] * spin[j]
    H = sparse.csr_array(sparse.diags_array(diagonal))
    for i in range(tfim.L):
        flipped = state ^ (1 << (tfim.L - 1 - i))
        element = np.full(half, -tfim.h)
        if i == 0:  # the flip leaves the half space: |s'> = P |complement of s'>
            flipped = 2 * half - 1 - flipped
            element *= parity
        H = H + sparse.csr_array((element, (flipped, state)), shape=(half, half))
    return H


def lowest_levels(tfim: TFIM, parity: int, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return the k lowest energies of one sector and their vectors in its basis."""
    H = sector_matrix(tfim, parity)
    dimension = 2 ** (tfim.L - 1)
    if dimension <= _DENSE_DIMENSION:
        energies, vectors = np.linalg.eigh(H.toarray())
    else:
        start = np.random.Generator(np.random.Philox(key=1)).standard_normal(dimension)
        energies, vectors = eigsh(H, k=k, which="SA", v0=start, ncv=max(20, 4 * k), tol=0)
        order = np.argsort(energies)
        energies, vectors = energies[order], vectors[:, order]
    return energies[:k], vectors[:, :k]


def ground_state_vector(tfim: TFIM) -> tuple[float, np.ndarray]:
    """Return E0 and the ground state of definite parity, a real vector of length 2**L.

    Parameters
    ----------
    tfim : TFIM
        Of at most 14 sites.
    """
    solved = [(*lowest_levels(tfim, parity, k=1), parity) for parity in (1, -1)]
    rounding = 1e-10 * tfim.L * max(abs(tfim.J), abs(tfim.h))
    even, odd = solved
    energies, vectors, parity = odd if odd[0][0] < even[0][0] - rounding else even
    half = vectors[:, 0] / np.sqrt(2.0)
    return float(energies[0]), np.concatenate([half, parity * half[::-1]])


def diagonalised_observables(tfim: TFIM) -> xr.Dataset:
    """Return energy, x, z and zz of the ground state, under the names of the estimators.

    Parameters
    ----------
    tfim : TFIM
        Of at most 14 sites.
    """
    energy, psi = ground_state_vector(tfim)
    spin = _z_values(tfim.L)
    weight = psi**2
    state = np.arange(psi.size)
    x = [psi @ psi[state ^ (1 << (tfim.L - 1 - site))] for site in range(tfim.L)]
    i, r = central_pairs(tfim.L)
    return observables_dataset(
        tfim,
        energy=energy,
        x=np.array(x),
        z=spin @ weight,
        zz=(spin[i] * spin[i + r]) @ weight,
        estimator="exact diagonalisation",
        exactness="exact",
    )


def _z_values(L: int) -> np.ndarray:
    """Z eigenvalue of each site in each basis state, shape (L, 2**L)."""
    shifts = np.arange(L - 1, -1, -1)[:, None]
    return 1.0 - 2.0 * ((np.arange(2**L)[None, :] >> shifts) & 1)

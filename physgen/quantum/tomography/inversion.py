r"""Linear inversion: the density matrix as a mean over shots.

.. math:: \rho_\mathrm{lin} = \sum_j f_j \bigotimes_i D_{a_{ji}}

with the duals D of :mod:`physgen.quantum.povm`.  It is unbiased, linear in the data, and has trace
1, but in general is not positive; its lowest eigenvalue measures the violation due to noise.
"""

from __future__ import annotations

import numpy as np

from physgen.quantum.data import MeasurementData
from physgen.quantum.povm import POVM
from physgen.quantum.site_povm import SitePOVM
from physgen.quantum.tomography.frequencies import Counts, count
from physgen.quantum.tomography.pauli_basis import from_pauli
from physgen.quantum.tomography.reconstruction import Reconstruction
from physgen.quantum.tomography.strings import StringSums

__all__ = ["dual_factors", "inverted", "linear_inversion"]


def linear_inversion(data: MeasurementData | Counts) -> Reconstruction:
    """Return rho_lin of at most 10 sites.

    Parameters
    ----------
    data : MeasurementData or Counts
        In an informationally complete POVM; if settings were chosen, all must be present.
    """
    counts = count(data)
    rho = from_pauli(inverted(counts))
    return Reconstruction(rho, "linear inversion", counts.n, counts.povm.name)


def inverted(counts: Counts, sums: StringSums | None = None) -> np.ndarray:
    """Return the estimates of all 4^L Pauli expectation values, Tr(rho_lin P)."""
    sums = sums or StringSums(counts.strings, dual_factors(counts.povm))
    return sums.pauli(counts.frequencies)


def dual_factors(povm: POVM | SitePOVM) -> np.ndarray:
    """Return w_P(a) = Tr(P D_a) in the form for sums over strings, shape (K, 4) or (L, K, 4)."""
    return np.stack([povm.weights(p) for p in "IXYZ"], axis=-1)

r"""The nearest state to a Hermitian matrix of trace 1.

.. math:: \hat\rho = \arg\min_{\sigma \ge 0,\ \mathrm{Tr} \sigma = 1} \| \rho - \sigma \|_F

has the eigenvectors of rho and the eigenvalues :math:`\max(\lambda_k - c, 0)`, with c such that
they sum to 1 [1]_.  If all Pauli expectation values have independent noise of equal size, it is
the maximum-likelihood state; the noise of a POVM is not exactly of this form.

References
----------
.. [1] Smolin, Gambetta and Smith, "Efficient method for computing the maximum-likelihood quantum
       state from measurements with additive Gaussian noise", Phys. Rev. Lett. 108, 070502 (2012).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from physgen.core.errors import InputError
from physgen.quantum.tomography.reconstruction import Reconstruction

__all__ = ["nearest_state", "project"]


def project(reconstruction: Reconstruction) -> Reconstruction:
    """Return the state nearest to a reconstruction in Frobenius norm; a state is unchanged.

    Parameters
    ----------
    reconstruction : Reconstruction
        Of linear inversion.
    """
    rho, r = reconstruction.rho, reconstruction
    return Reconstruction(nearest_state(rho), f"{r.method}, nearest state", r.n, r.povm)


def nearest_state(matrix: np.ndarray) -> np.ndarray:
    """Return the positive matrix of trace 1 nearest to a Hermitian one, (d, d)."""
    if not np.all(np.isfinite(matrix)):
        raise InputError("a matrix to project must be finite, got NaN or infinity")
    values, vectors = eigh(matrix, check_finite=False, driver="evd")
    kept = on_simplex(values)
    support = kept > 0
    vectors = vectors[:, support] * np.sqrt(kept[support])
    return vectors @ vectors.conj().T


def on_simplex(values: np.ndarray) -> np.ndarray:
    """Return the probability vector nearest to a real vector, in the same order."""
    descending = np.sort(values)[::-1]
    excess = (np.cumsum(descending) - 1) / np.arange(1, len(values) + 1)
    last = int(np.flatnonzero(descending > excess)[-1])
    return np.maximum(values - excess[last], 0.0)

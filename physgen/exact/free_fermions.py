r"""Ground-state correlations of the transverse-field Ising chain, from free fermions.

In the ground state of :math:`H = i \sum_{jk} a_j M_{jk} b_k` (see :mod:`physgen.quantum.tfim`) the
only non-zero contraction is :math:`G_{jk} = \langle i a_j b_k \rangle`.  With
:math:`X_i = i a_i b_i` and :math:`Z_i Z_{i+1} = -i a_{i+1} b_i`, Wick's theorem gives

.. math:: \langle X_i \rangle = G_{ii}, \qquad
          \langle Z_i Z_j \rangle = \det \left[ -G_{l+1,m} \right]_{l,m = i}^{j-1} \quad (i < j),

for either sign of J and h.  The state has definite parity P = prod X, so
:math:`\langle Z_i \rangle = 0` exactly.  (Lieb, Schultz and Mattis 1961; Pfeuty 1970.)
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.quantum.estimators import observables_dataset
from physgen.quantum.tfim import TFIM, central_pairs

__all__ = ["exact_observables", "x_profile", "zz_matrix"]


def _correlations(tfim: TFIM) -> np.ndarray:
    """G of the ground state, which must be unique in its parity sector."""
    sector = tfim.ground_sector()
    if sector.levels[1] - sector.levels[0] <= 1e-10 * tfim.L * max(abs(tfim.J), abs(tfim.h)):
        raise InputError(
            "correlations need a ground state that is unique in its parity, "
            f"got the degenerate levels {sector.levels} of {tfim}; choose other couplings"
        )
    return sector.majorana


def x_profile(tfim: TFIM) -> np.ndarray:
    """Return <X_i> for every site, shape (L,)."""
    return np.diag(_correlations(tfim)).copy()


def zz_matrix(tfim: TFIM) -> np.ndarray:
    """Return <Z_i Z_j> for every pair, shape (L, L), with ones on the diagonal.

    Parameters
    ----------
    tfim : TFIM
        Of any length, open or periodic.
    """
    G = _correlations(tfim)
    zz = np.eye(tfim.L)
    for i in range(tfim.L):
        for j in range(i + 1, tfim.L):
            zz[i, j] = zz[j, i] = np.linalg.det(-G[i + 1 : j + 1, i:j])
    return zz


def exact_observables(tfim: TFIM) -> xr.Dataset:
    """Return energy, x, z and zz of the ground state, under the names of the estimators.

    Parameters
    ----------
    tfim : TFIM
        Of any length, open or periodic.
    """
    G = _correlations(tfim)
    i, r = central_pairs(tfim.L)
    zz = [np.linalg.det(-G[a + 1 : a + s + 1, a : a + s]) for a, s in zip(i, r)]
    return observables_dataset(
        tfim,
        energy=tfim.ground_state_energy(),
        x=np.diag(G).copy(),
        z=np.zeros(tfim.L),
        zz=np.array(zz),
        estimator="free fermions",
        exactness="exact",
    )

r"""Fidelity, purity and entropy of a density matrix, and the target state of the fidelity.

.. math:: F(\rho, \sigma) = \Big( \mathrm{Tr} \sqrt{\sqrt\sigma \rho \sqrt\sigma} \Big)^2
          = \| A^\dagger B \|_1^2, \qquad \rho = A A^\dagger, \quad \sigma = B B^\dagger, \qquad
          \text{purity} = \mathrm{Tr} \rho^2, \qquad S_2 = - \log \mathrm{Tr} \rho^2
          \quad \text{(nats)} .

F is the *squared* fidelity, :math:`\langle\psi|\rho|\psi\rangle` for a pure target: 1 if the
states agree.  Purity and F with a pure target are defined for any Hermitian matrix; F with a mixed
target only for states.  :math:`\|\cdot\|_1`, the sum of the singular values, is symmetric in the
two states.  A and B omit eigenvalues that are rounding noise: the root of 1e-17 is 3e-9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.errors import InputError

__all__ = ["Target", "as_target", "fidelity", "purity", "reduced", "renyi2"]

_PURE = 1e-9  # largest 1 - Tr sigma^2 of a pure state
_ROUNDING = 1e-8


@dataclass(frozen=True, eq=False)
class Target:
    """A state to compare with.

    Attributes
    ----------
    sigma : ndarray, shape (2^L, 2^L)
    is_pure : bool
    """

    sigma: np.ndarray
    is_pure: bool

    def fidelity(self, rho: np.ndarray) -> float:
        """Return F(rho, sigma); for any Hermitian rho if the target is pure, else for a state."""
        if self.is_pure:
            return float(np.vdot(self.sigma, rho).real)
        return fidelity(rho, self.sigma)


def as_target(target: Any, L: int) -> Target:
    """Return a target of L sites.

    Parameters
    ----------
    target : MPS, DensityMatrix, or array_like
        A state vector (2^L,), normalised here, or a density matrix (2^L, 2^L).
    L : int
    """
    source = target.to_dense() if hasattr(target, "to_dense") else getattr(target, "rho", target)
    array = np.asarray(source)
    d = 2**L
    if array.shape not in ((d,), (d, d)) or array.dtype.kind not in "iufc":
        raise InputError(
            f"a target of {L} sites must be a state vector ({d},) or a density matrix ({d}, {d}), "
            f"got shape {array.shape}"
        )
    if not np.all(np.isfinite(array)):
        raise InputError("a target must be finite, got NaN or infinity")
    if array.ndim == 1:
        norm = np.linalg.norm(array)
        if norm == 0:
            raise InputError("a target must have a non-zero norm, got the zero vector")
        psi = array / norm
        return Target(np.outer(psi, psi.conj()), True)
    if np.abs(array - array.conj().T).max() > _ROUNDING:
        raise InputError("a target density matrix must be Hermitian")
    trace, lowest = float(array.trace().real), float(np.linalg.eigvalsh(array)[0])
    if abs(trace - 1) > _ROUNDING or lowest < -_ROUNDING:
        raise InputError(
            "a target density matrix must be positive and of trace 1, got trace "
            f"{trace:.6g} and lowest eigenvalue {lowest:.3g}"
        )
    return Target(array, 1 - purity(array) < _PURE)


def fidelity(rho: np.ndarray, sigma: np.ndarray) -> float:
    """Return F of two states, to about 1e-14 if zero eigenvalues are zero up to rounding."""
    overlaps = np.linalg.svd(_factor(rho).conj().T @ _factor(sigma), compute_uv=False)
    return float(overlaps.sum() ** 2)


def _factor(rho: np.ndarray) -> np.ndarray:
    """Return A (d, rank) with rho = A A^+."""
    values, vectors = np.linalg.eigh(rho)
    # Rounding turns zero eigenvalues into at most 3 eps for d up to 256, also after 10 rotations.
    noise = max(8, len(rho)) * np.finfo(float).eps * values[-1]
    return vectors[:, values > noise] * np.sqrt(values[values > noise])


def purity(rho: np.ndarray) -> float:
    """Return Tr rho^2."""
    return float(np.vdot(rho, rho).real)


def renyi2(purity: float) -> float:
    """Return the Rényi-2 entropy -log Tr rho^2 in nats; NaN where the estimate is not positive."""
    return float(-np.log(purity)) if purity > 0 else np.nan


def reduced(rho: np.ndarray, sites: Sequence[int]) -> np.ndarray:
    """Return the reduced density matrix of some sites, in the order given."""
    L = len(rho).bit_length() - 1
    others = [i for i in range(L) if i not in sites]
    order = [*sites, *others]
    x = rho.reshape((2,) * (2 * L)).transpose([*order, *(L + i for i in order)])
    d, rest = 2 ** len(sites), 2 ** len(others)
    return np.einsum("arbr->ab", x.reshape(d, rest, d, rest))

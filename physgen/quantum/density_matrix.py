r"""Mixed states of a few qubits.

.. math:: \rho \ge 0, \qquad \mathrm{Tr} \rho = 1

as a matrix of 2^L rows, with site 0 the most significant bit of a row and bit 0 the +1 eigenstate
of Z.  Entropies are in nats.  The root and the square of the quantum fidelity have separate names,
so they cannot be confused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.quantum.arrays import read_arrays
from physgen.quantum.mps import MPS
from physgen.quantum.noise import check_kraus, depolarising
from physgen.quantum.pauli_matrices import string_entries
from physgen.quantum.pauli_sum import PauliSum, pauli_strings
from physgen.quantum.tomography import functionals

__all__ = ["DensityMatrix"]

_MAX_SITES = 10
_ROUNDING = 1e-8  # rounding of a matrix in double precision, with a margin


class DensityMatrix:
    """State of at most 10 qubits, pure or mixed.

    Parameters
    ----------
    rho : array_like, shape (2**L, 2**L)
        Hermitian, positive and with trace 1, each to 1e-8; site 0 is the most significant bit.
    """

    def __init__(self, rho: Any) -> None:
        self.rho = _validated(rho)

    def __repr__(self) -> str:
        return f"DensityMatrix(L={self.L}, purity={self.purity():.6g})"

    @property
    def L(self) -> int:
        """Number of sites."""
        return len(self.rho).bit_length() - 1

    @classmethod
    def pure(cls, state: MPS | Any) -> DensityMatrix:
        """Return the projector on an MPS or a state vector, normalised here."""
        psi = state.to_dense() if isinstance(state, MPS) else to_numpy(state)
        if psi.ndim != 1 or not np.all(np.isfinite(psi)) or not np.any(psi):
            raise InputError(f"a state vector must be finite and not zero, got shape {psi.shape}")
        psi = psi / np.linalg.norm(psi)
        return cls(np.outer(psi, psi.conj()))

    @classmethod
    def mixture(cls, weights: Sequence[float], states: Sequence[Any]) -> DensityMatrix:
        """Return sum_k weights_k rho_k.

        Parameters
        ----------
        weights : sequence of float
            Not negative, with sum 1.
        states : sequence of DensityMatrix, MPS or state vector
        """
        w = np.asarray(weights, dtype=float)
        if w.shape != (len(states),) or not np.all(w >= 0) or abs(w.sum() - 1) > _ROUNDING:
            raise InputError(
                f"weights of a mixture must be {len(states)} probabilities that sum to 1, "
                f"got {w.tolist()}"
            )
        matrices = [s if isinstance(s, DensityMatrix) else cls.pure(s) for s in states]
        sizes = {m.L for m in matrices}
        if len(sizes) != 1:
            raise InputError(f"states of a mixture must have the same L, got {sorted(sizes)}")
        return cls(sum(p * m.rho for p, m in zip(w, matrices)))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> DensityMatrix:
        """Read an npy file, or an npz file of one array."""
        path = Path(path)
        found = read_arrays(path, "a density matrix must be an npy or npz file")
        if isinstance(found, dict):
            if len(found) != 1:
                held = ", ".join(found) or "none"
                raise InputError(f"{path} must hold one array, a density matrix, got {held}")
            found = next(iter(found.values()))
        try:
            return cls(found)
        except InputError as error:
            raise InputError(f"{error}; in {path}") from None

    def depolarised(self, p: float) -> DensityMatrix:
        """Return the state with X, Y or Z, p/3 each, on every qubit; see :mod:`.noise`."""
        return self.through_channel(depolarising(p))

    def through_channel(self, kraus: Any) -> DensityMatrix:
        """Return the state with the channel rho -> sum K rho K^+ on every qubit."""
        K = check_kraus(kraus)
        L, rho = self.L, self.rho
        for i in range(L):
            x = rho.reshape(2**i, 2, 2 ** (L - 1), 2, 2 ** (L - i - 1))
            rho = np.einsum("kst,atbuc,kvu->asbvc", K, x, K.conj(), optimize=True)
        return DensityMatrix(rho.reshape(2**L, 2**L))

    def expectation(self, paulis: PauliSum | Mapping[int, str]) -> float:
        """Return the expectation value of an operator, as MPS.expectation does.

        Parameters
        ----------
        paulis : PauliSum, or mapping of site to {"I", "X", "Y", "Z"}
            Of a mapping, identity elsewhere: ``{3: "Z", 7: "Z"}`` is <Z_3 Z_7>.
        """
        rows, total = np.arange(len(self.rho)), 0.0
        for string, c in pauli_strings(paulis, self.L):
            columns, values = string_entries(string, self.L)
            total += c * float((self.rho[rows, columns] * values).sum().real)
        return total

    def purity(self) -> float:
        """Return Tr rho^2: 1 for a pure state, 2**-L for the fully mixed one."""
        return functionals.purity(self.rho)

    def renyi2_entropy(self) -> float:
        """Return -log Tr rho^2, in nats."""
        return functionals.renyi2(self.purity())

    def von_neumann_entropy(self) -> float:
        """Return -Tr rho log rho, in nats."""
        p = np.linalg.eigvalsh(self.rho)
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    def reduced(self, sites: Sequence[int]) -> DensityMatrix:
        """Return the state of some sites, the first one given most significant."""
        sites = list(sites)
        if not sites or len(set(sites)) < len(sites) or not set(sites) <= set(range(self.L)):
            raise InputError(f"sites must be different and in 0..{self.L - 1}, got {sites}")
        return DensityMatrix(functionals.reduced(self.rho, sites))

    def fidelity_squared(self, other: DensityMatrix | MPS | Any) -> float:
        """Return (Tr sqrt(sqrt(rho) sigma sqrt(rho)))^2, which is <psi|rho|psi> for a pure other.

        Parameters
        ----------
        other : DensityMatrix, MPS, state vector or density matrix
        """
        target = functionals.as_target(other, self.L)
        if isinstance(other, DensityMatrix):  # symmetric, even if one is almost pure
            return functionals.fidelity(self.rho, other.rho)
        return target.fidelity(self.rho)

    def fidelity_root(self, other: DensityMatrix | MPS | Any) -> float:
        """Return the square root of :meth:`fidelity_squared`: Tr sqrt(sqrt(rho) sigma sqrt(rho)).

        It is at most the classical fidelity sum sqrt(PQ) of the outcomes of any POVM.
        """
        return float(np.sqrt(self.fidelity_squared(other)))

    def trace_distance(self, other: DensityMatrix) -> float:
        """Return half the sum of the absolute eigenvalues of rho - sigma, in 0..1."""
        if other.L != self.L:
            raise InputError(f"states must have the same L, got {self.L} and {other.L}")
        return float(np.abs(np.linalg.eigvalsh(self.rho - other.rho)).sum() / 2)


def _validated(rho: Any) -> np.ndarray:
    rho = to_numpy(rho)
    size = len(rho) if rho.ndim == 2 else 0
    L = size.bit_length() - 1
    if rho.shape != (size, size) or size != 2**L or not 1 <= L <= _MAX_SITES:
        raise InputError(
            f"a density matrix must have shape (2**L, 2**L), L = 1..{_MAX_SITES}, got {rho.shape}"
        )
    if rho.dtype.kind not in "iufc" or not np.all(np.isfinite(rho)):
        raise InputError("a density matrix must hold finite numbers, got text, NaN or infinity")
    off = np.abs(rho - rho.conj().T).max()
    if off > _ROUNDING:
        raise InputError(f"a density matrix must be Hermitian, got {off:.3g} off")
    trace = float(np.trace(rho).real)
    if abs(trace - 1) > _ROUNDING:
        raise InputError(f"a density matrix must have trace 1, got {trace:.9g}; divide it by that")
    lowest = float(np.linalg.eigvalsh(rho)[0])
    if lowest < -_ROUNDING:
        raise InputError(
            f"a density matrix must be positive, got an eigenvalue {lowest:.3g}; an estimate is "
            "made a state by physgen.quantum.tomography.project"
        )
    rho = (rho + rho.conj().T) / 2
    rho.setflags(write=False)
    return rho

r"""Matrix product states of a chain of qubits, as plain arrays.

.. math:: \langle s_1 \dots s_L | \psi \rangle = A_1^{s_1} A_2^{s_2} \cdots A_L^{s_L}

with :math:`A_i` of shape (left bond, 2, right bond), outer bonds of dimension 1, and s = 0 the +1
eigenstate of Z.  Expectation values are divided by the norm, so any gauge and normalisation is
accepted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.quantum.arrays import read_arrays
from physgen.quantum.environments import expectation_of_strings, transfer
from physgen.quantum.hamiltonians import Hamiltonian
from physgen.quantum.pauli_sum import PauliSum, pauli_strings
from physgen.quantum.povm import PAULI
from physgen.quantum.tfim import TFIM

__all__ = ["MPS"]

_GATES = {name: PAULI[name] for name in "XYZ"} | {
    "H": (PAULI["X"] + PAULI["Z"]) / np.sqrt(2),
    "S": np.diag([1, 1j]),
}


class MPS:
    """Matrix product state of L qubits.

    Parameters
    ----------
    tensors : sequence of array_like, each (left bond, 2, right bond)
        Real or complex; the bonds of neighbours must agree, and the outer bonds must be 1.
    attrs : mapping, optional
        Description of the state: plain values, stored with it.

    Examples
    --------
    >>> from physgen.quantum import ghz_state
    >>> ghz_state(4).bonds
    (2, 2, 2)
    """

    def __init__(
        self, tensors: Sequence[np.ndarray], attrs: Mapping[str, Any] | None = None
    ) -> None:
        self.tensors = _validated(tensors)
        self.attrs: dict[str, Any] = dict(attrs or {})

    def __repr__(self) -> str:
        kind = "real" if self.is_real else "complex"
        return f"MPS(L={self.L}, max_bond={self.max_bond}, {kind})"

    @property
    def L(self) -> int:
        """Number of sites."""
        return len(self.tensors)

    @property
    def bonds(self) -> tuple[int, ...]:
        """Dimensions of the L - 1 inner bonds."""
        return tuple(A.shape[2] for A in self.tensors[:-1])

    @property
    def max_bond(self) -> int:
        """Largest bond dimension."""
        return max(self.bonds, default=1)

    @property
    def is_real(self) -> bool:
        """Whether every tensor is real."""
        return not any(np.iscomplexobj(A) for A in self.tensors)

    @classmethod
    def from_dense(
        cls, vector: Any, attrs: Mapping[str, Any] | None = None, *, svd_min: float = 1e-14
    ) -> MPS:
        """Split a state vector of length 2**L (site 0 most significant); L <= 20.

        Singular values at most `svd_min` of the largest one are dropped.
        """
        psi = np.asarray(vector)
        L = int(psi.size).bit_length() - 1
        if psi.ndim != 1 or psi.size != 2**L or not 1 <= L <= 20:
            raise InputError(f"a state vector must have length 2**L, L = 1..20, got {psi.shape}")
        tensors, rest = [], psi.reshape(1, -1)
        for _ in range(L - 1):
            left = len(rest)
            U, S, Vh = np.linalg.svd(rest.reshape(left * 2, -1), full_matrices=False)
            keep = max(1, int(np.count_nonzero(S / S[0] > svd_min)))
            tensors.append(U[:, :keep].reshape(left, 2, keep))
            rest = S[:keep, None] * Vh[:keep]
        return cls([*tensors, rest.reshape(-1, 2, 1)], attrs)

    def to_dense(self) -> np.ndarray:
        """Return the state vector of length 2**L; L <= 20."""
        if self.L > 20:
            raise InputError(f"a dense state vector needs L <= 20, got {self.L}")
        psi = np.ones((1, 1))
        for A in self.tensors:
            psi = np.tensordot(psi, A, axes=(1, 0)).reshape(-1, A.shape[2])
        return psi[:, 0]

    def norm(self) -> float:
        """Return sqrt(<psi|psi>); 0 or infinity if it is no number of float64."""
        value, exponent = _inner(self, self)
        with np.errstate(over="ignore"):
            return float(np.sqrt(np.real(value)) * np.exp(exponent / 2))

    def overlap(self, other: MPS) -> complex:
        """Return <self|other> / (norms); its squared modulus is the quantum fidelity."""
        if other.L != self.L:
            raise InputError(f"states must have the same L, got {self.L} and {other.L}")
        value, exponent = _inner(self, other)
        (a, of_a), (b, of_b) = _inner(self, self), _inner(other, other)
        if np.real(a) <= 0 or np.real(b) <= 0:
            raise InputError("an overlap must be between states, got the zero vector")
        scale = np.exp(exponent - (of_a + of_b) / 2)
        return complex(value * scale / np.sqrt(np.real(a) * np.real(b)))

    def right_canonical(self) -> MPS:
        """Return the normalised state with sum_s A^s A^s† = 1 at every site."""
        tensors, carry = [], np.ones((1, 1))
        for A in reversed(self.tensors):
            A = A @ carry
            Q, R = np.linalg.qr(A.reshape(len(A), -1).conj().T)
            tensors.append(Q.conj().T.reshape(-1, 2, A.shape[2]))
            carry = R.conj().T
            scale = np.abs(carry).max()
            if scale == 0:
                raise InputError("an MPS must have a non-zero norm, got the zero vector")
            carry = carry / scale
        phase = carry[0, 0] / abs(carry[0, 0])
        tensors[-1] = tensors[-1] * phase
        return MPS(tensors[::-1], self.attrs)

    def rotated(self, unitary: Any, attrs: Mapping[str, Any] | None = None) -> MPS:
        """Return the state with one unitary applied to every qubit.

        Parameters
        ----------
        unitary : array_like of shape (2, 2), or {"H", "S", "X", "Y", "Z"}
            "H" exchanges X and Z, as between TeNPy's Ising chain and :class:`TFIM`; "X" exchanges
            the two values of every bit; "S" rotates X to Y.
        attrs : mapping, optional
            Description of the new state.  The old attributes may refer to axes and are dropped.
        """
        if isinstance(unitary, str):
            unitary = _GATES[check_choice("unitary", unitary, tuple(_GATES))]
        U = np.asarray(unitary)
        if U.shape != (2, 2) or not np.allclose(U @ U.conj().T, np.eye(2), rtol=0, atol=1e-10):
            raise InputError(f"unitary must be a unitary 2 x 2 matrix, got {U.tolist()}")
        U = U if np.any(np.imag(U)) else np.real(U)
        return MPS([np.einsum("st,atb->asb", U, A) for A in self.tensors], attrs)

    def expectation(self, paulis: PauliSum | Mapping[int, str]) -> float:
        """Return the expectation value of a product, or of a sum of products, of Pauli matrices.

        Parameters
        ----------
        paulis : PauliSum, or mapping of site to {"I", "X", "Y", "Z"}
            Of a mapping, identity elsewhere: ``{3: "Z", 7: "Z"}`` is <Z_3 Z_7>.  The strings of a
            sum share their environments (:mod:`physgen.quantum.environments`).
        """
        strings = pauli_strings(paulis, self.L)
        return expectation_of_strings(self.right_canonical().tensors, strings)

    def profile(self, pauli: str) -> np.ndarray:
        """Return <P_i> for every site, shape (L,)."""
        check_choice("pauli", pauli, tuple(PAULI))
        state = self.right_canonical()
        left, values = np.ones((1, 1)), []
        for A in state.tensors:
            values.append(np.trace(transfer(left, A, PAULI[pauli])).real)
            left = transfer(left, A)
        return np.array(values)

    def energy(self, hamiltonian: Hamiltonian) -> float:
        """Return <H>, by contraction with the operator's own transfer matrices."""
        if (tfim := hamiltonian).L != self.L:
            raise InputError(f"the Hamiltonian must have L = {self.L}, got {tfim.L}")
        if not isinstance(tfim, TFIM):
            return self.expectation(tfim.pauli_sum())
        X, Z = PAULI["X"], PAULI["Z"]
        one = np.ones((1, 1))
        total = last_z = first_z = np.zeros((1, 1))  # H so far; Z on the last, the first site
        for i, A in enumerate(self.right_canonical().tensors):
            total = transfer(total, A) - tfim.h * transfer(one, A, X)
            total = total - tfim.J * transfer(last_z, A, Z)
            if tfim.boundary == "periodic" and i == self.L - 1:
                total = total - tfim.J * transfer(first_z, A, Z)
            last_z = transfer(one, A, Z)
            first_z = last_z if i == 0 else transfer(first_z, A)
            one = transfer(one, A)
        return float((total[0, 0] / one[0, 0]).real)

    def to_dataset(self) -> xr.Dataset:
        """Return the tensors as named variables ``tensor_000`` ...; see :meth:`from_dataset`."""
        variables: dict[str, Any] = {}
        for i, A in enumerate(self.tensors):
            dims = (f"bond_{i}", "physical", f"bond_{i + 1}")
            variables[f"tensor_{i:03d}"] = (dims, np.real(A))
            if np.iscomplexobj(A):
                variables[f"tensor_{i:03d}_imag"] = (dims, np.imag(A))
        attrs = {"n_sites": self.L, "axes": "physical index 0 is the +1 eigenstate of Z"}
        return xr.Dataset(variables, attrs=attrs | {"state_attrs": json.dumps(self.attrs)})

    @classmethod
    def from_dataset(cls, ds: xr.Dataset) -> MPS:
        """Rebuild the state from :meth:`to_dataset`."""
        if "n_sites" not in ds.attrs or "tensor_000" not in ds:
            raise InputError(
                "a state dataset must contain n_sites and tensor_000, tensor_001, ..."
            )
        tensors = []
        for i in range(int(ds.attrs["n_sites"])):
            name = f"tensor_{i:03d}"
            if name not in ds:
                raise InputError(
                    f"a state dataset of {ds.attrs['n_sites']} sites must hold {name}"
                )
            A = ds[name].to_numpy()
            if f"{name}_imag" in ds:
                A = A + 1j * ds[f"{name}_imag"].to_numpy()
            tensors.append(A)
        return cls(tensors, _decoded(ds.attrs.get("state_attrs", "{}"), "a state dataset"))

    def save(self, path: str | PathLike[str]) -> None:
        """Write an npz file: one array for each site, and the attributes as JSON text."""
        arrays = {f"tensor_{i:03d}": A for i, A in enumerate(self.tensors)}
        np.savez(Path(path), **arrays, attrs=np.array(json.dumps(self.attrs)))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | PathLike[str]) -> MPS:
        """Read an npz file of :meth:`save`, or any npz file with one array for each site.

        Arrays are ordered by the numbers at the end of their names, so files of
        ``np.savez(path, *tensors)`` can be read.
        """
        rule = "an MPS must be an npz file of arrays"
        arrays = read_arrays(Path(path), rule)
        if not isinstance(arrays, dict):
            raise InputError(f"{rule}, got the single array of {path}; write np.savez(path, *As)")
        attrs = _decoded(arrays.pop("attrs", "{}"), str(path))
        numbered = {name: re.search(r"\d+$", name) for name in arrays}
        unnumbered = [name for name, match in numbered.items() if match is None]
        if unnumbered or not arrays:
            raise InputError(
                "arrays of an MPS must be named by a number at the end, as in tensor_000, "
                f"got {unnumbered or 'no array'} in {path}"
            )
        order = sorted(arrays, key=lambda name: int(numbered[name].group()))  # type: ignore[union-attr]
        return cls([arrays[name] for name in order], attrs)


def _decoded(text: Any, source: str) -> dict[str, Any]:
    """Return the attributes stored as JSON text."""
    try:
        attrs = json.loads(str(text))
    except json.JSONDecodeError:
        attrs = None
    if not isinstance(attrs, dict):
        raise InputError(
            f"attrs of an MPS must be a JSON object, got {str(text)!r:.60} in {source}"
        )
    return attrs


def _validated(tensors: Sequence[np.ndarray]) -> list[np.ndarray]:
    arrays = [np.asarray(A) for A in tensors]
    if not arrays:
        raise InputError("an MPS must have at least one tensor, got none")
    bond = 1
    for i, A in enumerate(arrays):
        if A.ndim != 3 or A.shape[1] != 2 or 0 in A.shape:
            remedy = "; reshape it to (left bond, 2, right bond)" if A.ndim != 3 else ""
            raise InputError(
                f"MPS tensor {i} must have shape (left bond, 2, right bond), got {A.shape}{remedy}"
            )
        if A.dtype.kind not in "iufc":
            raise InputError(f"MPS tensor {i} must hold numbers, got {A.dtype}")
        if not np.all(np.isfinite(A)):
            raise InputError(f"MPS tensor {i} must be finite, got NaN or infinity")
        if A.shape[0] != bond:
            before = "the outer bond 1" if i == 0 else f"right bond {bond} of tensor {i - 1}"
            raise InputError(f"left bond {A.shape[0]} of MPS tensor {i} must equal {before}")
        bond = A.shape[2]
        arrays[i] = A.astype(complex if A.dtype.kind == "c" else float)
    if bond != 1:
        raise InputError(f"the right bond of the last MPS tensor must be 1, got {bond}")
    return arrays


def _inner(bra: MPS, ket: MPS) -> tuple[complex, float]:
    """Return v and e of <bra|ket> = v exp(e), not normalised; v = 0 for orthogonal states."""
    env, exponent = np.ones((1, 1)), 0.0
    for A, B in zip(bra.tensors, ket.tensors):
        a, b = np.abs(A).max(), np.abs(B).max()
        if a == 0 or b == 0:
            return 0.0, 0.0
        B = np.tensordot(env, B / b, axes=(1, 0))
        env = np.tensordot(A.conj() / a, B, axes=((0, 1), (0, 1)))
        scale = np.abs(env).max()
        if scale == 0:
            return 0.0, 0.0
        env, exponent = env / scale, exponent + float(np.log(scale) + np.log(a) + np.log(b))
    return complex(env[0, 0]), exponent

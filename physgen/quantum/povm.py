r"""Generalised measurements of one qubit, and their duals.

A POVM is a list of elements :math:`M_a \ge 0`, :math:`\sum_a M_a = 1`; measured on every site, the
outcomes :math:`a = (a_1 \dots a_L)` have probability

.. math:: P(a) = \mathrm{Tr} \Big[ \rho \bigotimes_i M_{a_i} \Big] .

With the pseudo-inverse of the overlap matrix :math:`T_{ab} = \mathrm{Tr}(M_a M_b)` the duals are

.. math:: D_a = \sum_b (T^{+})_{ab} M_b, \qquad
          \langle O \rangle = E_{a \sim P} \prod_i w_{O_i}(a_i), \quad w_O(a) = \mathrm{Tr}(O D_a),

and :math:`w_1 = 1` for every outcome.  Outcome orders:

=============  ==================================================================================
pauli-4        Z+, X+, Y+, rest: 1/3 of the projectors; rest = 1 minus these, of rank 2
pauli-6        Z+, X+, Y+, Z-, X-, Y-: 1/3 of the projectors
tetrahedral    (1 + v.sigma)/4, v = (0,0,1), (2s,0,-1/3), (-s,+t,-1/3), (-s,-t,-1/3) with
               s = sqrt(2)/3, t = sqrt(2/3)
computational  Z+, Z-: the projectors on |0> and |1>; sees only Z
trine          (1 + cos(p) Z + sin(p) X)/3, p = 0, 2 pi/3, 4 pi/3; sees X and Z
pauli-rebit    X+, X-, Z+, Z-: 1/2 of the projectors; sees X and Z
=============  ==================================================================================

The first three are informationally complete.  The last two are ordered as in the program of
Carrasquilla et al., Nat. Mach. Intell. 1, 155 (2019).  Other programs order pauli-6 differently
(:mod:`physgen.quantum.outcome_orders`), so the order is stored with the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.quantum.bases import Bases, bases_of

__all__ = ["POVM", "PAULI", "merge_map", "names", "povm"]

PAULI = {
    "I": np.array([[1, 0], [0, 1]], dtype=complex),
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]], dtype=complex),
    "Z": np.array([[1, 0], [0, -1]], dtype=complex),
}
_TOLERANCE = 1e-12
_SPAN_TOLERANCE = 1e-6
_MERGES = {("pauli-6", "pauli-4"): (0, 1, 2, 3, 3, 3)}
_FILES = (".npz", ".npy", ".h5", ".hdf5")


@dataclass(frozen=True, eq=False)
class POVM:
    """A measurement of one qubit.

    Parameters
    ----------
    name : str
        Name in data files.
    elements : array_like, shape (K, 2, 2)
        Hermitian, positive, and with the identity as sum, in the basis where Z is diagonal.
    outcomes : tuple of str
        One label for each element, in order.

    Raises
    ------
    InputError
        If the elements are not K positive 2 x 2 matrices that sum to the identity, or names are
        missing.
    """

    name: str
    elements: np.ndarray
    outcomes: tuple[str, ...]

    def __post_init__(self) -> None:
        try:
            E = np.array(self.elements, dtype=complex)
        except (TypeError, ValueError):
            raise InputError("POVM elements must be numbers, got others") from None
        if E.ndim != 3 or E.shape[1:] != (2, 2) or not 2 <= len(E) <= 256:
            raise InputError(f"POVM elements must have shape (K, 2, 2), got {E.shape}")
        if not np.all(np.isfinite(E)):
            raise InputError("POVM elements must be finite, got NaN or infinity")
        if len(self.outcomes) != len(E):
            raise InputError(
                f"outcomes must name each of the {len(E)} elements, got {len(self.outcomes)} names"
            )
        if np.abs(E - E.conj().transpose(0, 2, 1)).max() > _TOLERANCE:
            raise InputError("POVM elements must be Hermitian")
        lowest = np.linalg.eigvalsh(E).min()
        if lowest < -_TOLERANCE:
            raise InputError(f"POVM elements must be positive, got an eigenvalue {lowest:.3g}")
        excess = np.abs(E.sum(axis=0) - np.eye(2)).max()
        if excess > 1e-10:
            raise InputError(f"POVM elements must sum to the identity, got {excess:.3g} off")
        E.setflags(write=False)
        object.__setattr__(self, "elements", E)
        object.__setattr__(self, "outcomes", tuple(str(label) for label in self.outcomes))

    def __repr__(self) -> str:
        return f"POVM({self.name!r}, outcomes={self.outcomes})"

    @classmethod
    def from_elements(
        cls, name: str, elements: Any, outcomes: Sequence[str] | None = None
    ) -> POVM:
        """Return a POVM whose outcomes are named "0", "1", ... unless given."""
        E = to_numpy(elements)
        if outcomes is None:
            outcomes = [str(a) for a in range(len(E) if E.ndim else 0)]
        return cls(name, E, tuple(outcomes))

    @property
    def K(self) -> int:
        """Number of outcomes."""
        return len(self.outcomes)

    @cached_property
    def overlap(self) -> np.ndarray:
        """T_ab = Tr(M_a M_b), shape (K, K), real."""
        return np.einsum("aij,bji->ab", self.elements, self.elements).real

    @cached_property
    def duals(self) -> np.ndarray:
        """D_a = sum_b pinv(T)_ab M_b, shape (K, 2, 2)."""
        inverse = np.linalg.pinv(self.overlap, rcond=1e-10, hermitian=True)
        return np.einsum("ab,bij->aij", inverse, self.elements)

    @cached_property
    def pauli_coefficients(self) -> np.ndarray:
        """(c_I, c_X, c_Y, c_Z) of each element, M = sum_P c_P P; shape (K, 4), real."""
        basis = np.array([PAULI[p] for p in "IXYZ"])
        return 0.5 * np.einsum("aij,pji->ap", self.elements, basis).real

    def weights(self, pauli: str) -> np.ndarray:
        """Return w(a) = Tr(P D_a), whose mean over the outcomes is <P>; shape (K,).

        Raises
        ------
        InputError
            If P is not a combination of the elements, so that the outcomes do not determine <P>.
        """
        if not self.sees(pauli):
            raise InputError(
                f"a POVM must have {pauli} in the span of its elements to estimate <{pauli}>, "
                f"got {self.name} ({', '.join(self.outcomes)}), which does not; measure in an "
                "informationally complete POVM"
            )
        return self._dual_weights(pauli)

    def sees(self, pauli: str) -> bool:
        """Whether P is a combination of the elements, so that the outcomes determine <P>."""
        check_choice("pauli", pauli, tuple(PAULI))
        seen = np.einsum("a,aij->ij", self._dual_weights(pauli), self.elements)
        return bool(np.abs(seen - PAULI[pauli]).max() <= _SPAN_TOLERANCE)

    @cached_property
    def bases(self) -> Bases | None:
        """The bases that this POVM is made of, or None (:mod:`physgen.quantum.bases`)."""
        return bases_of(self.pauli_coefficients, self.outcomes)

    @property
    def is_informationally_complete(self) -> bool:
        """Whether the outcomes distinguish all states: X, Y and Z are all seen."""
        return all(self.sees(pauli) for pauli in "XYZ")

    def _dual_weights(self, pauli: str) -> np.ndarray:
        return np.einsum("aij,ji->a", self.duals, PAULI[pauli]).real

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Rank-one parts: vectors e, shape (R, 2), and the outcome of each, shape (R,).

        M_a is the sum of |e><e| over its parts.  pauli-4 is split into the parts of pauli-6, so
        both are sampled by the same draws.
        """
        for (fine, coarse), table in _MERGES.items():
            if self.name == coarse and self.matches(povm(coarse)):
                return povm(fine).parts[0], np.array(table, dtype=np.uint8)
        vectors, owner = [], []
        for a, element in enumerate(self.elements):
            values, columns = np.linalg.eigh(element)
            for value, column in zip(values, columns.T):
                if value > _TOLERANCE:
                    vectors.append(np.sqrt(value) * column)
                    owner.append(a)
        return np.array(vectors), np.array(owner, dtype=np.uint8)

    @property
    def is_rank_one(self) -> bool:
        """Whether every element is proportional to a projector on one state."""
        return bool(np.all(np.bincount(self.parts[1], minlength=self.K) == 1))

    def matches(self, other: Any) -> bool:
        """Whether the elements of another POVM agree, in the same order."""
        return self.K == other.K and bool(np.allclose(self.elements, other.elements, atol=1e-9))

    def check_outcomes(self, x: Any, L: int | None = None) -> np.ndarray:
        """Return outcomes as uint8 of shape (..., L), or raise on the first bad one."""
        x = to_numpy(x)
        if x.ndim == 0 or (L is not None and x.shape[-1] != L):
            wanted = "(..., L)" if L is None else f"(..., {L})"
            raise InputError(f"outcomes must have shape {wanted}, got {x.shape}")
        if x.dtype.kind not in "iu" and not (x.dtype.kind == "f" and np.all(x == np.trunc(x))):
            raise InputError(f"outcomes must be integers, got {x.dtype}")
        bad = (x >= self.K) if x.dtype.kind == "u" else (x < 0) | (x >= self.K)
        if bad.any():
            *shot, site = np.unravel_index(int(np.argmax(bad)), x.shape)
            where = f"shot {', '.join(str(int(s)) for s in shot)}, " if shot else ""
            raise InputError(
                f"outcomes of {self.name} must be in 0..{self.K - 1}, "
                f"got {x[(*shot, site)]} at {where}site {int(site)}"
            )
        return x.astype(np.uint8, copy=False)


def names() -> tuple[str, ...]:
    """Return the names that :func:`povm` knows."""
    return ("pauli-4", "pauli-6", "tetrahedral", "computational", "trine", "pauli-rebit")


def povm(name: str) -> POVM:
    """Return the POVM with this name, or the POVM in this file.

    Parameters
    ----------
    name : str
        One of :func:`names`, or the path of an npz, npy or HDF5 file, for
        :func:`~physgen.quantum.povm_files.load_povm` (a SitePOVM, if it holds one a site).

    Raises
    ------
    InputError
        If it is neither the name of a POVM nor a file.

    Examples
    --------
    >>> povm("pauli-4").weights("Z").round(12).tolist()
    [5.0, -1.0, -1.0, -1.0]
    """
    if name in names():
        return _named(name)
    if isinstance(name, str) and Path(name).suffix.lower() in _FILES:
        from physgen.quantum.povm_files import load_povm

        # One a site, if the file says so: callers that take only one refuse it.
        return load_povm(name)  # pyright: ignore[reportReturnType]
    listed = ", ".join(repr(known) for known in names())
    raise InputError(
        f"povm must be one of {listed}, or a file ({', '.join(_FILES)}), got {name!r}"
    )


@cache
def _named(name: str) -> POVM:
    plus, minus = ((0, 0, 1), (1, 0, 0), (0, 1, 0)), ((0, 0, -1), (-1, 0, 0), (0, -1, 0))
    if name == "tetrahedral":
        s, t = np.sqrt(2) / 3, np.sqrt(2 / 3)
        axes = [(0, 0, 1), (2 * s, 0, -1 / 3), (-s, t, -1 / 3), (-s, -t, -1 / 3)]
        return POVM(name, np.array([_bloch(v, 1 / 4) for v in axes]), ("v0", "v1", "v2", "v3"))
    if name == "computational":
        axes = [plus[0], minus[0]]
        return POVM(name, np.array([_bloch(v, 1 / 2) for v in axes]), ("Z+", "Z-"))
    if name == "trine":
        angles = 2 * np.pi / 3 * np.arange(3)
        axes = [(np.sin(phi), 0, np.cos(phi)) for phi in angles]
        return POVM(name, np.array([_bloch(v, 1 / 3) for v in axes]), ("v0", "v1", "v2"))
    if name == "pauli-rebit":
        axes = [plus[1], minus[1], plus[0], minus[0]]
        return POVM(name, np.array([_bloch(v, 1 / 4) for v in axes]), ("X+", "X-", "Z+", "Z-"))
    up, down = [_bloch(v, 1 / 6) for v in plus], [_bloch(v, 1 / 6) for v in minus]
    if name == "pauli-6":
        return POVM(name, np.array(up + down), ("Z+", "X+", "Y+", "Z-", "X-", "Y-"))
    return POVM(name, np.array([*up, sum(down)]), ("Z+", "X+", "Y+", "rest"))


def merge_map(source: str, target: str) -> np.ndarray:
    """Return the outcome of `target` that each outcome of `source` becomes, shape (K,).

    Only for pauli-6 to pauli-4 (and a POVM to itself), because merging cannot be undone.

    Parameters
    ----------
    source, target : str
        Names of POVMs.

    Raises
    ------
    InputError
        If outcomes of the source do not determine those of the target.
    """
    if source == target:
        return np.arange(povm(source).K, dtype=np.uint8)
    if (source, target) not in _MERGES:
        raise InputError(
            f"outcomes of {source} cannot be merged into {target}; only pauli-6 into pauli-4"
        )
    return np.array(_MERGES[source, target], dtype=np.uint8)


def _bloch(v: tuple[float, float, float], weight: float) -> np.ndarray:
    """Return weight * (1 + v . sigma)."""
    x, y, z = v
    return weight * (PAULI["I"] + x * PAULI["X"] + y * PAULI["Y"] + z * PAULI["Z"])

r"""The transverse-field Ising chain.

.. math:: H = -J \sum_i Z_i Z_{i+1} - h \sum_i X_i

in Pauli matrices, :math:`|0\rangle` being the +1 eigenstate of Z.  J > 0 is ferromagnetic;
J = h = -1 is the antiferromagnetic convention of Carrasquilla et al. (2019).

With the Majorana operators :math:`a_i = (\prod_{j<i} X_j) Z_i` and
:math:`b_i = (\prod_{j<i} X_j) Y_i` the chain is quadratic, :math:`H = i \sum_{jk} a_j M_{jk} b_k`
with :math:`M_{ii} = -h`, :math:`M_{i+1,i} = J` and, on a ring, :math:`M_{1L} = -J P` in the sector
with :math:`P = \prod_i X_i = \pm 1`.  The singular values :math:`\sigma_k` of M give every level,
:math:`E = \sum_k (\pm) \sigma_k`; P fixes whether the number of plus signs is even or odd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.quantum.pauli_sum import PauliString, PauliSum

__all__ = ["TFIM", "FermionSector", "central_pairs"]


class FermionSector(NamedTuple):
    r"""Free-fermion solution of the lowest level of one parity sector.

    Attributes
    ----------
    parity : int
        Eigenvalue of P = prod_i X_i.
    levels : tuple of float
        The two lowest energies of the sector.
    majorana : ndarray, shape (L, L)
        :math:`G_{jk} = \langle i a_j b_k \rangle` in the lowest state.
    """

    parity: int
    levels: tuple[float, float]
    majorana: np.ndarray


_LARGEST = 1e100  # of a coupling: squares of energies stay finite


@dataclass(frozen=True)
class TFIM:
    """Transverse-field Ising chain, H = -J sum Z_i Z_{i+1} - h sum X_i.

    Parameters
    ----------
    L : int
        Number of sites, at least 2 (open) or 3 (periodic).
    J, h : float
        Coupling and transverse field, of either sign.
    boundary : {"open", "periodic"}
        Whether the last site couples to the first.

    Raises
    ------
    InputError
        If L is too small, J or h is not finite or beyond any use, or the boundary is unknown.

    Examples
    --------
    >>> round(TFIM(L=50).ground_state_energy(), 10)
    -63.3011891554
    """

    L: int
    J: float = 1.0
    h: float = 1.0
    boundary: str = "open"

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, ("open", "periodic"))
        minimum = 2 if self.boundary == "open" else 3
        object.__setattr__(self, "L", check_positive_int("L", self.L, minimum))
        for name in ("J", "h"):
            value = check_finite(name, getattr(self, name))
            if abs(value) > _LARGEST:
                raise InputError(f"{name} must be at most {_LARGEST:g} in size, got {value:g}")
            object.__setattr__(self, name, value)

    @property
    def bonds(self) -> list[tuple[int, int]]:
        """Coupled pairs of sites."""
        ring = [(self.L - 1, 0)] if self.boundary == "periodic" else []
        return [(i, i + 1) for i in range(self.L - 1)] + ring

    def pauli_sum(self) -> PauliSum:
        """Return H as a sum of Pauli strings."""
        terms: dict[PauliString, float] = {((i, "Z"), (j, "Z")): -self.J for i, j in self.bonds}
        return PauliSum(terms | {((i, "X"),): -self.h for i in range(self.L)}, self.L)

    def ground_state_energy(self) -> float:
        """Return the exact ground-state energy E0, from the free fermions."""
        return self.ground_sector().levels[0]

    def gap(self) -> float:
        """Return the exact gap between the two lowest levels, of either parity."""
        sectors = [self.fermion_sector(+1), self.fermion_sector(-1)]
        first, second = sorted(e for sector in sectors for e in sector.levels)[:2]
        return max(second - first, 0.0)

    def ground_sector(self) -> FermionSector:
        """Return the parity sector that holds the ground state; if both do, P = +1."""
        if self.boundary == "open":
            # The lowest Majorana mode decides; sign(det M) is known even if the mode is rounding.
            return self.fermion_sector(-1 if self.h < 0 and self.L % 2 else +1)
        even, odd = self.fermion_sector(+1), self.fermion_sector(-1)
        rounding = 1e-12 * self.L * max(abs(self.J), abs(self.h))
        return odd if odd.levels[0] < even.levels[0] - rounding else even

    def fermion_sector(self, parity: int) -> FermionSector:
        """Solve the sector P = `parity` (+1 or -1)."""
        if parity not in (1, -1):
            raise InputError(f"parity must be +1 or -1, got {parity!r}")
        U, sigma, Vt = np.linalg.svd(self._coupling_matrix(parity))
        occupied = -np.ones(self.L)  # <i a'_k b'_k> of each mode; the vacuum has all of them -1
        vacuum_parity = round(np.linalg.det(U) * np.linalg.det(Vt)) * (-1) ** self.L
        vacuum = -float(sigma.sum())
        if vacuum_parity == parity:
            levels = (vacuum, vacuum + 2 * float(sigma[-1] + sigma[-2]))
        else:
            occupied[-1] = +1
            levels = (vacuum + 2 * float(sigma[-1]), vacuum + 2 * float(sigma[-2]))
        return FermionSector(parity, levels, (U * occupied) @ Vt)

    def _coupling_matrix(self, parity: int) -> np.ndarray:
        M = np.diag(np.full(self.L, -self.h)) + np.diag(np.full(self.L - 1, self.J), -1)
        if self.boundary == "periodic":
            M[0, -1] = -self.J * parity
        return M

    def attrs(self) -> dict[str, Any]:
        """Return the attributes that describe this Hamiltonian in a data file."""
        return {
            "system": "tfim-1d",
            "hamiltonian": "H = -J sum Z_i Z_{i+1} - h sum X_i, Pauli matrices",
            "axes": "coupling along Z, transverse field along X, |0> is the +1 eigenstate of Z",
            "L": self.L,
            "J": self.J,
            "h": self.h,
            "boundary": self.boundary,
        }

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, Any]) -> TFIM:
        """Rebuild the Hamiltonian from :meth:`attrs`."""
        names = ("L", "J", "h", "boundary")
        missing = [name for name in names if name not in attrs]
        if missing:
            raise InputError(f"attributes of a TFIM must contain L, J, h, boundary, not {missing}")
        return cls(**{name: attrs[name] for name in names})


def central_pairs(L: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre site c of each pair (c, c + r), and r = 1 .. L // 2.

    Examples
    --------
    >>> i, r = central_pairs(50)
    >>> int(i[0]), int(r[-1])
    (24, 25)
    """
    r = np.arange(1, L // 2 + 1)
    return np.full(r.size, (L - 1) // 2), r

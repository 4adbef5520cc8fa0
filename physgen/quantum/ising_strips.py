r"""Transverse-field Ising models of several rows: the ladder, and strips of a square lattice.

.. math:: H = -J \sum_{\langle ab \rangle} Z_a Z_b - h \sum_a X_a

in Pauli matrices.  A ladder has its own coupling :math:`J_\perp` on rungs.  The sites of a strip
are put into a line column by column, x along the strip and y across it: ``columns`` has site
``x L_y + y``; ``snake`` reverses every other column, so that neighbours on the line are neighbours
on the lattice.  A state is a line of sites in this order.  :math:`\prod_a X_a` is conserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.quantum.hamiltonians import signed_sum
from physgen.quantum.pauli_sum import PauliSum

__all__ = ["IsingLadder", "IsingStrip"]


@dataclass(frozen=True)
class IsingLadder:
    """Two-leg ladder, H = -J sum_legs Z Z - J_rung sum_rungs Z Z - h sum X.

    Parameters
    ----------
    rungs : int
        At least 2, or 3 if periodic; rung i holds the sites 2 i and 2 i + 1.
    J, J_rung, h : float
        Couplings along the legs and on the rungs, and transverse field; positive couplings are
        ferromagnetic.
    boundary : {"open", "periodic"}
        Whether the last rung couples to the first.

    Raises
    ------
    InputError
        If there are too few rungs, a number is not finite, or the boundary is unknown.

    Examples
    --------
    >>> IsingLadder(rungs=3).L
    6
    """

    rungs: int
    J: float = 1.0
    J_rung: float = 1.0
    h: float = 1.0
    boundary: str = "open"

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, ("open", "periodic"))
        minimum = 2 if self.boundary == "open" else 3
        object.__setattr__(self, "rungs", check_positive_int("rungs", self.rungs, minimum))
        for name in ("J", "J_rung", "h"):
            object.__setattr__(self, name, check_finite(name, getattr(self, name)))

    @property
    def L(self) -> int:
        """Number of sites, two a rung."""
        return 2 * self.rungs

    @property
    def terms(self) -> str:
        """H in the text of :class:`PauliSum`."""
        ring = self.boundary == "periodic"
        bonds = [(i, (i + 1) % self.rungs) for i in range(self.rungs - (not ring))]
        legs = [(-self.J, 2 * a + leg, 2 * b + leg) for a, b in bonds for leg in (0, 1)]
        rungs = [(-self.J_rung, 2 * i, 2 * i + 1) for i in range(self.rungs)]
        return _text([*rungs, *legs], self.h, self.L)

    def pauli_sum(self) -> PauliSum:
        """Return H as a sum of Pauli strings."""
        return PauliSum.parse(self.terms, self.L)

    def ground_state_energy(self) -> float | None:
        """Return None: there is no closed form."""
        return None

    def gap(self) -> float | None:
        """Return None: there is no closed form."""
        return None

    def attrs(self) -> dict[str, Any]:
        """Return the attributes that describe this Hamiltonian in a data file."""
        return {
            "system": "ising-ladder",
            "hamiltonian": "H = -J sum_legs Z_a Z_b - J_rung sum_rungs Z_a Z_b - h sum X_a, "
            "Pauli matrices",
            "axes": "couplings along Z, transverse field along X, |0> is the +1 eigenstate of Z; "
            "rung i holds the sites 2 i and 2 i + 1",
            "energy_units": "unit of J, J_rung and h",
            "L": self.L,
            "rungs": self.rungs,
            "J": self.J,
            "J_rung": self.J_rung,
            "h": self.h,
            "boundary": self.boundary,
            "terms": self.terms,
        }


@dataclass(frozen=True)
class IsingStrip:
    """Strip of a square lattice, H = -J sum_<ab> Z Z - h sum X.

    Parameters
    ----------
    Lx, Ly : int
        Length and width; the bond dimension grows exponentially with the width.
    J, h : float
        Coupling, positive is ferromagnetic, and transverse field.
    boundary : {"open", "cylinder"}
        A cylinder goes around in y, and has Ly >= 3.
    order : {"columns", "snake"}
        How the sites are put into a line.

    Raises
    ------
    InputError
        If an extent is too small, a number is not finite, or boundary or order are unknown.

    Examples
    --------
    >>> IsingStrip(Lx=3, Ly=2).L
    6
    """

    Lx: int
    Ly: int
    J: float = 1.0
    h: float = 1.0
    boundary: str = "open"
    order: str = "columns"

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, ("open", "cylinder"))
        check_choice("order", self.order, ("columns", "snake"))
        object.__setattr__(self, "Lx", check_positive_int("Lx", self.Lx, 2))
        minimum = 2 if self.boundary == "open" else 3
        object.__setattr__(self, "Ly", check_positive_int("Ly", self.Ly, minimum))
        for name in ("J", "h"):
            object.__setattr__(self, name, check_finite(name, getattr(self, name)))

    @property
    def L(self) -> int:
        """Number of sites, Lx Ly."""
        return self.Lx * self.Ly

    @property
    def sites(self) -> np.ndarray:
        """Number of the site at (x, y), shape (Lx, Ly)."""
        line = np.arange(self.L).reshape(self.Lx, self.Ly)
        if self.order == "snake":
            line[1::2] = line[1::2, ::-1]
        return line

    @property
    def terms(self) -> str:
        """H in the text of :class:`PauliSum`."""
        at = self.sites
        bonds = [*zip(at[:, :-1].flat, at[:, 1:].flat), *zip(at[:-1].flat, at[1:].flat)]
        if self.boundary == "cylinder":
            bonds += [*zip(at[:, -1], at[:, 0])]
        return _text([(-self.J, int(a), int(b)) for a, b in bonds], self.h, self.L)

    def pauli_sum(self) -> PauliSum:
        """Return H as a sum of Pauli strings."""
        return PauliSum.parse(self.terms, self.L)

    def ground_state_energy(self) -> float | None:
        """Return None: there is no closed form."""
        return None

    def gap(self) -> float | None:
        """Return None: there is no closed form."""
        return None

    def attrs(self) -> dict[str, Any]:
        """Return the attributes that describe this Hamiltonian in a data file."""
        return {
            "system": "tfim-2d",
            "hamiltonian": "H = -J sum_<ab> Z_a Z_b - h sum X_a, Pauli matrices",
            "axes": "coupling along Z, transverse field along X, |0> is the +1 eigenstate of Z",
            "energy_units": "unit of J and h",
            "L": self.L,
            "Lx": self.Lx,
            "Ly": self.Ly,
            "J": self.J,
            "h": self.h,
            "boundary": self.boundary,
            "order": self.order,
            "terms": self.terms,
        }


def _text(couplings: list[tuple[float, int, int]], h: float, L: int) -> str:
    bonds = [(c, f"Z{min(a, b)} Z{max(a, b)}") for c, a, b in sorted(couplings, key=_place)]
    terms = [*bonds, *((-h, f"X{i}") for i in range(L))]
    return signed_sum([(c, string) for c, string in terms if c != 0] or [(0.0, "X0")])


def _place(coupling: tuple[float, int, int]) -> tuple[int, int]:
    _, a, b = coupling
    return min(a, b), max(a, b)

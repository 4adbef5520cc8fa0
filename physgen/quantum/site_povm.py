r"""A POVM for each site, with the same outcomes on every site.

.. math:: P(a) = \mathrm{Tr} \Big[ \rho \bigotimes_i M^{(i)}_{a_i} \Big]

so every qubit may have its own noise, such as the readout error that its calibration found, and
the outcomes mean the same on all of them.  Estimates from shots, settings, density matrices, Born
distributions and matrix product models take it wherever they take a
:class:`~physgen.quantum.povm.POVM`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.bases import Bases
from physgen.quantum.povm import POVM

__all__ = ["SitePOVM", "of_outcomes", "one_povm", "restricted", "simplest"]


@dataclass(frozen=True, eq=False)
class SitePOVM:
    """A measurement of L qubits, each with its own elements.

    Parameters
    ----------
    name : str
        Name in data files.
    sites : sequence of POVM
        One a site, all with the same outcomes in the same order.

    Raises
    ------
    InputError
        If the sites have different outcomes, or are no POVMs.
    """

    name: str
    sites: tuple[POVM, ...]

    def __post_init__(self) -> None:
        sites = tuple(self.sites)
        if not sites or not all(isinstance(site, POVM) for site in sites):
            raise InputError("sites must be POVMs, one a site, got others")
        other = next((i for i, s in enumerate(sites) if s.outcomes != sites[0].outcomes), None)
        if other is not None:
            raise InputError(
                f"POVMs of all sites must have the outcomes {', '.join(sites[0].outcomes)}, got "
                f"{', '.join(sites[other].outcomes)} at site {other}"
            )
        object.__setattr__(self, "sites", sites)

    def __repr__(self) -> str:
        return f"SitePOVM({self.name!r}, L={self.L}, outcomes={self.outcomes})"

    @classmethod
    def from_elements(
        cls, name: str, elements: Any, outcomes: Sequence[str] | None = None
    ) -> SitePOVM:
        """Return the POVMs with elements of shape (L, K, 2, 2)."""
        return cls(name, tuple(POVM.from_elements(name, E, outcomes) for E in elements))

    @property
    def L(self) -> int:
        """Number of sites."""
        return len(self.sites)

    @property
    def K(self) -> int:
        """Number of outcomes."""
        return self.sites[0].K

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Labels of the outcomes."""
        return self.sites[0].outcomes

    @cached_property
    def elements(self) -> np.ndarray:
        """Elements, shape (L, K, 2, 2)."""
        return np.array([site.elements for site in self.sites])

    @cached_property
    def duals(self) -> np.ndarray:
        """Duals, shape (L, K, 2, 2)."""
        return np.array([site.duals for site in self.sites])

    @cached_property
    def pauli_coefficients(self) -> np.ndarray:
        """(c_I, c_X, c_Y, c_Z) of each element, shape (L, K, 4)."""
        return np.array([site.pauli_coefficients for site in self.sites])

    @cached_property
    def bases(self) -> Bases | None:
        """The bases of all sites, or None if a site has none, or other ones."""
        first = self.sites[0].bases
        if first is None or not all(first.same_as(site.bases) for site in self.sites):
            return None
        return first

    def weights(self, pauli: str) -> np.ndarray:
        """Return w(a) = Tr(P D_a) of each site, shape (L, K)."""
        return np.array([site.weights(pauli) for site in self.sites])

    def sees(self, pauli: str) -> bool:
        """Whether the outcomes of every site determine <P>."""
        return all(site.sees(pauli) for site in self.sites)

    @property
    def is_informationally_complete(self) -> bool:
        """Whether the outcomes distinguish all states."""
        return all(site.is_informationally_complete for site in self.sites)

    def matches(self, other: POVM | SitePOVM) -> bool:
        """Whether the elements agree, in the same order, on every site."""
        if isinstance(other, SitePOVM):
            return self.L == other.L and all(a.matches(b) for a, b in zip(self.sites, other.sites))
        return all(site.matches(other) for site in self.sites)

    def check_outcomes(self, x: Any, L: int | None = None) -> np.ndarray:
        """Return outcomes as uint8 of shape (..., L), or raise on the first bad one."""
        if L not in (None, self.L):
            raise InputError(f"outcomes of {self.name} must have {self.L} sites, got {L}")
        return self.sites[0].check_outcomes(x, self.L)


def of_outcomes(table: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """Return the entries of outcomes (..., L) in a table (K,), or (L, K) with a row a site."""
    if table.ndim == 1:
        return table[outcomes]
    return table[np.arange(len(table)), outcomes]


def restricted(povm: POVM | SitePOVM, sites: Sequence[int]) -> POVM | SitePOVM:
    """Return the measurement of some sites."""
    if isinstance(povm, POVM):
        return povm
    return SitePOVM(povm.name, tuple(povm.sites[i] for i in sites))


def simplest(povm: POVM | SitePOVM, L: int) -> POVM | SitePOVM:
    """Return the measurement of L sites: one POVM where all of them have the same."""
    if isinstance(povm, POVM):
        return povm
    if povm.L != L:
        raise InputError(f"povm must be of {L} sites, got {povm.name} of {povm.L}")
    return povm.sites[0] if all(povm.sites[0].matches(site) for site in povm.sites) else povm


def one_povm(povm: POVM | SitePOVM, what: str) -> POVM:
    """Return the only POVM, or raise :class:`InputError`: `what` takes the same for all sites."""
    if isinstance(povm, SitePOVM):
        povm = simplest(povm, povm.L)
    if isinstance(povm, POVM):
        return povm
    raise InputError(
        f"{what} must have one POVM for all sites, got {povm.name} with one a site; estimates "
        "from the shots, density matrices, mps and lpdo take it, or give the mean readout error"
    )

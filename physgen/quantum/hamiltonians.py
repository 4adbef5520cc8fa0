r"""Hamiltonians of a chain of qubits: what they have in common, and the one that is given as text.

.. math:: H = \sum_k c_k \prod_{i \in s_k} P_{k,i}, \qquad P_{k,i} \in \{X, Y, Z\},

in Pauli matrices (not spin-1/2 operators S = P / 2, whose bonds are 4 and whose fields 2 times
smaller), :math:`|0\rangle` being the +1 eigenstate of Z.  A named system is a class with these
members; :class:`~physgen.quantum.tfim.TFIM` is the oldest one.  A data file holds the terms as
text, so it is read without the class that wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.structural import Structural
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.tfim import TFIM

__all__ = ["Hamiltonian", "PauliHamiltonian", "hamiltonian_of", "signed_sum"]


@runtime_checkable
class Hamiltonian(Structural, Protocol):
    """A Hamiltonian of L qubits.

    Attributes
    ----------
    L : int
        Number of sites, of all legs and rows together.
    boundary : str
        "open", "periodic", or what else the system knows.
    """

    @property
    def L(self) -> int: ...  # noqa: D102
    @property
    def boundary(self) -> str: ...  # noqa: D102

    def pauli_sum(self) -> PauliSum:
        """Return H as a sum of Pauli strings."""
        ...

    def ground_state_energy(self) -> float | None:
        """Return E0 in closed form, or None where there is none."""
        ...

    def gap(self) -> float | None:
        """Return the distance of the two lowest levels in closed form, or None."""
        ...

    def attrs(self) -> dict[str, Any]:
        """Return what describes H in a file: system, hamiltonian, L, boundary, parameters.

        All but the TFIM also hold ``terms``, H in the text of :class:`PauliSum`, to full
        precision, and ``energy_units``.
        """
        ...


@dataclass(frozen=True)
class PauliHamiltonian:
    """A Hamiltonian given as text.

    Parameters
    ----------
    terms : str
        As :meth:`PauliSum.parse` reads it: ``"sum XX + YY + 0.5 ZZ - 0.3 X"``.
    L : int
        Number of sites.
    boundary : {"open", "periodic"}
        Whether the words of ``sum`` go around.
    about : mapping, optional
        Attributes of the named system that these terms belong to.

    Raises
    ------
    InputError
        If L is too small, the boundary is unknown, or the terms are no text that can be read.

    Examples
    --------
    >>> PauliHamiltonian("sum ZZ - 0.5 X", L=3).pauli_sum()
    PauliSum('Z0 Z1 + Z1 Z2 - 0.5 X0 - 0.5 X1 - 0.5 X2', L=3)
    """

    terms: str
    L: int
    boundary: str = "open"
    about: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, ("open", "periodic"))
        minimum = 1 if self.boundary == "open" else 3
        object.__setattr__(self, "L", check_positive_int("L", self.L, minimum))
        if not isinstance(self.terms, str):
            raise InputError(f"terms must be a text such as 'sum ZZ - X', got {self.terms!r}")
        self.pauli_sum()  # refuses what is no operator

    def pauli_sum(self) -> PauliSum:
        """Return H as a sum of Pauli strings."""
        return PauliSum.parse(self.terms, self.L, self.boundary)

    def ground_state_energy(self) -> float | None:
        """Return None: terms of any form have no closed form."""
        return None

    def gap(self) -> float | None:
        """Return None, as :meth:`ground_state_energy` does."""
        return None

    def attrs(self) -> dict[str, Any]:
        """Return the attributes that describe this Hamiltonian in a data file."""
        own = {
            "system": "pauli",
            "hamiltonian": f"H = {self.terms}, Pauli matrices",
            "energy_units": "unit of the coefficients",
            "L": self.L,
            "boundary": self.boundary,
        }
        return own | dict(self.about) | {"terms": self.terms}

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, Any]) -> PauliHamiltonian:
        """Rebuild the terms from the attributes of any Hamiltonian that holds them."""
        names = ("system", "hamiltonian", "terms", "L", "boundary")
        if missing := [name for name in names if name not in attrs]:
            raise InputError(f"attributes of a Hamiltonian must contain {', '.join(missing)}")
        # Other boundaries, such as that of a cylinder, have their terms written out.
        ring = "periodic" if attrs["boundary"] == "periodic" else "open"
        found = cls(str(attrs["terms"]), int(attrs["L"]), ring)
        object.__setattr__(found, "about", dict(attrs))
        return found


def hamiltonian_of(attrs: Mapping[str, Any]) -> Hamiltonian | None:
    """Return the Hamiltonian that the attributes of a file describe, or None if they name none."""
    if "hamiltonian" not in attrs:
        return None
    return PauliHamiltonian.from_attrs(attrs) if "terms" in attrs else TFIM.from_attrs(attrs)


def signed_sum(terms: Iterable[tuple[float, str]], mode: str = "") -> str:
    """Return coefficients and strings as text that reads back to the same numbers.

    Examples
    --------
    >>> signed_sum([(-1.0, "XX"), (0.5, "ZZ")], "sum")
    '- sum 1.0 XX + 0.5 ZZ'
    """
    text = ""
    for c, string in terms:
        lead = f"{mode} " if mode and not text else ""
        sign = "- " if c < 0 else "+ " if text else ""
        text += f"{' ' if text else ''}{sign}{lead}{abs(c)!r} {string}"
    return text

r"""What a sum of Pauli strings conserves: charges, parities, and symmetries of the line of sites.

- The parity :math:`\prod_i P_i` commutes with a string if an even number of its letters differ
  from P.
- The charge :math:`\sum_i Z_i` commutes with H if no term is left that changes it once every
  string is written in :math:`\sigma^\pm`, :math:`X = \sigma^+ + \sigma^-` and
  :math:`Y = -i (\sigma^+ - \sigma^-)`; the charge along X is the same after a Hadamard matrix on
  every site, X <-> Z and Y -> -Y.
- H is real in the basis of Z if every string has an even number of Y.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from physgen.quantum.pauli_sum import PauliSum

__all__ = [
    "Sector",
    "Symmetry",
    "commutes_with_parity",
    "hadamard_of",
    "in_ladder_operators",
    "is_real",
    "is_reflected",
    "is_translated",
    "symmetry_of",
]

_MAX_FLIPS = 10  # X and Y in a string: it becomes 2^10 products of ladder operators
_ROUNDING = 1e-12

# The factors of one product: (site, letter), the letters P and M of sigma^+ and sigma^-, or Z.
Ladder = tuple[tuple[int, str], ...]


class Symmetry(NamedTuple):
    """One conserved quantity.

    Attributes
    ----------
    kind : {"charge", "parity", "none"}
        The sum of the Pauli matrices of all sites, their product, or nothing.
    axis : {"Z", "X"}
    """

    kind: str
    axis: str = "Z"

    def values(self, L: int) -> list[int]:
        """Return the eigenvalues, those nearest to 0 first and + before -."""
        if self.kind == "charge":
            return sorted(range(-L, L + 1, 2), key=lambda q: (abs(q), -q))
        return [1, -1] if self.kind == "parity" else [0]


class Sector(NamedTuple):
    """The states with one value of a conserved quantity."""

    symmetry: Symmetry
    value: int

    def __str__(self) -> str:
        kind, axis = self.symmetry
        if kind == "charge":
            return f"sum {axis} = {self.value}"
        return f"prod {axis} = {self.value:+d}" if kind == "parity" else "all states"


def commutes_with_parity(operator: PauliSum, pauli: str) -> bool:
    """Whether the operator commutes with the product of one Pauli matrix over all sites."""
    return all(sum(letter != pauli for _, letter in s) % 2 == 0 for s, _ in operator)


def is_real(operator: PauliSum) -> bool:
    """Whether the operator is real in the basis of Z."""
    return all(sum(letter == "Y" for _, letter in s) % 2 == 0 for s, _ in operator)


def is_reflected(operator: PauliSum) -> bool:
    """Whether the operator is its own mirror image, site i -> L - 1 - i."""
    return _mapped(operator, [operator.L - 1 - i for i in range(operator.L)])


def is_translated(operator: PauliSum) -> bool:
    """Whether the operator goes into itself by i -> i + 1 around a ring."""
    return _mapped(operator, [(i + 1) % operator.L for i in range(operator.L)])


def _mapped(operator: PauliSum, sites: list[int]) -> bool:
    moved = PauliSum(
        {tuple((sites[i], letter) for i, letter in s): c for s, c in operator}, operator.L
    )
    rounding = _ROUNDING * operator.bound()
    return all(abs(c) <= rounding for c in (moved - operator).terms.values())


def hadamard_of(operator: PauliSum) -> PauliSum:
    """Return the operator with a Hadamard matrix on every site: X <-> Z, Y -> -Y."""
    turned = {"X": "Z", "Z": "X", "Y": "Y"}
    return PauliSum(
        {
            tuple((i, turned[p]) for i, p in s): c * (-1) ** sum(p == "Y" for _, p in s)
            for s, c in operator
        },
        operator.L,
    )


def in_ladder_operators(operator: PauliSum) -> dict[Ladder, complex] | None:
    """Return the operator in sigma^+, sigma^- and Z, if it conserves sum_i Z_i; else None."""
    found: dict[Ladder, complex] = {}
    for string, c in operator:
        flips = [(i, letter) for i, letter in string if letter != "Z"]
        if len(flips) > _MAX_FLIPS:
            return None
        rest = [(i, letter) for i, letter in string if letter == "Z"]
        for signs in product("PM", repeat=len(flips)):
            weight = complex(c)
            for (_, letter), sign in zip(flips, signs):
                if letter == "Y":
                    weight *= -1j if sign == "P" else 1j
            raised = [(i, sign) for (i, _), sign in zip(flips, signs)]
            ladder = tuple(sorted([*raised, *rest]))
            found[ladder] = found.get(ladder, 0.0) + weight
    rounding = _ROUNDING * operator.bound()
    kept = {ladder: c for ladder, c in found.items() if abs(c) > rounding}
    charged = any(
        sum(letter == "P" for _, letter in ladder) != sum(letter == "M" for _, letter in ladder)
        for ladder in kept
    )
    return None if charged else kept


def symmetry_of(operator: PauliSum) -> Symmetry:
    """Return the strongest of the quantities that a ground state is found with."""
    for axis, turned in (("Z", operator), ("X", hadamard_of(operator))):
        if in_ladder_operators(turned) is not None:
            return Symmetry("charge", axis)
    for axis in "XZ":
        if commutes_with_parity(operator, axis):
            return Symmetry("parity", axis)
    return Symmetry("none")

r"""Lowest levels of a sum of Pauli strings by diagonalisation, sector by sector; at most 12 sites.

With the bits r of a basis state (site 0 the most significant, bit 0 the +1 eigenstate of Z) a
string is :math:`\langle r \oplus x | P | r \rangle = i^{n_Y} (-1)^{|r \wedge z|}`, x marking its
X and Y, z its Y and Z.  A quantity that is conserved along Z splits the basis; one along X does
after a Hadamard matrix on every site.  Levels that are equal in two sectors are told apart, which
an iteration on the whole space may miss.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.conserved import Sector, Symmetry, hadamard_of, is_real, symmetry_of
from physgen.quantum.pauli_sum import PauliString, PauliSum

__all__ = ["MAX_SITES", "LowLevels", "low_levels", "sector_levels", "sector_vector"]

MAX_SITES = 12
_DENSE = 256
_LEVELS = 4  # of each sector
_EQUAL = 1e-9  # of the sum of |c|: levels that are one


class LowLevels(NamedTuple):
    """The bottom of a spectrum.

    Attributes
    ----------
    energy, gap : float
        Lowest level, and its distance to the next one, 0 if it is degenerate.
    degeneracy : int
        States of the lowest level, as many as 4 a sector.
    sector : Sector
        The first sector that holds it.
    degeneracy_in_sector : int
    """

    energy: float
    gap: float
    degeneracy: int
    sector: Sector
    degeneracy_in_sector: int


def low_levels(operator: PauliSum) -> LowLevels:
    """Return the lowest levels of an operator on at most :data:`MAX_SITES` sites."""
    return _low_levels(operator.L, tuple(operator))


@lru_cache(maxsize=16)  # every estimate of an energy asks for its floor
def _low_levels(L: int, terms: tuple[tuple[PauliString, float], ...]) -> LowLevels:
    operator = PauliSum(dict(terms), L)
    symmetry = symmetry_of(operator)
    levels = {
        Sector(symmetry, value): sector_levels(operator, Sector(symmetry, value))[0]
        for value in symmetry.values(operator.L)
    }
    rounding = _EQUAL * operator.bound()
    everything = np.sort(np.concatenate(list(levels.values())))
    lowest = float(everything[0])
    degeneracy = int(np.count_nonzero(everything <= lowest + rounding))
    gap = float(everything[1] - lowest) if degeneracy == 1 and len(everything) > 1 else 0.0
    sector = next(s for s, e in levels.items() if e[0] <= lowest + rounding)
    equal = int(np.count_nonzero(levels[sector] <= lowest + rounding))
    return LowLevels(lowest, gap, degeneracy, sector, equal)


def sector_vector(operator: PauliSum, sector: Sector) -> np.ndarray:
    """Return the lowest state of a sector, a vector of length 2**L in our basis."""
    _, vectors = sector_levels(operator, sector)
    states = _states(operator.L, sector)
    psi = np.zeros(2**operator.L, vectors.dtype)
    psi[states] = vectors[:, 0]
    if sector.symmetry.axis == "X":
        hadamard = np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2.0)
        psi = psi.reshape((2,) * operator.L)
        for i in range(operator.L):
            psi = np.moveaxis(np.tensordot(hadamard, psi, axes=(1, i)), 0, i)
    return psi.ravel()


def sector_levels(operator: PauliSum, sector: Sector) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest energies of a sector, at most 4, and their vectors in its basis."""
    from scipy.sparse.linalg import eigsh

    if operator.L > MAX_SITES:
        raise InputError(
            f"L must be at most {MAX_SITES} for exact diagonalisation, got {operator.L}"
        )
    turned = hadamard_of(operator) if sector.symmetry.axis == "X" else operator
    states = _states(operator.L, sector)
    H = _matrix(turned, states)
    if len(states) <= _DENSE:
        energies, vectors = np.linalg.eigh(H.toarray())
    else:
        start = np.random.Generator(np.random.Philox(key=1)).standard_normal(len(states))
        energies, vectors = eigsh(H, k=_LEVELS, which="SA", v0=start, ncv=40, tol=0)
        order = np.argsort(energies)
        energies, vectors = energies[order], vectors[:, order]
    return energies[:_LEVELS], vectors[:, :_LEVELS]


def _states(L: int, sector: Sector) -> np.ndarray:
    """Return the basis states of a sector, in the axes where it lies along Z."""
    states = np.arange(2**L)
    symmetry, value = sector
    down = np.bitwise_count(states).astype(int)
    if symmetry == Symmetry("none"):
        return states
    found = L - 2 * down if symmetry.kind == "charge" else 1 - 2 * (down % 2)
    return states[found == value]


def _matrix(operator: PauliSum, states: np.ndarray) -> Any:
    """Return H between the states of a sector, which are sorted, as a sparse matrix."""
    from scipy import sparse

    n, real = len(states), is_real(operator)
    H = sparse.csr_array((n, n), dtype=float if real else complex)
    for mask, values in _by_flips(operator, states).items():
        rows = np.searchsorted(states, states ^ mask)
        rows = np.minimum(rows, n - 1)
        inside = states[rows] == states ^ mask  # what leaves the sector cancels
        columns = np.flatnonzero(inside)
        part = np.real(values[inside]) if real else values[inside]
        H = H + sparse.csr_array((part, (rows[inside], columns)), shape=(n, n))
    return H


def _by_flips(operator: PauliSum, states: np.ndarray) -> dict[int, np.ndarray]:
    """Return the entries of all strings that flip the same bits, added up."""
    found: dict[int, np.ndarray] = {}
    for string, c in operator:
        x = _mask(string, "XY", operator.L)
        sign = 1.0 - 2.0 * (np.bitwise_count(states & _mask(string, "YZ", operator.L)) % 2)
        phase = 1j ** sum(letter == "Y" for _, letter in string)
        found[x] = found.get(x, 0.0) + c * phase * sign
    return found


def _mask(string: PauliString, letters: str, L: int) -> int:
    return sum(1 << (L - 1 - i) for i, letter in string if letter in letters)

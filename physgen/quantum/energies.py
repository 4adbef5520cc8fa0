r"""The energy of any Hamiltonian from shots: every Pauli string of H, with its coefficient.

.. math:: E_s = \sum_k c_k \prod_{i \in s_k} w_{P_{k,i}}(a_i)

is the unbiased one-shot energy by dual frames (:mod:`physgen.quantum.estimators`).  Shots in
labelled settings estimate each string from the shots that see it (:mod:`physgen.quantum.pooled`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from physgen.quantum.hamiltonians import Hamiltonian
from physgen.quantum.pauli_sum import PauliString, PauliSum
from physgen.quantum.spectrum import MAX_SITES, low_levels
from physgen.quantum.tfim import TFIM

__all__ = ["energy_floor", "missing_letters", "products", "seen_products", "sum_of"]


def sum_of(hamiltonian: Hamiltonian | None) -> PauliSum | None:
    """Return the strings of H, or None for a TFIM, which has sums of its own, and for None."""
    if hamiltonian is None or isinstance(hamiltonian, TFIM):
        return None
    return hamiltonian.pauli_sum()


def products(factors: Mapping[str, np.ndarray], strings: Sequence[PauliString]) -> np.ndarray:
    """Return the value of every string in every shot, shape (n, strings).

    Parameters
    ----------
    factors : mapping of {"X", "Y", "Z"} to array (n, L)
        Value of one Pauli matrix at each site.
    strings : sequence of PauliString
        None of them the identity.
    """
    found = [
        np.prod([factors[letter][:, site] for site, letter in string], axis=0)
        for string in strings
    ]
    return np.stack(found, axis=1)


def seen_products(seen: Mapping[str, np.ndarray], strings: Sequence[PauliString]) -> np.ndarray:
    """Return whether every row, a shot or a setting, sees each string, shape (n, strings)."""
    found = [np.all([seen[p][:, i] for i, p in string], axis=0) for string in strings]
    return np.stack(found, axis=1)


def missing_letters(operator: PauliSum, seen: str) -> list[str]:
    """Return the Pauli matrices of an operator that a measurement does not see."""
    return [letter for letter in operator.letters if letter not in seen]


def energy_floor(hamiltonian: Hamiltonian) -> tuple[float, str]:
    """Return a value that no energy is below, and what it is called.

    E0 in closed form or, up to 12 sites, by diagonalisation; else the sum of -|c|.
    """
    exact = hamiltonian.ground_state_energy()
    if exact is None and hamiltonian.L <= MAX_SITES:
        exact = low_levels(hamiltonian.pauli_sum()).energy
    if exact is not None:
        return exact, "below the ground-state energy"
    operator = hamiltonian.pauli_sum()
    constant = operator.constant
    return constant - (operator.bound() - abs(constant)), "below the sum of all terms at -1"

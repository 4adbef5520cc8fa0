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
from physgen.quantum.povm import POVM
from physgen.quantum.site_povm import SitePOVM, of_outcomes
from physgen.quantum.spectrum import MAX_SITES, low_levels
from physgen.quantum.tfim import TFIM

__all__ = [
    "energy_floor",
    "products",
    "seen_products",
    "shot_energies",
    "sum_of",
    "unseen_observables",
]


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


def shot_energies(
    outcomes: np.ndarray,
    povm: POVM | SitePOVM,
    operator: PauliSum,
    weights: np.ndarray | None = None,
) -> np.ndarray | None:
    """Return the one-shot energy, shape (n,), or None if the POVM does not see all of it.

    Parameters
    ----------
    outcomes : ndarray of int, shape (n, L)
    povm : POVM
    operator : PauliSum
    weights : ndarray, shape (L, K, 4), optional
        Weights of duals other than the canonical ones, P in the order I, X, Y, Z.
    """
    if not all(povm.sees(letter) for letter in operator.letters):
        return None
    strings = {string: c for string, c in operator if string}
    if not strings:
        return np.full(len(outcomes), operator.constant)
    if weights is None:
        factors = {p: of_outcomes(povm.weights(p), outcomes) for p in operator.letters}
    else:
        of_shot = weights[np.arange(len(weights)), outcomes]
        factors = {p: of_shot[..., "IXYZ".index(p)] for p in operator.letters}
    return operator.constant + products(factors, list(strings)) @ np.array([*strings.values()])


def unseen_observables(povm: POVM | SitePOVM, hamiltonian: Hamiltonian | None) -> str:
    """Return the observables that a POVM does not determine, in one line, or an empty text."""
    blind = [pauli for pauli in "XZ" if not povm.sees(pauli)]
    lost = [f"{p.lower()}, {p.lower()}_mean" for p in blind] + ["zz"] * ("Z" in blind)
    operator = sum_of(hamiltonian)
    letters = "XZ" if operator is None else operator.letters
    of_energy = [p for p in letters if not povm.sees(p)] if hamiltonian is not None else []
    lost += ["energy"] * bool(of_energy)
    blind += [letter for letter in of_energy if letter not in blind]
    listed = ", ".join(lost)
    return f"{listed}: {povm.name} does not see {' or '.join(blind)}" if blind else ""


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

"""Energies of Hamiltonians other than the Ising chain: which operator they are, and their floor.

The energy of a :class:`~physgen.quantum.tfim.TFIM` is estimated by sums of its own, over bonds and
sites; that of any other Hamiltonian as any operator (:mod:`physgen.quantum.operators`).
"""

from __future__ import annotations

from physgen.quantum.hamiltonians import Hamiltonian
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.povm import POVM
from physgen.quantum.site_povm import SitePOVM
from physgen.quantum.spectrum import MAX_SITES, low_levels
from physgen.quantum.tfim import TFIM

__all__ = ["energy_floor", "sum_of", "unseen_observables"]


def sum_of(hamiltonian: Hamiltonian | None) -> PauliSum | None:
    """Return the strings of H, or None for a TFIM, which has sums of its own, and for None."""
    if hamiltonian is None or isinstance(hamiltonian, TFIM):
        return None
    return hamiltonian.pauli_sum()


def unseen_observables(povm: POVM | SitePOVM, tfim: TFIM | None) -> str:
    """Return the observables of a chain that a POVM does not determine, in one line, or ""."""
    blind = [pauli for pauli in "XZ" if not povm.sees(pauli)]
    lost = [f"{p.lower()}, {p.lower()}_mean" for p in blind] + ["zz"] * ("Z" in blind)
    lost += ["energy"] * (tfim is not None and bool(blind))
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

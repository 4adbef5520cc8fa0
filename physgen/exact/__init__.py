"""Oracles: numbers known exactly, under the names that estimates carry.

:func:`exact_values` answers for a target with the best oracle it has; :func:`exact_observables`
does for the ground state of a quantum chain.  The formulas of two-dimensional Ising models are in
:mod:`~physgen.exact.kaufman` (finite tori) and :mod:`~physgen.exact.onsager` (infinite lattice).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.exact.diagonalisation import diagonalised_observables, ground_state_vector
    from physgen.exact.enumeration import density_of_states, enumerated_observables, probabilities
    from physgen.exact.free_fermions import exact_observables, zz_matrix
    from physgen.exact.free_field import free_field_observables, ula_observables
    from physgen.exact.oracles import exact_ising, exact_phi4, exact_values, torus_observables
    from physgen.exact.phi4_levels import phi4_spectrum
    from physgen.exact.phi4_quadrature import phi4_torus
    from physgen.exact.transfer_matrix import strip_observables

__all__ = [
    "density_of_states",
    "diagonalised_observables",
    "enumerated_observables",
    "exact_ising",
    "exact_observables",
    "exact_phi4",
    "exact_values",
    "free_field_observables",
    "ground_state_vector",
    "phi4_spectrum",
    "phi4_torus",
    "probabilities",
    "strip_observables",
    "torus_observables",
    "ula_observables",
    "zz_matrix",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "density_of_states": "enumeration",
        "diagonalised_observables": "diagonalisation",
        "enumerated_observables": "enumeration",
        "exact_ising": "oracles",
        "exact_observables": "free_fermions",
        "exact_phi4": "oracles",
        "exact_values": "oracles",
        "free_field_observables": "free_field",
        "ground_state_vector": "diagonalisation",
        "phi4_spectrum": "phi4_levels",
        "phi4_torus": "phi4_quadrature",
        "probabilities": "enumeration",
        "strip_observables": "transfer_matrix",
        "torus_observables": "oracles",
        "ula_observables": "free_field",
        "zz_matrix": "free_fermions",
    },
)

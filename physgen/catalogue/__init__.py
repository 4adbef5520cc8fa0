"""The catalogue of named systems; see :func:`list_systems` and :func:`load_system`."""

from physgen.catalogue.parameters import Parameter
from physgen.catalogue.references import Reference
from physgen.catalogue.systems import (
    System,
    hamiltonian_systems,
    list_systems,
    load_system,
    target_systems,
)

__all__ = [
    "Parameter",
    "Reference",
    "System",
    "hamiltonian_systems",
    "list_systems",
    "load_system",
    "target_systems",
]

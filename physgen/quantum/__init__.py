"""Quantum chains, their states, measurements of them, and the data those give.

What needs compiled kernels or HDF5 is loaded when first used, so that ``import physgen.quantum``
is light.  :func:`povm` and :func:`ground_state` share their modules' names and are bound here at
once: a submodule imported later would otherwise take the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports
from physgen.quantum.ground_state import ground_state
from physgen.quantum.mps import MPS
from physgen.quantum.povm import POVM, merge_map, povm
from physgen.quantum.tfim import TFIM

if TYPE_CHECKING:
    from physgen.quantum.born import Born
    from physgen.quantum.data import MeasurementData
    from physgen.quantum.estimators import estimate_observables

__all__ = [
    "MPS",
    "POVM",
    "TFIM",
    "Born",
    "MeasurementData",
    "estimate_observables",
    "ground_state",
    "merge_map",
    "povm",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {"Born": "born", "MeasurementData": "data", "estimate_observables": "estimators"},
)

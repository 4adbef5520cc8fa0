"""Quantum chains, their states, measurements of them, and the data those give.

What needs compiled kernels or HDF5 is loaded when first used, so that ``import physgen.quantum``
is light.  :func:`povm` and :func:`ground_state` share their modules' names and are bound here at
once: a submodule imported later would otherwise take the name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOME = {"Born": "born", "MeasurementData": "data", "estimate_observables": "estimators"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

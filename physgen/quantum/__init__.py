"""Quantum chains, their states, measurements of them, and the data those give.

Names are loaded when first used, so that ``import physgen.quantum`` loads no compiled kernel.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physgen.quantum.born import Born
    from physgen.quantum.data import MeasurementData
    from physgen.quantum.estimators import estimate_observables
    from physgen.quantum.ground_state import ground_state
    from physgen.quantum.mps import MPS
    from physgen.quantum.povm import POVM, merge_map, povm
    from physgen.quantum.tfim import TFIM

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

_HOME = {
    "MPS": "mps",
    "POVM": "povm",
    "TFIM": "tfim",
    "Born": "born",
    "MeasurementData": "data",
    "estimate_observables": "estimators",
    "ground_state": "ground_state",
    "merge_map": "povm",
    "povm": "povm",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value  # a submodule of the same name must not shadow the function
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

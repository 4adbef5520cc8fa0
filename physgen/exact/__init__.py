"""Oracles: free fermions and exact diagonalisation.

:func:`exact_observables` carries the names of the estimators, so the two line up.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physgen.exact.diagonalisation import diagonalised_observables, ground_state_vector
    from physgen.exact.free_fermions import exact_observables, zz_matrix

__all__ = [
    "diagonalised_observables",
    "exact_observables",
    "ground_state_vector",
    "zz_matrix",
]

_HOME = {
    "diagonalised_observables": "diagonalisation",
    "exact_observables": "free_fermions",
    "ground_state_vector": "diagonalisation",
    "zz_matrix": "free_fermions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

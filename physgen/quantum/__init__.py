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
    from physgen.quantum.adaptors import (
        mps_from_arrays,
        mps_from_quimb,
        mps_from_tenpy,
        mps_from_text,
    )
    from physgen.quantum.born import Born
    from physgen.quantum.born_mixed import BornMixed
    from physgen.quantum.data import MeasurementData
    from physgen.quantum.density_matrix import DensityMatrix
    from physgen.quantum.estimators import estimate_observables
    from physgen.quantum.noise import bit_flipped, damped, dephased, depolarised, misread
    from physgen.quantum.outcome_orders import outcome_table
    from physgen.quantum.povm_files import load_povm, save_povm
    from physgen.quantum.states import (
        bloch_state,
        cluster_state,
        ghz_state,
        product_state,
        random_mps,
        w_state,
    )
    from physgen.quantum.symmetry import outcome_symmetry

__all__ = [
    "MPS",
    "POVM",
    "TFIM",
    "Born",
    "BornMixed",
    "DensityMatrix",
    "MeasurementData",
    "bit_flipped",
    "bloch_state",
    "cluster_state",
    "damped",
    "dephased",
    "depolarised",
    "estimate_observables",
    "ghz_state",
    "ground_state",
    "load_povm",
    "merge_map",
    "misread",
    "mps_from_arrays",
    "mps_from_quimb",
    "mps_from_tenpy",
    "mps_from_text",
    "outcome_symmetry",
    "outcome_table",
    "povm",
    "product_state",
    "random_mps",
    "save_povm",
    "w_state",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Born": "born",
        "BornMixed": "born_mixed",
        "DensityMatrix": "density_matrix",
        "MeasurementData": "data",
        "bit_flipped": "noise",
        "bloch_state": "states",
        "cluster_state": "states",
        "damped": "noise",
        "dephased": "noise",
        "depolarised": "noise",
        "estimate_observables": "estimators",
        "ghz_state": "states",
        "load_povm": "povm_files",
        "misread": "noise",
        "mps_from_arrays": "adaptors",
        "mps_from_quimb": "adaptors",
        "mps_from_tenpy": "adaptors",
        "mps_from_text": "adaptors",
        "outcome_symmetry": "symmetry",
        "outcome_table": "outcome_orders",
        "product_state": "states",
        "random_mps": "states",
        "save_povm": "povm_files",
        "w_state": "states",
    },
)

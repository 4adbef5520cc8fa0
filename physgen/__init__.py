"""physgen: samples, and numbers with honest error bars, from lattice systems.

``import physgen`` is silent and loads neither torch nor numba; each name below is imported when
it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

__version__ = "0.1.0"

# name -> module that defines it
_EXPORTS = {
    # quantum states and their measurement
    "Born": "physgen.quantum",
    "DensityMatrix": "physgen.quantum",
    "MPS": "physgen.quantum",
    "MeasurementData": "physgen.quantum",
    "TFIM": "physgen.quantum",
    "bit_flipped": "physgen.quantum",
    "depolarised": "physgen.quantum",
    "estimate_observables": "physgen.quantum",
    "ghz_state": "physgen.quantum",
    "ground_state": "physgen.quantum",
    "import_measurements": "physgen.quantum.importing",
    "povm": "physgen.quantum",
    "w_state": "physgen.quantum",
    # lattice targets
    "FreeField": "physgen.targets",
    "Graph": "physgen.lattice",
    "Hypercubic": "physgen.lattice",
    "Ising": "physgen.targets",
    "Phi4": "physgen.targets",
    "as_target": "physgen.targets",
    # samplers
    "Alternating": "physgen.samplers",
    "Emcee": "physgen.samplers",
    "ExactDraws": "physgen.samplers",
    "HMC": "physgen.samplers",
    "HeatBath": "physgen.samplers",
    "Independence": "physgen.samplers",
    "MALA": "physgen.samplers",
    "Metropolis": "physgen.samplers",
    "Overrelaxation": "physgen.samplers",
    "ParallelTempering": "physgen.samplers",
    "Phi4Cluster": "physgen.samplers",
    "SwendsenWang": "physgen.samplers",
    "ULA": "physgen.samplers",
    "Wolff": "physgen.samplers",
    "estimates": "physgen.samplers",
    "importance": "physgen.samplers",
    "run": "physgen.samplers",
    "smc": "physgen.samplers",
    "stochastic_flow": "physgen.samplers",
    # models and their training
    "ColouredNet": "physgen.models",
    "ConditionedFlow": "physgen.models",
    "CouplingFlow": "physgen.models",
    "Ensemble": "physgen.models",
    "EquivariantCNF": "physgen.models",
    "FamilyKL": "physgen.training",
    "FitSettings": "physgen.training",
    "ForwardKL": "physgen.training",
    "GRU": "physgen.models",
    "LSTM": "physgen.models",
    "MatrixProduct": "physgen.models",
    "MixedKL": "physgen.training",
    "NegativeLogLikelihood": "physgen.training",
    "RNN": "physgen.models",
    "ReverseKL": "physgen.training",
    "Symmetrised": "physgen.models",
    "fit": "physgen.training",
    "for_target": "physgen.models",
    "recipe": "physgen.training",
    "validate": "physgen.validation",
    # results
    "Stream": "physgen.core.random",
    "exact_values": "physgen.exact",
    "format_estimate": "physgen.analysis.format",
    "format_table": "physgen.analysis",
    "open_run": "physgen.results",
}

__all__ = [
    "Alternating",
    "Born",
    "ColouredNet",
    "ConditionedFlow",
    "CouplingFlow",
    "DensityMatrix",
    "Emcee",
    "Ensemble",
    "EquivariantCNF",
    "ExactDraws",
    "FamilyKL",
    "FitSettings",
    "ForwardKL",
    "FreeField",
    "GRU",
    "Graph",
    "HMC",
    "HeatBath",
    "Hypercubic",
    "Independence",
    "Ising",
    "LSTM",
    "MALA",
    "MPS",
    "MatrixProduct",
    "MeasurementData",
    "Metropolis",
    "MixedKL",
    "NegativeLogLikelihood",
    "Overrelaxation",
    "ParallelTempering",
    "Phi4",
    "Phi4Cluster",
    "RNN",
    "ReverseKL",
    "Stream",
    "SwendsenWang",
    "Symmetrised",
    "TFIM",
    "ULA",
    "Wolff",
    "__version__",
    "as_target",
    "bit_flipped",
    "depolarised",
    "estimate_observables",
    "estimates",
    "exact_values",
    "fit",
    "for_target",
    "format_estimate",
    "format_table",
    "ghz_state",
    "ground_state",
    "import_measurements",
    "importance",
    "open_run",
    "povm",
    "recipe",
    "run",
    "smc",
    "stochastic_flow",
    "validate",
    "w_state",
]

if TYPE_CHECKING:
    from physgen.analysis import format_table
    from physgen.analysis.format import format_estimate
    from physgen.core.random import Stream
    from physgen.exact import exact_values
    from physgen.lattice import Graph, Hypercubic
    from physgen.models import (
        GRU,
        LSTM,
        RNN,
        ColouredNet,
        ConditionedFlow,
        CouplingFlow,
        Ensemble,
        EquivariantCNF,
        MatrixProduct,
        Symmetrised,
        for_target,
    )
    from physgen.quantum import (
        MPS,
        TFIM,
        Born,
        DensityMatrix,
        MeasurementData,
        bit_flipped,
        depolarised,
        estimate_observables,
        ghz_state,
        ground_state,
        povm,
        w_state,
    )
    from physgen.quantum.importing import import_measurements
    from physgen.results import open_run
    from physgen.samplers import (
        HMC,
        MALA,
        ULA,
        Alternating,
        Emcee,
        ExactDraws,
        HeatBath,
        Independence,
        Metropolis,
        Overrelaxation,
        ParallelTempering,
        Phi4Cluster,
        SwendsenWang,
        Wolff,
        estimates,
        importance,
        run,
        smc,
        stochastic_flow,
    )
    from physgen.targets import FreeField, Ising, Phi4, as_target
    from physgen.training import (
        FamilyKL,
        FitSettings,
        ForwardKL,
        MixedKL,
        NegativeLogLikelihood,
        ReverseKL,
        fit,
        recipe,
    )
    from physgen.validation import validate


__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)

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
    "TFIM": "physgen.quantum",
    "MPS": "physgen.quantum",
    "ground_state": "physgen.quantum",
    "povm": "physgen.quantum",
    "Born": "physgen.quantum",
    "MeasurementData": "physgen.quantum",
    "estimate_observables": "physgen.quantum",
    "GRU": "physgen.models",
    "LSTM": "physgen.models",
    "RNN": "physgen.models",
    "NegativeLogLikelihood": "physgen.training",
    "FitSettings": "physgen.training",
    "fit": "physgen.training",
    "validate": "physgen.validation",
    "open_run": "physgen.results",
    "format_estimate": "physgen.analysis.format",
    "Stream": "physgen.core.random",
}

__all__ = [
    "Born",
    "FitSettings",
    "GRU",
    "LSTM",
    "MPS",
    "MeasurementData",
    "NegativeLogLikelihood",
    "RNN",
    "Stream",
    "TFIM",
    "__version__",
    "estimate_observables",
    "fit",
    "format_estimate",
    "ground_state",
    "open_run",
    "povm",
    "validate",
]

if TYPE_CHECKING:
    from physgen.analysis.format import format_estimate
    from physgen.core.random import Stream
    from physgen.models import GRU, LSTM, RNN
    from physgen.quantum import (
        MPS,
        TFIM,
        Born,
        MeasurementData,
        estimate_observables,
        ground_state,
        povm,
    )
    from physgen.results import open_run
    from physgen.training import FitSettings, NegativeLogLikelihood, fit
    from physgen.validation import validate


__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)

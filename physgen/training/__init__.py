"""Training: objectives, and the one loop that minimises them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physgen.training.fitting import FitResult, fit
    from physgen.training.objectives import NegativeLogLikelihood
    from physgen.training.progress import Progress
    from physgen.training.settings import FitSettings

__all__ = ["FitResult", "FitSettings", "NegativeLogLikelihood", "Progress", "fit"]

_HOME = {
    "FitSettings": "settings",
    "NegativeLogLikelihood": "objectives",
    "Progress": "progress",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'fitting')}"), name)

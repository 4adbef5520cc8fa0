"""Training: objectives, and the one loop that minimises them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.training.fitting import FitResult, Schedule, fit
    from physgen.training.objectives import NegativeLogLikelihood
    from physgen.training.progress import Progress
    from physgen.training.recipes import recipe
    from physgen.training.reverse_kl import ReverseKL
    from physgen.training.settings import FitSettings

__all__ = [
    "FitResult",
    "FitSettings",
    "NegativeLogLikelihood",
    "Progress",
    "ReverseKL",
    "Schedule",
    "fit",
    "recipe",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "FitResult": "fitting",
        "FitSettings": "settings",
        "NegativeLogLikelihood": "objectives",
        "Progress": "progress",
        "ReverseKL": "reverse_kl",
        "Schedule": "fitting",
        "fit": "fitting",
        "recipe": "recipes",
    },
)

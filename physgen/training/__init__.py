"""Training: objectives, and the one loop that minimises them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.training.family_kl import FamilyKL
    from physgen.training.fitting import FitResult, Schedule, fit
    from physgen.training.forward_kl import ForwardKL, MixedKL
    from physgen.training.objectives import NegativeLogLikelihood
    from physgen.training.progress import Progress
    from physgen.training.recipes import recipe
    from physgen.training.reverse_kl import ReverseKL
    from physgen.training.settings import FitSettings
    from physgen.training.transport_kl import TransportKL, fit_layers

__all__ = [
    "FamilyKL",
    "FitResult",
    "FitSettings",
    "ForwardKL",
    "MixedKL",
    "NegativeLogLikelihood",
    "Progress",
    "ReverseKL",
    "Schedule",
    "TransportKL",
    "fit",
    "fit_layers",
    "recipe",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "FamilyKL": "family_kl",
        "FitResult": "fitting",
        "FitSettings": "settings",
        "ForwardKL": "forward_kl",
        "MixedKL": "forward_kl",
        "NegativeLogLikelihood": "objectives",
        "Progress": "progress",
        "ReverseKL": "reverse_kl",
        "Schedule": "fitting",
        "TransportKL": "transport_kl",
        "fit": "fitting",
        "fit_layers": "transport_kl",
        "recipe": "recipes",
    },
)

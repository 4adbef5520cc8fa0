"""Functions of configurations, and of the moments that ensembles of them have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.observables.configurations import (
        magnetization,
        mean_square,
        overlap,
        structure_factor,
        structure_factor_kmin,
        two_point,
    )
    from physgen.observables.moments import (
        binder,
        chi_abs,
        connected_two_point,
        second_moment_correlation_length,
        specific_heat,
        susceptibility,
    )
    from physgen.observables.observable import Observable

__all__ = [
    "Observable",
    "binder",
    "chi_abs",
    "connected_two_point",
    "magnetization",
    "mean_square",
    "overlap",
    "second_moment_correlation_length",
    "specific_heat",
    "structure_factor",
    "structure_factor_kmin",
    "susceptibility",
    "two_point",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Observable": "observable",
        "binder": "moments",
        "chi_abs": "moments",
        "connected_two_point": "moments",
        "magnetization": "configurations",
        "mean_square": "configurations",
        "overlap": "configurations",
        "second_moment_correlation_length": "moments",
        "specific_heat": "moments",
        "structure_factor": "configurations",
        "structure_factor_kmin": "configurations",
        "susceptibility": "moments",
        "two_point": "configurations",
    },
)

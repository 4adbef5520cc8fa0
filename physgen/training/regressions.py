"""Densities that learn by regression on configurations, by the names of configs; loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from physgen.core.checks import check_choice
from physgen.targets.configurations import Configurations

__all__ = ["REGRESSIONS", "regression"]

# name -> module of this package, and class
REGRESSIONS: Mapping[str, str] = MappingProxyType(
    {
        "denoising-diffusion": "denoising_diffusion:DenoisingDiffusion",
        "flow-matching": "flow_matching:FlowMatching",
    }
)


def regression(name: str, target: Any, configurations: Any, validation_fraction: float) -> Any:
    """Return an objective that regresses on configurations.

    Parameters
    ----------
    name : str
        A key of `REGRESSIONS`.
    target : Target or Configurations
    configurations : array (n, *event_shape) or None
        Of a target; Configurations are their own.
    validation_fraction : float

    Raises
    ------
    InputError
        If the name is unknown, or the configurations do not suit the objective.
    """
    path = REGRESSIONS[check_choice("objective", name, tuple(REGRESSIONS))]
    module, cls = path.split(":")
    samples = None if isinstance(target, Configurations) else configurations
    return getattr(import_module(f"physgen.training.{module}"), cls)(
        target, samples, validation_fraction
    )

"""Regressions on configurations that train densities, by the names of configs; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from physgen.core.checks import check_choice
from physgen.targets.configurations import Configurations

__all__ = ["REGRESSIONS", "regression"]

# name -> arguments of DenoisingDiffusion; None: flow matching
_ROWS: Mapping[str, Mapping[str, Any] | None] = MappingProxyType(
    {
        "denoising-diffusion": {},
        "transferable-diffusion": {"locality": 1e-6},
        "target-score": {"regression": "force"},
        "explicit-score": {"regression": "explicit"},
        "force-regularised": {"regression": "noise", "force_weight": 1.0},
        "flow-matching": None,
    }
)
REGRESSIONS = tuple(_ROWS)


def regression(name: str, target: Any, configurations: Any, validation_fraction: float) -> Any:
    """Return an objective that regresses on configurations.

    Parameters
    ----------
    name : str
        One of `REGRESSIONS`.
    target : Target or Configurations
    configurations : array (n, *event_shape) or None
        Of a target; Configurations are their own.
    validation_fraction : float

    Raises
    ------
    InputError
        If the name is unknown, or the configurations do not suit the objective.
    """
    how = _ROWS[check_choice("objective", name, REGRESSIONS)]
    samples = None if isinstance(target, Configurations) else configurations
    if how is None:
        from physgen.training.flow_matching import FlowMatching

        return FlowMatching(target, samples, validation_fraction)
    from physgen.training.denoising_diffusion import DenoisingDiffusion

    return DenoisingDiffusion(target, samples, validation_fraction, **how)

"""Bounds that train joint models on configurations, by the names of configs; no torch here."""

from __future__ import annotations

from typing import Any

from physgen.core.checks import check_choice
from physgen.targets.configurations import Configurations

__all__ = ["EVIDENCE", "evidence"]

EVIDENCE = ("elbo", "iwae")


def evidence(name: str, target: Any, configurations: Any, validation_fraction: float) -> Any:
    """Return a bound of the likelihood of configurations.

    Parameters
    ----------
    name : str
        One of `EVIDENCE`.
    target : Target or Configurations
    configurations : array (n, *event_shape) or None
        Of a target; Configurations are their own.
    validation_fraction : float

    Raises
    ------
    InputError
        If the name is unknown, or the configurations do not suit the objective.
    """
    check_choice("objective", name, EVIDENCE)
    samples = None if isinstance(target, Configurations) else configurations
    if name == "iwae":
        from physgen.training.iwae import IWAE

        return IWAE(target, samples, validation_fraction)
    from physgen.training.evidence import ELBO

    return ELBO(target, samples, validation_fraction)

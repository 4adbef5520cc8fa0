"""Bounds that train joint models on configurations, by the names of configs; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from physgen.core.checks import check_choice
from physgen.targets.configurations import Configurations

__all__ = ["EVIDENCE", "EVIDENCE_OPTIONS", "evidence"]

EVIDENCE = ("elbo", "iwae")
# Arguments of these classes, beside the data, that a config gives.
EVIDENCE_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"elbo": ("k", "beta", "warm_up", "free_bits"), "iwae": ("k",)}
)


def evidence(
    name: str, target: Any, configurations: Any, validation_fraction: float, **options: Any
) -> Any:
    """Return a bound of the likelihood of configurations.

    Parameters
    ----------
    name : str
        One of `EVIDENCE`.
    target : Target or Configurations
    configurations : array (n, *event_shape) or None
        Of a target; Configurations are their own.
    validation_fraction : float
    **options
        Other arguments of its class, those of `EVIDENCE_OPTIONS`.

    Raises
    ------
    InputError
        If the name is unknown, or the configurations do not suit the objective.
    """
    check_choice("objective", name, EVIDENCE)
    samples = None if isinstance(target, Configurations) else configurations
    if name == "iwae":
        from physgen.training.iwae import IWAE

        return IWAE(target, samples, validation_fraction, **options)
    from physgen.training.evidence import ELBO

    return ELBO(target, samples, validation_fraction, **options)

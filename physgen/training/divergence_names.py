"""The divergences of adversarial games, by the names of configs; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from physgen.core.checks import check_choice

__all__ = ["DIVERGENCES", "TERMS", "adversarial_objective"]

# name -> what bounds the critic: the slope at the data (R1), at points between data and draws
# (gradient), or its weights (clip).
DIVERGENCES: Mapping[str, str] = MappingProxyType(
    {
        "non-saturating": "r1",
        "minimax": "r1",
        "wasserstein": "gradient",
        "clipped-wasserstein": "clip",
        "mmd": "gradient",
        "f-gan-kl": "r1",
        "f-gan-reverse-kl": "r1",
        "f-gan-pearson": "r1",
        "f-gan-squared-hellinger": "r1",
        "f-gan-js": "r1",
    }
)
# The terms of a loss, and their weights where none are given.
TERMS: Mapping[str, float] = MappingProxyType(
    {"adversarial": 1.0, "moments": 3.0, "likelihood": 0.0, "features": 0.0}
)


def adversarial_objective(name: str, data: Any, **options: Any) -> Any:
    """Return an adversarial objective.

    Parameters
    ----------
    name : str
        A key of `DIVERGENCES`.
    data : Configurations
    **options
        Other arguments of :class:`~physgen.training.Adversarial`.

    Raises
    ------
    InputError
        If the name is unknown, or the data do not suit it.
    """
    check_choice("objective", name, tuple(DIVERGENCES))
    from physgen.training.adversarial import Adversarial

    return Adversarial(data, name, **options)

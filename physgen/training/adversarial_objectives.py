"""Adversarial objectives by the names of configs; it loads no torch before one is made."""

from __future__ import annotations

from typing import Any

from physgen.core.checks import check_choice
from physgen.training.divergence_names import DIVERGENCES

__all__ = ["adversarial_objective"]


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

"""Default settings of a fit: the recipe of the model's family, or an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from physgen.core.errors import InputError
from physgen.training.recipes import recipe
from physgen.training.settings import FitSettings

__all__ = ["default_settings"]


def default_settings(model: Any) -> FitSettings:
    """Return the recipe of a model's family.

    A wrapper (a flip mixture, an ensemble, one flow for a range of couplings) has no recipe of its
    own and takes the recipe of the model it wraps.

    Raises
    ------
    InputError
        If no recipe is known, or the members of an ensemble have different ones.
    """
    config = getattr(model, "config", None)  # a torch module of a user has none
    first, *others = _recipes(config)
    if first is not None and all(other == first for other in others):
        return first
    family = config.get("family") if isinstance(config, Mapping) else None
    got = type(model).__name__ if family is None else f"the family {family!r}"
    what = "recipes that differ" if others else "no recipe"
    raise InputError(
        f"fit without settings needs a model whose family has a recipe, got {got} with {what}; "
        "give settings=FitSettings(...), or settings=training.recipe(FAMILY) of a like family"
    )


def _recipes(config: Any) -> Sequence[FitSettings | None]:
    """Return the recipe of a config, or of the configs in it; None where there is none."""
    if not isinstance(config, Mapping):
        return [None]
    try:
        return [recipe(str(config.get("family")))]
    except InputError:
        values = [v if isinstance(v, list | tuple) else [v] for v in config.values()]
        inner = [v for vs in values for v in vs if isinstance(v, Mapping) and "family" in v]
        return [found for v in inner for found in _recipes(v)] or [None]

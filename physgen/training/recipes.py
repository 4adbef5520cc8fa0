"""The training recipe of each family of models: settings that need no tuning.

They are in the row of each family (:mod:`physgen.models.families`); docs/recipe.md holds the runs
behind the recipes for measurement strings.
"""

from __future__ import annotations

from physgen.models.families import FAMILIES, family
from physgen.training.settings import FitSettings

__all__ = ["RECIPES", "recipe"]

RECIPES = {name: FitSettings(**row.recipe) for name, row in FAMILIES.items()}


def recipe(name: str) -> FitSettings:
    """Return the settings that suit a family of models, symmetrised or not.

    Parameters
    ----------
    name : str
        A family, as `[model] family` names it.

    Raises
    ------
    InputError
        If the family is unknown.

    Examples
    --------
    >>> recipe("convolution").learning_rate
    0.005
    """
    return RECIPES[family(name).name]

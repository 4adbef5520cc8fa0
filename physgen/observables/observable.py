"""An observable: a name, a function of configurations, a unit, a description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Observable"]


class Observable(NamedTuple):
    """A labelled function of configurations.

    Attributes
    ----------
    name : str
        Name of the variable in results, e.g. ``energy``.
    function : callable
        Takes configurations x (..., *event_shape), returns values of shape (...).
    unit : str
        "1" for pure numbers, "J" for energies.
    description : str
        One line, with the formula.
    """

    name: str
    function: Callable[[Any], Any]
    unit: str = "1"
    description: str = ""

    def __call__(self, x: Any) -> Any:
        """Return the values on configurations x."""
        return self.function(x)

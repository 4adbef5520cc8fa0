"""An observable: a name, a function of configurations, a unit, a description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["Observable"]

_NONE: Mapping[str, Any] = MappingProxyType({})


class Observable(NamedTuple):
    """A labelled function of configurations.

    Attributes
    ----------
    name : str
        Name of the variable in results, e.g. ``energy``.
    function : callable
        Takes configurations x (..., *event_shape), returns values of shape (...), or
        (..., *components).
    unit : str
        "1" for pure numbers, "J" for energies.
    description : str
        One line, with the formula.
    coords : mapping of str to array
        The dims of the components, in order, and where each component is; e.g. ``distance``.
    """

    name: str
    function: Callable[[Any], Any]
    unit: str = "1"
    description: str = ""
    coords: Mapping[str, Any] = _NONE

    def __call__(self, x: Any) -> Any:
        """Return the values on configurations x."""
        return self.function(x)

r"""The parameters of a catalogued system, as defined in ``system.toml``.

    [parameters.kappa]
    meaning = "hopping parameter"
    type = "number"              # "integer", "text", or "choice" with choices = [...]
    symbol = '$\kappa$'          # on the axes of figures; the name if left out
    default = 0.25               # a parameter without one must be given
    minimum = 0                  # smallest allowed value
    conventions = ["hopping"]    # conventions that have it; all of them if left out

``L``, an extent or a shape, is not a coupling; neither is a choice, such as the convention, nor a
text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from physgen.core.checks import check_choice, check_finite, is_list_or_tuple
from physgen.core.errors import InputError

__all__ = ["Parameter"]

_TYPES = ("number", "integer", "choice", "text")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a system.

    Attributes
    ----------
    name, meaning : str
        As a config names it, and in words.
    type : {"number", "integer", "choice", "text"}
    default : float, int, str or None
        None: the parameter must be given.
    minimum : float or None
    symbol : str
        Label for axes, in TeX.
    choices, conventions : tuple of str
        The values of a choice; the conventions that have the parameter, empty for all.
    """

    name: str
    meaning: str
    type: str
    default: Any = None
    minimum: float | None = None
    symbol: str = ""
    choices: tuple[str, ...] = ()
    conventions: tuple[str, ...] = ()

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any], where: str) -> Parameter:
        """Read a table ``[parameters.<name>]`` of the file `where`."""
        known = set(cls.__dataclass_fields__) - {"name"}
        if wrong := sorted((table.keys() - known) | ({"meaning", "type"} - table.keys())):
            raise InputError(
                f"[parameters.{name}] of {where} must have meaning and type, and may have "
                f"{', '.join(sorted(known - {'meaning', 'type'}))}; see {wrong[0]}"
            )
        check_choice(f"type of {name} in {where}", table["type"], _TYPES)
        lists = {k: tuple(table.get(k, ())) for k in ("choices", "conventions")}
        given: dict[str, Any] = {"name": name, "symbol": name, **table, **lists}
        return cls(**given)

    @property
    def is_coupling(self) -> bool:
        """Whether the parameter is a number that can be scanned."""
        return self.type not in ("choice", "text") and self.name != "L"

    def belongs_to(self, convention: str | None) -> bool:
        """Whether the convention has this parameter."""
        return not self.conventions or convention in self.conventions

    def checked(self, value: Any) -> Any:
        """Return `value` as the parameter's type; raise :class:`InputError` if not allowed."""
        if self.type == "choice":
            return check_choice(self.name, value, self.choices)
        if self.type == "text":
            if not isinstance(value, str):
                raise InputError(f"{self.name} must be a text, got {value!r}")
            return value
        if self.name == "L" and is_list_or_tuple(value):
            return tuple(self.checked(each) for each in value)
        found = self._integer(value) if self.type == "integer" else check_finite(self.name, value)
        if self.minimum is not None and found < self.minimum:
            raise InputError(f"{self.name} must be >= {self.minimum:g}, got {value!r}")
        return found

    def _integer(self, value: Any) -> int:
        if value == math.inf:  # infinite lattices have reference values, but no target
            raise InputError(f"{self.name} must be finite to make a target, got {value}")
        found = check_finite(self.name, value)
        if not found.is_integer():
            raise InputError(f"{self.name} must be an integer, got {value!r}")
        return int(found)

"""The samplers that a config can name, collected from the exports of this package.

A sampler is named by its class in kebab-case (``HeatBath`` is "heat-bath"), or by its own
``config_name``; it can be named if every setting has a default that a config can hold.  So a
sampler that needs a density, or a ladder of temperatures, cannot be named.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import physgen.samplers

__all__ = ["config_name", "find", "methods", "settings_of"]

package: Any = physgen.samplers  # whose names come from a stub, which type checkers read


def config_name(cls: type) -> str:
    """Return the name of a sampler in configs."""
    return getattr(cls, "config_name", kebab_case(cls.__name__))


def methods() -> dict[str, Any]:
    """Return name -> class of every sampler that a config can name; imports all of them."""
    found = {name: _sampler(name) for name in package.__all__}
    return {config_name(cls): cls for cls in found.values() if cls is not None}


def find(name: str) -> Any:
    """Return the class of this name in configs, or None; imports as few others as it can."""
    likely = sorted(package.__all__, key=lambda each: not kebab_case(each).startswith(name))
    for each in likely:
        cls = _sampler(each)
        if cls is not None and config_name(cls) == name:
            return cls
    return None


def settings_of(cls: Any) -> dict[str, Any] | None:
    """Return the settings of a sampler and their defaults; None if a config cannot hold them."""
    fields = [each for each in dataclasses.fields(cls) if each.init]
    if all(isinstance(each.default, bool | int | float | str | None) for each in fields):
        return {each.name: each.default for each in fields}
    return None


def kebab_case(name: str) -> str:
    """Return the name of a class in lower case, words joined by hyphens; HMC is one word."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _sampler(name: str) -> Any:
    """Return the export of this name if it is a sampler that a config can name, else None."""
    if not name[0].isupper():  # a function
        return None
    cls = getattr(package, name)
    is_sampler = dataclasses.is_dataclass(cls) and hasattr(cls, "bind")
    return cls if is_sampler and settings_of(cls) is not None else None

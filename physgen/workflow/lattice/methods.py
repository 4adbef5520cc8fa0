"""The settings of a [sampler]; :mod:`physgen.samplers.registry` knows the algorithms by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from physgen.core.errors import InputError
from physgen.samplers.registry import find, methods, settings_of

__all__ = ["LABEL_RULE", "checked_settings", "make"]

LABEL_RULE = "a text of letters, digits, '_', '+' and '-'"


def make(name: str, settings: Mapping[str, Any]) -> Any:
    """Return the sampler of this name with these settings; InputError if there is none."""
    cls = find(name)
    if cls is None:
        raise InputError(f"a sampler must be one of {_listed()}, got {name!r}")
    return cls(**settings)


def checked_settings(values: Mapping[str, Any], reserved: Sequence[str]) -> dict[str, Any]:
    """Return the values of a [sampler] with the defaults of its algorithm.

    Raises
    ------
    ValueError
        If the algorithm is unknown, or refuses a setting.
    """
    name = values["name"]
    cls = find(name)
    if cls is None:
        close = difflib.get_close_matches(name, methods(), n=1, cutoff=0.4)
        remedy = f"did you mean {close[0]!r}?" if close else f"it must be one of {_listed()}"
        raise ValueError(f"[sampler] name is not a known algorithm, got {name!r}; {remedy}")
    given = {key: value for key, value in values.items() if key not in reserved}
    defaults = settings_of(cls) or {}
    for key in given:
        if key not in defaults:
            known = [*(k for k in reserved if k != "name"), *defaults]
            close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            remedy = f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(known)}"
            raise ValueError(f"[sampler] {key} is not a known key of {name!r}; {remedy}")
    settings = defaults | given
    try:
        cls(**settings)
    except (InputError, TypeError) as error:
        raise ValueError(f"[sampler] {error}") from None
    return {"label": name, **values, **settings}


def _listed() -> str:
    return ", ".join(map(repr, methods()))

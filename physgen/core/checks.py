"""Checks of user input; error messages state the rule, the value and the remedy."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from physgen.core.errors import InputError

__all__ = [
    "check_choice",
    "check_finite",
    "check_positive",
    "check_positive_int",
    "did_you_mean",
    "is_dict",
    "is_finite",
    "is_list",
    "is_list_or_tuple",
    "is_mapping",
    "key_remedy",
    "shown",
]


def check_positive_int(name: str, value: object, minimum: int = 1) -> int:
    """Return `value` as an int >= `minimum`, or raise :class:`InputError`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < minimum:
        rule = "a positive integer" if minimum == 1 else f"an integer >= {minimum}"
        raise InputError(f"{name} must be {rule}, got {value!r}")
    return int(value)


def check_finite(name: str, value: object) -> float:
    """Return `value` as a finite float, or raise :class:`InputError`."""
    if not is_finite(value):
        raise InputError(f"{name} must be a finite number, got {shown(value)}")
    return float(value)  # type: ignore[arg-type]


def is_finite(value: object) -> bool:
    """Whether `value` is a number that a float can hold; an integer may be too large for one."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def shown(value: object, width: int = 60) -> str:
    """Return ``repr(value)`` for a message: cut, if it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "an integer of thousands of digits"
    return text if len(text) <= width else f"{text[:width]}..."


def check_positive(name: str, value: object) -> float:
    """Return `value` as a finite float > 0, or raise :class:`InputError`."""
    if check_finite(name, value) <= 0:
        raise InputError(f"{name} must be a positive number, got {value!r}")
    return float(value)  # type: ignore[arg-type]


def check_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`, or raise :class:`InputError`."""
    if value not in choices:
        listed = ", ".join(repr(c) for c in choices)
        raise InputError(
            f"{name} must be one of {listed}, got {value!r}{did_you_mean(value, choices)}"
        )
    return str(value)


def key_remedy(key: str, known: Iterable[str]) -> str:
    """Return what to do about a key that is not known: the close one, or all that are."""
    listed = list(known)
    close = difflib.get_close_matches(key, listed, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(listed)}"


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """Return "; did you mean ...?" if a text is close to one of `choices`, else nothing."""
    close = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether `value`, of which nothing is known yet, is a mapping: a section of a config."""
    return isinstance(value, Mapping)


def is_dict(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether `value`, of which nothing is known yet, is a dict."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether `value`, of which nothing is known yet, is a list."""
    return isinstance(value, list)


def is_list_or_tuple(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether `value`, of which nothing is known yet, is a list or a tuple."""
    return isinstance(value, list | tuple)

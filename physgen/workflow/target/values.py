"""The values of a scan as a config may write them: a number, a list, or a range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physgen.core.checks import is_finite, is_list, is_mapping, shown

__all__ = ["extents", "numbers"]

_MOST = 2000  # points of a scan
_DIGITS = 12  # a range is rounded, so that its values read as a person would write them


def extents(value: Any) -> Any:
    """Return lattice extents as a list: from one integer >= 2, or from a list of them."""
    found: list[Any] = value if is_list(value) else [value]
    if value is None:
        return None
    for each in found or [value]:
        if isinstance(each, bool) or not isinstance(each, int) or each < 2:
            raise ValueError(
                f"[target] L must be an integer >= 2 or a list of them, got {shown(each)}"
            )
    return _distinct("L", found)


def numbers(name: str, value: Any) -> list[float]:
    """Return couplings as a list: from a number, a list, or a range ``{start, stop, n}``."""
    if is_mapping(value):
        value = _range(name, value)
    found: list[Any] = value if is_list(value) else [value]
    for each in found or [value]:
        if not is_finite(each):
            raise ValueError(
                f"[target] {name} must be a finite number, a list of them, or a range "
                f"{{start = a, stop = b, n = 11}}, got {shown(each)}"
            )
    return _distinct(name, [float(each) for each in found])


def _range(name: str, table: Mapping[str, Any]) -> list[float]:
    form = f"[target] {name} as a range must read {{start = a, stop = b, n = 11}}, "
    if set(table) != {"start", "stop", "n"}:
        raise ValueError(f"{form}got the keys {', '.join(table) or 'none'}")
    start, stop, n = table["start"], table["stop"], table["n"]
    if isinstance(n, bool) or not isinstance(n, int) or not 2 <= n <= _MOST:
        raise ValueError(f"{form}n an integer in 2..{_MOST}, got n = {shown(n)}")
    for each in (start, stop):
        if not is_finite(each):
            raise ValueError(f"{form}start and stop finite numbers, got {shown(each)}")
    with np.errstate(over="ignore", invalid="ignore"):  # refused as numbers that are not finite
        points = np.linspace(float(start), float(stop), n)
    return [round(float(x), _DIGITS) for x in points]


def _distinct(name: str, values: list[Any]) -> list[Any]:
    if len(values) > _MOST:
        raise ValueError(f"[target] {name} must hold at most {_MOST} values, got {len(values)}")
    for each in values:
        if values.count(each) > 1:
            raise ValueError(f"[target] {name} must hold each value once, got {shown(each)} twice")
    return values

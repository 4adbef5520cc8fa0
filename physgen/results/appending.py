"""Rules that make the groups of a commit fit the groups already in the store."""

from __future__ import annotations

from collections.abc import Mapping

from physgen.core.errors import InputError
from physgen.results.hdf5 import same_values
from physgen.results.layers import Layers
from physgen.results.layout import Layout

__all__ = ["check_append", "check_nesting"]


def check_append(layers: Layers, layouts: Mapping[str, Layout], append: Mapping[str, str]) -> None:
    """Raise :class:`InputError` unless each group in `append` continues the one in the store."""
    for group, dim in append.items():
        if group not in layouts:
            raise InputError(f"append must name groups of the same commit, got {group!r}")
        if dim not in layouts[group].dims:
            listed = ", ".join(layouts[group].dims) or "none"
            raise InputError(
                f"append dim of group {group!r} must be one of its dims ({listed}), got {dim!r}"
            )
        if group in layers.groups():
            _check_continues(group, dim, layers.layout(group), layouts[group])


def _check_continues(group: str, dim: str, old: Layout, new: Layout) -> None:
    if set(old.fields) != set(new.fields) or set(old.coords) != set(new.coords):
        raise InputError(
            f"a block appended to group {group!r} must have its variables {sorted(old.fields)}, "
            f"got {sorted(new.fields)}"
        )
    for name, a in old.fields.items():
        b = new.fields[name]
        if (a.dims, a.dtype) != (b.dims, b.dtype) or any(
            d != dim and m != n for d, m, n in zip(a.dims, a.shape, b.shape)
        ):
            raise InputError(
                f"{group}/{name} must be {a.dtype} {dict(zip(a.dims, a.shape))} but along {dim!r} "
                f"to be appended, got {b.dtype} {dict(zip(b.dims, b.shape))}"
            )
        if dim not in a.dims and not same_values(a, b):
            raise InputError(
                f"{group}/{name} has no dim {dim!r}, so it must equal the one in the store to be "
                "appended to; replace the group instead"
            )


def check_nesting(layers: Layers, layouts: Mapping[str, Layout]) -> None:
    """Raise :class:`InputError` if a group shares a dim with a group inside it.

    In xarray the inner group inherits the coordinates of the outer one, so the file could not be
    opened once the lengths differ.
    """
    names = {*layers.groups(), *layouts}
    for outer in names:
        for inner in names:
            if not inner.startswith(outer + "/") or not {outer, inner} & set(layouts):
                continue
            a, b = (layouts[n] if n in layouts else layers.layout(n) for n in (outer, inner))
            if shared := sorted(set(a.dims) & set(b.dims)):
                raise InputError(
                    f"dim {shared[0]!r} must not be in both /{outer} and /{inner}; rename one"
                )
            child = inner[len(outer) + 1 :].split("/")[0]
            if child in a.fields or child in a.dims:
                raise InputError(
                    f"variable or dim {child!r} of /{outer} must not be named like the group "
                    f"/{inner}; rename it"
                )

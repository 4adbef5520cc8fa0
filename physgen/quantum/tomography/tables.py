"""Labels of the results: value, standard error, and intervals at 68 % and 95 %."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError

__all__ = ["LEVELS", "add_entropy", "add_number", "block_names", "empty_table"]

LEVELS = (0.68, 0.95)
LONG_NAMES = {
    "fidelity_squared": "squared fidelity with the target, <psi|rho|psi> if that is pure",
    "purity": "Tr rho^2",
    "renyi2": "Renyi-2 entropy -log Tr rho^2",
}


def empty_table(blocks: Sequence[Sequence[int]], attrs: dict[str, Any]) -> xr.Dataset:
    """Return a Dataset with the coordinates of the results."""
    coords: dict[str, Any] = {"level": list(LEVELS), "bound": ["low", "high"]}
    if len(blocks):
        coords["block"] = block_names(blocks)
    return xr.Dataset(coords=coords, attrs=attrs)


def block_names(blocks: Sequence[Sequence[int]]) -> list[str]:
    """Return each block as text, e.g. "0,1,2"."""
    names = [",".join(str(int(i)) for i in sites) for sites in blocks]
    if len(set(names)) < len(names):
        raise InputError(f"blocks must be distinct, got {list(blocks)}")
    return names


def add_number(
    ds: xr.Dataset, name: str, value: np.ndarray, error: np.ndarray, bounds: np.ndarray
) -> None:
    """Add `name`, ``*_error`` and ``*_interval``, with bounds of shape (..., level, bound)."""
    value = np.asarray(value)
    dims = ("block",) * value.ndim
    about = {"units": "nat" if name.endswith("renyi2") else "1"}
    plain = name.removeprefix("block_")
    what = LONG_NAMES[plain] + (" of a block of sites" if plain != name else "")
    ds[name] = (dims, value, about | {"long_name": what})
    ds[f"{name}_error"] = (dims, error, about | {"long_name": f"standard error of {name}"})
    ds[f"{name}_interval"] = (
        (*dims, "level", "bound"),
        bounds,
        about | {"long_name": f"confidence interval of {name}"},
    )


def add_entropy(
    ds: xr.Dataset, name: str, purity: np.ndarray, error: np.ndarray, bounds: np.ndarray
) -> None:
    """Add the Rényi-2 entropy of a purity; NaN or infinite where the purity is <= 0."""
    purity = np.asarray(purity)
    with np.errstate(divide="ignore", invalid="ignore"):
        positive = np.where(purity > 0, purity, np.nan)
        entropy_bounds = -np.log(np.maximum(bounds, 0.0))[..., ::-1]
        add_number(ds, name, -np.log(positive), error / positive, entropy_bounds)

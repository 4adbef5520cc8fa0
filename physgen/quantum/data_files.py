"""How a file stores measurement data: outcomes, POVM, attributes and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.quantum.arrays import read_arrays
from physgen.quantum.povm import PAULI, POVM, names
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM

__all__ = ["bare_array", "description_of", "group_of_outcomes"]

# Attributes of the file format, not of the data.
_RESERVED = ("povm", "povm_outcomes", "schema_version", "physgen_version")


def description_of(ds: xr.Dataset) -> tuple[POVM | SitePOVM, dict[Any, Any], np.ndarray | None]:
    """Return the POVM, the attributes and the labels of settings, if any, of a data set."""
    missing = ["povm_elements"] if "povm_elements" not in ds else []
    missing += [name for name in ("povm", "povm_outcomes") if name not in ds.attrs]
    if missing:
        raise InputError(f"a data set of outcomes must contain {', '.join(missing)}")
    attrs = {key: value for key, value in ds.attrs.items() if key not in _RESERVED}
    return _frame(ds), attrs, ds["setting"].to_numpy() if "setting" in ds else None


def group_of_outcomes(path: Path) -> str:
    """Return the group of an HDF5 file that holds the outcomes: the root, or /data of a run."""
    from physgen.results import list_arrays, read_dataset

    read_dataset(path, without=None)  # raises if physgen did not write the file
    arrays = list_arrays(path)
    for group in ("/", "/data"):
        if f"{group.strip('/')}/outcomes".lstrip("/") in arrays:
            return group
    raise InputError(
        f"{path} must contain outcomes, in its root as MeasurementData.save writes them or in "
        "its group /data as a run does"
    )


def bare_array(path: Path) -> np.ndarray:
    """Return the array of an npy file, or the array of outcomes of an npz file."""
    loaded = read_arrays(path, "outcomes must be an integer array")
    if isinstance(loaded, np.ndarray):
        return loaded
    key = "outcomes" if "outcomes" in loaded else next(iter(loaded)) if len(loaded) == 1 else None
    if key is None:
        listed = ", ".join(loaded) or "none"
        raise InputError(f"{path} must hold one array or one named outcomes, got {listed}")
    return loaded[key]


def _frame(ds: xr.Dataset) -> POVM | SitePOVM:
    """Return the POVM of a data set."""
    labels, coefficients = _labels(ds.attrs["povm_outcomes"]), ds["povm_elements"].to_numpy()
    if coefficients.ndim not in (2, 3) or coefficients.shape[-1] != 4:
        raise InputError(
            f"povm_elements must have shape (K, 4) or (L, K, 4), got {coefficients.shape}"
        )
    basis = np.array([PAULI[p] for p in "IXYZ"])
    name = str(ds.attrs["povm"])
    if coefficients.ndim == 3:
        elements = np.einsum("lap,pij->laij", coefficients, basis)
        return SitePOVM.from_elements(name, elements, labels)
    frame = POVM(name, np.einsum("ap,pij->aij", coefficients, basis), labels)
    return named_povm(name) if name in names() and frame.matches(named_povm(name)) else frame


def _labels(text: Any) -> tuple[str, ...]:
    """Return the names of the outcomes, which files store as JSON text."""
    try:
        labels = json.loads(str(text))
    except json.JSONDecodeError:
        labels = None
    if not isinstance(labels, list):
        raise InputError(f"povm_outcomes must be a JSON list of names, got {str(text)!r:.60}")
    return tuple(labels)

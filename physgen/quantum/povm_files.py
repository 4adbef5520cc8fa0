"""Files with a user's POVM: element matrices, and the names of the outcomes if given.

====  ==============================================================================
npy   the elements, shape (K, 2, 2), complex, in the basis where Z is diagonal; or (L, K, 2, 2),
      one POVM a site
npz   ``elements``; optional ``outcomes`` (K names) and ``name``, as :func:`save_povm` writes
HDF5  ``elements`` likewise (``outcomes`` and ``name`` as data sets or attributes); or the
      POVM in any file of measurement data of physgen
====  ==============================================================================

The elements must be Hermitian and positive and sum to the identity, which is checked.  They need
not be informationally complete; see ``POVM.is_informationally_complete``, and ``POVM.sees`` for
the observables that can be estimated.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.arrays import read_arrays
from physgen.quantum.povm import PAULI, POVM
from physgen.quantum.site_povm import SitePOVM

__all__ = ["load_povm", "save_povm"]

_KEYS = ("elements", "outcomes", "name")


def load_povm(path: str | PathLike[str]) -> POVM | SitePOVM:
    """Read a POVM; if the file contains no name, the file name is used.

    Parameters
    ----------
    path : path
        An npz file with ``elements``, shape (K, 2, 2) or (L, K, 2, 2).

    Raises
    ------
    InputError
        If the file does not hold elements, or they are not a POVM.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        found = read_arrays(path, "a POVM must be an npz or npy file of its elements")
        found = {"elements": found} if isinstance(found, np.ndarray) else found
    elif suffix in (".h5", ".hdf5"):
        found = _read_hdf5(path)
    else:
        raise InputError(f"a file of a POVM must be .npz, .npy, .h5 or .hdf5, got {path.name}")
    if "elements" not in found:
        held = ", ".join(found) or "nothing"
        raise InputError(
            f"a file of a POVM must hold elements of shape (K, 2, 2), got {held} in {path}"
        )
    labels = _labels(found["outcomes"]) if "outcomes" in found else None
    try:
        made = SitePOVM if np.ndim(found["elements"]) == 4 else POVM
        return made.from_elements(str(found.get("name", path.stem)), found["elements"], labels)
    except InputError as error:
        raise InputError(f"{error}; in {path}") from None


def save_povm(povm: POVM | SitePOVM, path: str | PathLike[str]) -> None:
    """Write an npz file that :func:`load_povm` reads.

    Parameters
    ----------
    povm : POVM or SitePOVM
    path : path
        Ends with .npz.

    Raises
    ------
    InputError
        If it does not.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":  # NumPy would append it
        raise InputError(f"a POVM must be saved as .npz, got {path.name}")
    np.savez(
        path,
        elements=povm.elements,
        outcomes=np.array(povm.outcomes),
        name=np.array(povm.name),
    )


def _labels(outcomes: Any) -> list[str]:
    """Return the names of the outcomes, from an array of text or, in HDF5, of bytes."""
    labels = np.atleast_1d(np.asarray(outcomes)).tolist()
    return [v.decode() if isinstance(v, bytes) else str(v) for v in labels]


def _read_hdf5(path: Path) -> dict[str, Any]:
    """Return elements, outcomes and name from any HDF5 file."""
    from physgen.results.hdf5 import opened, read_attrs

    if not path.is_file():
        raise InputError(f"a file of a POVM must exist, got {path}")
    with opened(path) as file:
        root: Any = file
        for group in (root, root.get("data", {})):
            if "povm_elements" in group:
                return _from_data(group["povm_elements"][...], read_attrs(group), path)
        found: dict[str, Any] = {key: root[key][()] for key in _KEYS if key in root}
        found |= {key: value for key, value in read_attrs(root).items() if key in _KEYS}
    if isinstance(found.get("name"), bytes):
        found["name"] = found["name"].decode()
    return found


def _from_data(coefficients: np.ndarray, attrs: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the description of the POVM in a file of measurement data."""
    try:
        basis = np.array([PAULI[p] for p in "IXYZ"])
        return {
            "elements": np.einsum("...ap,pij->...aij", coefficients, basis),
            "outcomes": json.loads(attrs["povm_outcomes"]),
            "name": attrs["povm"],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"measurement data must hold povm_elements (K, 4), povm_outcomes and povm, "
            f"got {path}: {error}"
        ) from None

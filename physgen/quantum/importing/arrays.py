"""Arrays of shots in npy, npz and HDF5 files that physgen did not write."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.arrays import read_arrays

__all__ = ["SUFFIXES", "is_data_file", "read_array"]

SUFFIXES = {".npy": "npy", ".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5"}
NAMES = ("outcomes", "samples", "measurements", "shots", "data", "bits")  # tried in this order
_RULE = "shots must be an array of integers (n, L), or one-hot (n, L, K)"


def is_data_file(path: Path) -> bool:
    """Whether an HDF5 file was written by physgen and so describes its own content."""
    from physgen.core.errors import StoreError
    from physgen.results import read_dataset

    try:
        read_dataset(path, without=None)
    except StoreError as error:
        if "schema_version" in str(error):
            return False
        raise
    return True


def read_array(path: Path, kind: str, letters: bool = False) -> np.ndarray:
    """Return the array of a file: integers (n, L) or (n, L, K); with `letters` bases as 0, 1, 2.

    Raises
    ------
    InputError
        If it holds several arrays and none with a known name, or values other than integers.
    """
    found = _hdf5(path) if kind == "hdf5" else read_arrays(path, _RULE)
    array = found if isinstance(found, np.ndarray) else _only(path, found)
    if letters and array.dtype.kind in "US":
        return _letters(path, array.astype(str))
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind == "f" and array.size and np.array_equal(array, np.trunc(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim not in (2, 3) or array.size == 0:
        raise InputError(f"{_RULE}, got shape {array.shape} of {array.dtype} in {path.name}")
    lowest, highest = int(array.min()), int(array.max())
    if not -1 <= lowest <= highest <= 255:
        raise InputError(f"{_RULE} in 0..255, got {lowest}..{highest} in {path.name}")
    return array.astype(np.int16 if lowest < 0 else np.uint8)


def _hdf5(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    from physgen.results import list_arrays, open_array

    known = list_arrays(path)
    integers = [n for n, (shape, dtype) in known.items() if len(shape) > 1 and dtype.kind in "iuf"]
    name = _named(integers)
    if name is None:
        listed = ", ".join(known) or "none"
        raise InputError(
            f"{path.name} must hold one array of shots, or one named {' or '.join(NAMES[:2])}, "
            f"got {listed}"
        )
    array = open_array(path, name)
    try:
        return array.read(0, len(array))
    finally:
        array.close()


def _only(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    name = _named(list(arrays))
    if name is None:
        listed = ", ".join(arrays) or "none"
        raise InputError(
            f"{path.name} must hold one array, or one named {' or '.join(NAMES[:2])}, got {listed}"
        )
    return arrays[name]


def _named(names: list[str]) -> str | None:
    if len(names) == 1:
        return names[0]
    return next((n for known in NAMES for n in names if n.rsplit("/", 1)[-1] == known), None)


def _letters(path: Path, array: np.ndarray) -> np.ndarray:
    """Return an array of texts, a letter or a word each, as 0 = Z, 1 = X, 2 = Y."""
    rows = [list("".join(np.atleast_1d(row)).upper()) for row in array]
    if len({len(row) for row in rows}) != 1 or not {b for row in rows for b in row} <= set("XYZ"):
        raise InputError(
            f"bases must be letters X, Y, Z, as many for every shot, got others in {path.name}"
        )
    return np.array([["ZXY".index(letter) for letter in row] for row in rows], np.uint8)

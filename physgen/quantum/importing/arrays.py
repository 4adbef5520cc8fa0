"""Arrays of shots in npy, npz and HDF5 files that physgen did not write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.arrays import read_arrays
from physgen.quantum.importing.marks import LOST

__all__ = ["SUFFIXES", "as_shots", "is_data_file", "read_columns"]

SUFFIXES = {".npy": "npy", ".npz": "npz", ".h5": "hdf5", ".hdf5": "hdf5"}
_FAR = 1e15  # no outcome; fits into int64
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


def read_columns(path: Path, kind: str) -> tuple[Mapping[str, np.ndarray], list[str]]:
    """Return the arrays of a file by name, and which of them are single numbers.

    An npy file holds one array, or the fields of a structured array; texts are str.  Arrays of
    HDF5 are read when they are asked for.
    """
    if kind == "hdf5":
        stored = _Stored(path)
        if not len(stored):
            raise InputError(f"{path.name} must hold an array of shots, got no array")
        return stored, stored.scalars
    found = read_arrays(path, _RULE)
    if isinstance(found, np.ndarray):
        names = found.dtype.names
        found = {path.name: found} if names is None else {name: found[name] for name in names}
    texts = {name: _text(array) for name, array in found.items()}
    if not texts:
        raise InputError(f"{path.name} must hold an array of shots, got no array")
    return texts, [n for n, a in texts.items() if a.ndim == 0 and a.dtype.kind not in "USO"]


def as_shots(array: np.ndarray, source: str, lost: bool) -> np.ndarray:
    """Return shots as int16 (n, L) or (n, L, K); lost qubits, if allowed, as LOST.

    Raises
    ------
    InputError
        If they are no integers, or of another shape.
    """
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind == "f" and lost:
        array = np.where(np.isnan(array), LOST, array)
    if array.dtype.kind == "f" and array.size and np.array_equal(array, np.trunc(array)):
        array = np.clip(array, -_FAR, _FAR).astype(np.int64)  # far out of range stays there
    if array.dtype.kind not in "iu" or array.ndim not in (2, 3) or array.size == 0:
        nan = array.dtype.kind == "f" and bool(np.isnan(array).any())
        remedy = "; choose lost (--lost) for the NaN of lost qubits" if nan else ""
        if array.ndim == 1 and array.dtype.kind in "iu":
            remedy = "; a single site is n_sites (--n-sites) 1"
        raise InputError(f"{_RULE}, got shape {array.shape} of {array.dtype} in {source}{remedy}")
    if array.ndim == 3 and len(array) == 2 and array.shape[1] > 2:
        raise InputError(
            f"{_RULE}, got shape {array.shape} in {source}; if these are bits and bases one after "
            "the other, save them as np.savez(FILE, bits=..., bases=...)"
        )
    lowest, highest = int(array.min()), int(array.max())
    if not -1 <= lowest <= highest <= 255:
        raise InputError(f"{_RULE} in 0..255, got {lowest}..{highest} in {source}")
    if lost and array.ndim == 2 and lowest == -1 and (array == 0).any():
        array = np.where(array == -1, LOST, array)  # beside 0, -1 is no eigenvalue
    return array.astype(np.int16)


class _Stored(Mapping[str, np.ndarray]):
    """The arrays of an HDF5 file."""

    def __init__(self, path: Path) -> None:
        from physgen.results import list_arrays

        self.path, self._known = path, list_arrays(path)

    @property
    def scalars(self) -> list[str]:
        """Names of single numbers."""
        return [
            n for n, (shape, dtype) in self._known.items() if not shape and dtype.kind in "iufb"
        ]

    def __getitem__(self, name: str) -> np.ndarray:
        from physgen.results import open_array

        if not self._known[name][0]:
            raise InputError(f"{name} of {self.path.name} must have a row a shot, got a scalar")
        array = open_array(self.path, name)
        try:
            return _text(array.read(0, len(array)))
        finally:
            array.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _text(array: np.ndarray) -> np.ndarray:
    """Return texts of any kind as str, other arrays as they are."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "O":
        words = [
            v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in array.flat
        ]
        return np.array(words).reshape(array.shape)
    return array

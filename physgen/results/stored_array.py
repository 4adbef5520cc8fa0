"""Arrays of HDF5 files, read a range of rows at a time."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import h5py
import numpy as np

from physgen.core.errors import StoreError
from physgen.results.hdf5 import reading

__all__ = ["StoredArray", "list_arrays", "open_array"]


class StoredArray:
    """One array of an HDF5 file; only the requested rows are in memory.

    The file must not change while it is open.

    Attributes
    ----------
    path : Path
    name : str
        Path of the array in the file.
    shape : tuple of int
    dtype : numpy.dtype
    chunk_rows : int
        Number of rows in a chunk of the file; ranges of whole chunks are read fastest.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        with reading(path):
            self._file = h5py.File(path, "r", locking=False)
        found = self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            self._file.close()
            raise StoreError(f"{path} must hold an array {name}, got none; look with h5dump -n")
        self._dataset = found
        self.shape: tuple[int, ...] = found.shape
        self.dtype: np.dtype = found.dtype
        self.chunk_rows = found.chunks[0] if found.chunks else max(1, len(found))

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the rows ``start <= row < stop``.

        Raises
        ------
        StoreError
            If the stored bytes are damaged.
        """
        with reading(self.path):
            return self._dataset[start:stop]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_array(path: str | PathLike[str], name: str) -> StoredArray:
    """Open an array of an HDF5 file, of physgen or not, without reading it.

    Parameters
    ----------
    path : path
        An HDF5 file.
    name : str
        Of the array, with its groups.

    Raises
    ------
    StoreError
        If the file is damaged or holds no such array.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path} does not exist, or is a directory; give a file")
    return StoredArray(path, name)


def list_arrays(path: str | PathLike[str]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Return the shape and dtype of every array of an HDF5 file, by its name in the file.

    Parameters
    ----------
    path : path
        An HDF5 file, of physgen or not.
    """
    found: dict[str, tuple[tuple[int, ...], np.dtype]] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = (item.shape, item.dtype)

    with reading(path), h5py.File(path, "r", locking=False) as file:
        file.visititems(visit)
    return found

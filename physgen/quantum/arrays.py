"""Read a user's npy and npz files: the arrays, or one clear error."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from physgen.core.errors import InputError

__all__ = ["read_arrays"]

_MAGIC = (b"\x93NUMPY", b"PK")  # of npy, and of the zip archive that an npz is


def read_arrays(path: Path, rule: str) -> np.ndarray | dict[str, np.ndarray]:
    """Return the array of an npy file, or the arrays of an npz file by name.

    Raises
    ------
    InputError
        "`rule`, got `path`: reason", whatever is wrong with the file.
    """
    try:
        with path.open("rb") as file:  # NumPy leaves a damaged archive open
            if not file.read(6).startswith(_MAGIC):  # NumPy would mistake it for a pickle
                raise ValueError("it is not an npy or npz file")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _text_checked(loaded)
            return {name: _text_checked(loaded[name]) for name in loaded.files}
    # NumPy, zipfile, zlib and tokenize each raise their own errors on a damaged file.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{rule}, got {path}: {reason}") from None


def _text_checked(array: np.ndarray) -> np.ndarray:
    """Return an array, whose text Python can read: NumPy takes any number for a character."""
    if array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        codes = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        if np.ascontiguousarray(array).reshape(-1).view(codes).max() > sys.maxunicode:
            raise ValueError("its text is damaged")
    return array

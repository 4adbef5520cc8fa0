"""Shots in a file that is larger than memory: read block by block.

>>> data = MeasurementData.open("shots.h5")  # doctest: +SKIP
>>> data.outcomes[1000:2000]                 # these rows alone are read  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError

if TYPE_CHECKING:
    from physgen.results.stored_array import StoredArray

__all__ = ["BLOCK_BYTES", "ShotFile"]

BLOCK_BYTES = 16 << 20


class ShotFile:
    """The outcomes of an HDF5 file as an array (n, L) of uint8; indexing reads its rows.

    Parameters
    ----------
    array : StoredArray
        From :func:`physgen.results.open_array`.
    K : int
        Number of outcomes; reading an outcome outside 0..K-1 raises an error.
    table : ndarray of uint8, optional
        The new outcome for each outcome of the file, shape (K',), e.g. after merging.

    Attributes
    ----------
    shape : tuple of int
        (n, L).
    chunk_rows : int
        Number of rows in a chunk of the file.
    block_rows : int
        Number of rows in a block of whole chunks, of about `BLOCK_BYTES`.
    """

    dtype = np.dtype(np.uint8)
    ndim = 2

    def __init__(self, array: StoredArray, K: int, table: np.ndarray | None = None) -> None:
        if len(array.shape) != 2 or array.dtype.kind not in "iu":
            raise InputError(
                f"outcomes must be integers of shape (n, L), got {array.shape} of {array.dtype} "
                f"in {array.path}"
            )
        self._array, self._K, self._table = array, K, table
        self.shape = (array.shape[0], array.shape[1])
        self.chunk_rows = array.chunk_rows
        chunks = max(1, BLOCK_BYTES // (self.shape[1] * array.chunk_rows))
        self.block_rows = min(max(1, len(array)), chunks * array.chunk_rows)

    def __repr__(self) -> str:
        return f"ShotFile({str(self._array.path)!r}, shape={self.shape})"

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of outcomes, n L."""
        return self.shape[0] * self.shape[1]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise InputError(
            f"shots of {self._array.path} are read block by block and must be taken in ranges, "
            "such as outcomes[:1000]; MeasurementData.load reads them all"
        )

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return rows: a slice, integers or a mask; uint8 (m, L), or (L,) for one integer."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._read(start, stop)
            return self._gathered(np.arange(start, stop, step))
        index = np.asarray(rows if not isinstance(rows, tuple) else None)
        if index.dtype == bool and index.shape == (len(self),):
            index = np.flatnonzero(index)
        if index.dtype.kind not in "iu" or index.ndim > 1:
            raise InputError(
                f"rows must be a slice, integers or a mask of the shots, got {rows!r}"
            )
        if index.size and not -len(self) <= index.min() <= index.max() < len(self):
            raise IndexError(f"rows must be in 0..{len(self) - 1}, got {index.max()}")
        found = self._gathered(np.atleast_1d(index) % len(self))
        return found if index.ndim else found[0]

    def blocks(self, rows: int | None = None) -> Iterator[np.ndarray]:
        """Yield all shots in order, `rows` at a time (default: `block_rows`)."""
        step = self.block_rows if rows is None else check_positive_int("rows", rows)
        for start in range(0, len(self), step):
            yield self._read(start, min(start + step, len(self)))

    def mapped(self, table: np.ndarray) -> ShotFile:
        """Return the same shots with outcome a read as ``table[a]``."""
        before = np.arange(self._K) if self._table is None else self._table
        return ShotFile(self._array, self._K, np.asarray(table, np.uint8)[before])

    def close(self) -> None:
        """Close the file; nothing can be read from it any more."""
        self._array.close()

    def _gathered(self, index: np.ndarray) -> np.ndarray:
        out = np.empty((len(index), self.shape[1]), np.uint8)
        for block in np.unique(index // self.block_rows):
            start = int(block) * self.block_rows
            here = index // self.block_rows == block
            stop = min(start + self.block_rows, len(self))
            out[here] = self._read(start, stop)[index[here] - start]
        return out

    def _read(self, start: int, stop: int) -> np.ndarray:
        x = self._array.read(start, max(start, stop))
        if x.size and (x.max() >= self._K or x.min() < 0):
            shot, site = np.unravel_index(int(np.argmax((x < 0) | (x >= self._K))), x.shape)
            raise InputError(
                f"outcomes must be in 0..{self._K - 1}, got {x[shot, site]} at shot "
                f"{start + int(shot)}, site {int(site)} of {self._array.path}"
            )
        return x.astype(np.uint8, copy=False) if self._table is None else self._table[x]

"""Files of arrays larger than memory, written block by block.

The rows are appended to arrays of whole chunks, and the rest of the group is written after them.
Like every file of physgen, the file takes its name only when it is complete
(:mod:`physgen.results.atomic`) and has been read back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

import physgen
from physgen.core.errors import InputError, StoreError
from physgen.results.atomic import replacing
from physgen.results.hdf5 import SQUEEZED, chunk_shape, holds, reading, write_groups
from physgen.results.layout import Field, Layout, encode
from physgen.results.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["write_stream"]

Block = Mapping[str, np.ndarray]


def write_stream(
    path: str | PathLike[str], template: xr.Dataset, dim: str, blocks: Iterable[Block]
) -> int:
    """Write a Dataset whose variables along `dim` come in blocks; return its length along `dim`.

    Parameters
    ----------
    path : path
        File to write; replaced if it exists.
    template : Dataset
        Everything but the values along `dim`: names, dims, dtypes, attributes, and the other
        variables with their values.
    dim : str
        First dimension of the variables that are streamed; none of them text.
    blocks : iterable of mapping
        The next rows of each variable along `dim`, the same number for all.

    Returns
    -------
    int
        Length along `dim` of what was written.

    Raises
    ------
    StoreError
        If the disk is full or not writable, or returns other bytes than were written.  After this
        or any error of `blocks`, `path` is unchanged.
    """
    path, layout = Path(path), encode(template)
    streamed = {name: f for name, f in layout.fields.items() if dim in f.dims}
    for name, f in streamed.items():
        if f.dims[0] != dim or f.dtype == object:
            raise InputError(f"{name} must hold numbers with {dim!r} as its first dim to stream")
    root = {"schema_version": SCHEMA_VERSION, "physgen_version": physgen.__version__}
    with replacing(path) as file:
        with h5py.File(file, "w", track_order=True) as h5:
            arrays = {name: _growing(h5, name, f) for name, f in streamed.items()}
            digests = {name: hashlib.sha256() for name in streamed}
            rows = max(array.chunks[0] for array in arrays.values())
            n = 0
            for block in _rechunked(blocks, streamed, rows):
                size = len(next(iter(block.values())))
                for name, array in arrays.items():
                    array.resize(n + size, axis=0)
                    array[n:] = block[name]
                    digests[name].update(block[name].data)
                n += size
                file.check()  # stop early
            fields = layout.fields | {
                name: replace(f, shape=(n, *f.shape[1:])) for name, f in streamed.items()
            }
            rest = {"": Layout(fields, layout.coords, layout.attrs)}
            write_groups(h5, root, rest, check=file.check)
        file.check()
        _verify(path, file, layout, {name: d.digest() for name, d in digests.items()}, rows)
    return n


def _growing(h5: h5py.File, name: str, f: Field) -> Any:
    """Return a new array of no rows that can grow."""
    rest = f.shape[1:]
    # A whole chunk, for any final number of rows.
    chunks = chunk_shape((1 << 62, *rest), f.dtype.itemsize)
    options: dict[str, Any] = SQUEEZED if f.dtype.kind in "iu" and f.dtype.itemsize == 1 else {}
    return h5.create_dataset(
        name,
        shape=(0, *rest),
        maxshape=(None, *rest),
        dtype=f.dtype,
        chunks=chunks,
        fletcher32=True,
        **options,
    )


def _rechunked(
    blocks: Iterable[Block], fields: Mapping[str, Field], rows: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the same rows in blocks of `rows`, the last one shorter, checked."""
    waiting: list[dict[str, np.ndarray]] = []
    for block in blocks:
        found = {name: np.asarray(block[name], f.dtype) for name, f in fields.items()}
        size = len(next(iter(found.values())))
        for name, f in fields.items():
            if found[name].shape != (size, *f.shape[1:]):
                raise InputError(
                    f"every block must hold {name} of shape {(size, *f.shape[1:])}, "
                    f"got {found[name].shape}"
                )
        waiting.append(found)
        if sum(len(next(iter(b.values()))) for b in waiting) < rows:
            continue
        whole = _joined(waiting, fields)
        size = len(next(iter(whole.values())))
        for start in range(0, size - size % rows, rows):
            yield {k: np.ascontiguousarray(v[start : start + rows]) for k, v in whole.items()}
        waiting = [{k: v[size - size % rows :].copy() for k, v in whole.items()}]
    rest = _joined(waiting, fields) if waiting else {}
    if rest and len(next(iter(rest.values()))):
        yield rest


def _joined(blocks: list[dict[str, np.ndarray]], names: Iterable[str]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([block[name] for block in blocks]) for name in names}


def _verify(
    path: Path, file: Any, layout: Layout, digests: Mapping[str, bytes], rows: int
) -> None:
    """Compare every value in `file` with the value that was to be written."""
    with reading(path), h5py.File(file, "r") as h5:
        for name, f in layout.fields.items():
            stored: Any = h5[name]
            if name not in digests:
                same = holds(stored, f)
            else:
                found = hashlib.sha256()
                for start in range(0, len(stored), rows):
                    found.update(stored[start : start + rows])
                same = found.digest() == digests[name]
            if not same:
                raise StoreError(
                    f"{path} could not be written: {name} reads back different from what was "
                    "written; check the disk"
                )

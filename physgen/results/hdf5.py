"""Layouts in HDF5 files, written by h5py and readable by any HDF5 reader.

Every axis has a dimension scale, as in netCDF-4, so h5py, ``xarray.open_datatree`` and h5dump
all see named dimensions.  In a finished file every numerical array of at least `CHECKSUM_ABOVE`
bytes has a checksum (Fletcher-32), which detects disk errors; a segment has a SHA-256 instead.
One-byte integers (outcomes, spins) are compressed by gzip, level 1, which every HDF5 reader
supports.  Floats of a thermalised field hardly compress and are stored uncompressed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, cast

import h5py
import numpy as np

from physgen.core.errors import StoreError
from physgen.results.layout import RESERVED_ATTRS, Field, Layout

__all__ = [
    "SQUEEZED",
    "chunk_shape",
    "group_names",
    "holds",
    "opened",
    "read_attrs",
    "read_layout",
    "reading",
    "same_values",
    "write_groups",
]

CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 16 << 20
CHECKSUM_ABOVE = 256  # bytes; below, the index of the chunk is larger than the array
COMPRESS_ABOVE = 1 << 12  # bytes; below, a chunk costs more than it saves
SQUEEZED = {"compression": "gzip", "compression_opts": 1}
# Of Any, because isinstance with a generic class of NumPy leaves its arguments unknown.
_ARRAY: type[Any] = np.ndarray
_SCALAR: type[Any] = np.generic
_BARE_DIMENSION = b"This is a netCDF dimension but not a netCDF variable. "


def write_groups(
    file: h5py.File,
    attrs: Mapping[str, Any],
    groups: Mapping[str, Layout],
    finished: bool = True,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write root attributes and groups into a new file; the group "" is the root itself.

    With `finished`, arrays are compressed and get checksums.  An array that is already in the file
    (:mod:`physgen.results.streamed`) is only labelled.  `check` is called before each block, and
    may raise.
    """
    for name, layout in groups.items():
        group: Any = file
        for part in filter(None, name.split("/")):
            group = group[part] if part in group else group.create_group(part, track_order=True)
        _write_layout(group, layout, finished, check)
    file.attrs.update(attrs)


def _write_layout(
    group: h5py.Group, layout: Layout, finished: bool, check: Callable[[], None]
) -> None:
    group.attrs.update(layout.attrs)
    if layout.coords:
        group.attrs["coordinates"] = " ".join(layout.coords)
    datasets: dict[str, h5py.Dataset] = {}
    for name, f in layout.fields.items():
        check()
        datasets[name] = _write_field(group, name, f, finished, check)
    scales: dict[str, Any] = {}
    for number, (dim, length) in enumerate(layout.dims.items()):
        if dim in datasets:
            scale, label = datasets[dim], dim.encode()
        else:  # only the length; never written, so it takes no space
            scale = group.create_dataset(dim, shape=(length,), dtype=">f4")
            label = _BARE_DIMENSION + b"%10d" % length
        h5py.h5ds.set_scale(scale.id, label)
        scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        scales[dim] = scale.id
    for name, f in layout.fields.items():
        if name not in scales:
            for axis, dim in enumerate(f.dims):
                h5py.h5ds.attach_scale(datasets[name].id, scales[dim], axis)


def _write_field(
    group: h5py.Group, name: str, f: Field, finished: bool, check: Callable[[], None]
) -> h5py.Dataset:
    if name in group:
        streamed: Any = group[name]
        streamed.attrs.update(f.attrs)
        return streamed
    dtype = h5py.string_dtype() if f.dtype == object else f.dtype
    squeeze = finished and dtype.kind in "iu" and dtype.itemsize == 1 and f.nbytes > COMPRESS_ABOVE
    options: dict[str, Any] = dict(SQUEEZED) if squeeze else {}
    if dtype.kind != "O" and f.nbytes >= (CHECKSUM_ABOVE if finished else CHUNK_BYTES):
        options |= {"chunks": chunk_shape(f.shape, dtype.itemsize), "fletcher32": True}
    dataset = group.create_dataset(name, shape=f.shape, dtype=dtype, **options)
    dataset.attrs.update(f.attrs)
    if not f.shape:
        dataset[()] = f.values()
    elif dataset.size:
        for where, block in _placed(f):
            check()
            dataset[where] = block
    return dataset


def _placed(f: Field) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    """Yield an array in blocks of at most about `BLOCK_BYTES`, with the slices they belong to."""
    rest = (slice(None),) * f.axis
    start = 0
    for block in f.blocks():
        size = block.dtype.itemsize
        step = _block_rows(f.shape, size, chunk_shape(f.shape, size), f.axis)
        for first in range(0, block.shape[f.axis], step):
            part = block[(*rest, slice(first, first + step))]
            stop = start + part.shape[f.axis]
            yield (*rest, slice(start, stop)), part
            start = stop


def holds(dataset: Any, f: Field) -> bool:
    """Whether `dataset` holds the bits of `f` (NaN equals NaN), compared block by block."""
    if dataset.shape != f.shape:
        return False
    source = dataset.asstr() if f.dtype == object else dataset
    if not f.shape:
        return _same_bits(np.asarray(source[()]), f.values())
    return not dataset.size or all(_same_bits(source[at], block) for at, block in _placed(f))


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return a chunk of about `CHUNK_BYTES`: last axes whole, one axis in part, 1 before it."""
    chunk: list[int] = []
    room = max(1, CHUNK_BYTES // itemsize)
    for length in reversed(shape):
        chunk.append(max(1, min(length, room)))
        room //= chunk[-1]
    return tuple(reversed(chunk))


def _block_rows(
    shape: tuple[int, ...], itemsize: int, chunks: tuple[int, ...] | None, axis: int
) -> int:
    """Return how many rows along `axis` make a block of whole chunks, of about `BLOCK_BYTES`."""
    n_bytes = itemsize * int(np.prod(shape, dtype=np.int64))
    step = max(1, BLOCK_BYTES * shape[axis] // max(1, n_bytes))
    return max(1, step // chunks[axis]) * chunks[axis] if chunks else step


def read_layout(pieces: Sequence[Any], dim: str | None = None) -> Layout:
    """Return the layout of one group, whose `pieces` are joined along `dim`.

    Variables without `dim` come from the first piece, attributes of the group from the last.
    Values are read on demand; the files must still be open then.
    """
    first = pieces[0]
    fields: dict[str, Field] = {}
    datasets = {name: d for name, d in first.items() if isinstance(d, h5py.Dataset)}
    scales = {name: d for name, d in datasets.items() if h5py.h5ds.is_scale(d.id)}
    leaves = {_address(d.id): name for name, d in scales.items()}
    for name, dataset in datasets.items():
        if name in scales and h5py.h5ds.get_scale_name(dataset.id).startswith(_BARE_DIMENSION):
            continue
        dims = (name,) if name in scales else _dims(dataset, leaves)
        fields[name] = _read_field([dataset, *(p[name] for p in pieces[1:])], dims, dim)
    coords = tuple(str(first.attrs.get("coordinates", "")).split())
    return Layout(fields, coords, read_attrs(pieces[-1]))


def _read_field(parts: Sequence[Any], dims: tuple[str, ...], dim: str | None) -> Field:
    dataset = parts[0]
    axis = dims.index(dim) if dim in dims else 0
    parts = parts if dim in dims else parts[:1]
    shape = list(dataset.shape)
    if shape:
        shape[axis] = sum(p.shape[axis] for p in parts)
    stored = dataset.dtype
    dtype = np.dtype(object) if h5py.check_string_dtype(stored) else stored
    attrs = read_attrs(dataset)
    if dtype == np.int8 and dataset.attrs.get("dtype") == "bool":
        attrs["dtype"] = "bool"

    def blocks() -> Iterator[np.ndarray]:
        for part in parts:
            yield from _blocks(part, axis)

    return Field(dims, tuple(shape), dtype, attrs, blocks, axis)


def _blocks(dataset: h5py.Dataset, axis: int) -> Iterator[np.ndarray]:
    """Yield the values in blocks of whole chunks, of about `BLOCK_BYTES`.

    Raises
    ------
    StoreError
        If the stored bytes do not match their checksum.
    """
    try:
        yield from _read_blocks(dataset, axis)
    except OSError as error:
        raise StoreError(
            f"{dataset.name} in {dataset.file.filename} is damaged and cannot be read ({error}); "
            "restore the file from a backup, or move it away and run again"
        ) from error


def _read_blocks(dataset: h5py.Dataset, axis: int) -> Iterator[np.ndarray]:
    source: Any = dataset.asstr() if h5py.check_string_dtype(dataset.dtype) else dataset
    if dataset.nbytes <= BLOCK_BYTES:
        yield np.asarray(source[()], dtype=object if source is not dataset else None)
        return
    step = _block_rows(dataset.shape, dataset.dtype.itemsize, dataset.chunks, axis)
    for start in range(0, dataset.shape[axis], step):
        yield source[(slice(None),) * axis + (slice(start, start + step),)]


def _dims(dataset: h5py.Dataset, leaves: Mapping[int, str]) -> tuple[str, ...]:
    """Return the names of the axes; `leaves` maps addresses to names of scales in the group."""
    names: list[str] = []
    for axis in range(dataset.id.rank):
        if not h5py.h5ds.get_num_scales(dataset.id, axis):
            raise StoreError(
                f"{dataset.file.filename}: {dataset.name} has no dimension scales, so physgen "
                "did not write it; read it with h5py"
            )
        scale: Any = h5py.h5ds.iterate(dataset.id, axis, _itself)  # the first one
        # HDF5 would search the whole file for the name of a referenced object.
        whole = cast(Any, h5py.Dataset)
        names.append(leaves.get(_address(scale)) or str(whole(scale).name).rsplit("/", 1)[-1])
    return tuple(names)


def _itself(found: Any) -> Any:
    return found


def _address(item: Any) -> int:
    """Return the address in its file of an object, by its identifier."""
    return h5py.h5o.get_info(item).addr


def read_attrs(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Return the attributes as plain numbers, text, lists of text, and arrays."""
    attrs: dict[str, Any] = {}
    held = item.attrs
    for name in held:
        if name in RESERVED_ATTRS:
            continue
        value = held[name]
        if isinstance(value, _ARRAY) and value.dtype == object:
            value = value.tolist()
        elif isinstance(value, _SCALAR):
            value = value.item()
        attrs[name] = value
    return attrs


def group_names(file: h5py.File) -> list[str]:
    """Return the paths of all groups except those that only contain other groups."""
    names: list[str] = []

    def visit(group: h5py.Group, path: str) -> None:
        # By name: to open every data set of a file takes longer than to read the few wanted.
        below = [name for name in group if cast(Any, group).get(name, getclass=True) is h5py.Group]
        only_leads = 0 < len(below) == len(group)
        if path and (not only_leads or len(group.attrs)):
            names.append(path)
        for name in below:
            visit(group[name], f"{path}/{name}".lstrip("/"))

    visit(file, "")
    return names


def same_values(a: Field, b: Field) -> bool:
    """Whether two fields hold the same bits in the same shape (NaN equals NaN)."""
    if (a.dims, a.shape, a.dtype) != (b.dims, b.shape, b.dtype):
        return False
    return _same_bits(a.values(), b.values())


def _same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    if y.dtype == object:
        return bool(np.array_equal(x.astype(object), y))
    return x.dtype == y.dtype and x.tobytes() == y.tobytes()


@contextlib.contextmanager
def opened(path: str | PathLike[str]) -> Generator[h5py.File]:
    """Open a finished HDF5 file for reading; every failure in the block is a StoreError."""
    with reading(path), h5py.File(path, "r", locking=False) as file:
        yield file


@contextlib.contextmanager
def reading(path: str | PathLike[str]) -> Generator[None]:
    """Turn the errors of h5py about a damaged file into a :class:`StoreError`."""
    try:
        yield
    except (StoreError, FileNotFoundError):
        raise
    except (OSError, RuntimeError, KeyError) as error:
        text = str(error).strip("'\"")
        raise StoreError(
            f"{path} cannot be read as an HDF5 file ({text}); restore it from a backup, or move "
            "it away and run again"
        ) from error

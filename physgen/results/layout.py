"""The content of a group in the terms of HDF5: the intermediate form between xarray and a file.

A :class:`Layout` is a group.  A :class:`Field` is a variable with values in blocks along one axis,
from memory or from files, so that any number of pieces of any size become one array::

    Dataset  --encode-->  Layout  --hdf5.write_group-->  file
    files    --hdf5.read_layout-->  Layout  --decode-->  Dataset

Files follow the conventions of netCDF-4, so xarray decodes them by itself: booleans are int8 with
the attribute ``dtype = "bool"``; coordinates that are not dimensions are listed in the attribute
``coordinates`` of their group.  Attributes hold numbers, text, and lists of either; booleans
become integers, and anything else becomes JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.checks import is_list_or_tuple
from physgen.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Field", "Layout", "decode", "encode", "encode_attr"]

# Attributes that control decoding in netCDF-4 and xarray; data may not use these names.
RESERVED_ATTRS = frozenset(
    {
        "CLASS",
        "NAME",
        "REFERENCE_LIST",
        "DIMENSION_LIST",
        "_Netcdf4Dimid",
        "_Netcdf4Coordinates",
        "_NCProperties",
        "_FillValue",
        "missing_value",
        "scale_factor",
        "add_offset",
        "dtype",
        "coordinates",
        "calendar",
    }
)
MAX_ATTR_BYTES = 60_000  # HDF5 refuses attributes of 64 KiB
# Of Any, because isinstance with a generic class of NumPy leaves its arguments unknown.
_TRUTHS: tuple[type[Any], ...] = (bool, np.bool_)
_NUMBERS: tuple[type[Any], ...] = (int, float, complex, np.number)
_NAME = re.compile(r"[^/\s\0]+")


@dataclass(frozen=True)
class Field:
    """One variable.

    Attributes
    ----------
    dims, shape, dtype, attrs
        As in the file; text has the dtype ``object``.
    blocks : callable
        Gives the values as consecutive blocks along `axis`.
    axis : int
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attrs: dict[str, Any]
    blocks: Callable[[], Iterator[np.ndarray]]
    axis: int = 0

    @property
    def nbytes(self) -> int:
        """Size in bytes before compression; a string counts as 64."""
        itemsize = 64 if self.dtype == object else self.dtype.itemsize
        return itemsize * int(np.prod(self.shape, dtype=np.int64))

    def values(self) -> np.ndarray:
        """Return all values as one array."""
        blocks = list(self.blocks())
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=self.axis)


@dataclass(frozen=True)
class Layout:
    """One group: its variables, the names of its coordinates, and its attributes."""

    fields: dict[str, Field] = field(default_factory=dict[str, Field])
    coords: tuple[str, ...] = ()
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def dims(self) -> dict[str, int]:
        """Dimension -> length."""
        return {d: n for f in self.fields.values() for d, n in zip(f.dims, f.shape)}

    @property
    def nbytes(self) -> int:
        """Size in bytes before compression."""
        return sum(f.nbytes for f in self.fields.values())


def encode(ds: xr.Dataset) -> Layout:
    """Return the layout of `ds`.

    Raises
    ------
    InputError
        If a variable or an attribute cannot be kept in an HDF5 file.
    """
    fields = {str(name): _encode_variable(str(name), v) for name, v in ds.variables.items()}
    coords = tuple(str(name) for name in ds.coords if name not in ds.dims)
    return Layout(fields, coords, encode_attrs(ds.attrs))


def decode(layout: Layout) -> xr.Dataset:
    """Return `layout` as a Dataset in memory."""
    import xarray as xr

    variables: dict[str, xr.Variable] = {}
    for name, f in layout.fields.items():
        values, attrs = f.values(), dict(f.attrs)
        if f.dtype == object:
            values = values.astype(str)
        elif attrs.pop("dtype", None) == "bool":
            values = values.astype(bool)
        variables[name] = xr.Variable(f.dims, values, attrs)
    return xr.Dataset(variables, attrs=layout.attrs).set_coords(list(layout.coords))


def _encode_variable(name: str, variable: xr.Variable) -> Field:
    dims = tuple(str(d) for d in variable.dims)
    for word in (name, *dims):
        if not _NAME.fullmatch(word):
            raise InputError(
                f"a variable or dimension name must have no space or '/', got {word!r}"
            )
    if name in dims and dims != (name,):
        raise InputError(f"variable {name!r} must not be named after one of its dims, got {dims}")
    if len(set(dims)) < len(dims):
        raise InputError(f"the dims of variable {name!r} must differ from each other, got {dims}")
    values, attrs = np.asarray(variable.values), encode_attrs(variable.attrs)
    if values.dtype.kind == "b":
        values, attrs = values.astype(np.int8), attrs | {"dtype": "bool"}
    elif values.dtype.kind not in "iufc":
        values = _text(name, values)
    return Field(dims, values.shape, values.dtype, attrs, lambda: iter([values]))


def _text(name: str, values: np.ndarray) -> np.ndarray:
    """Return an array of strings as dtype object, as HDF5 takes them."""
    items = values.astype(object)
    for item in items.flat:
        if not isinstance(item, str):
            raise InputError(
                f"variable {name!r} must hold numbers, booleans or text, got {values.dtype} "
                f"with {type(item).__name__}"
            )
        if "\0" in item:
            raise InputError(f"text in variable {name!r} must have no NUL character, got {item!r}")
    return items


def encode_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return `attrs` with every value in a form that HDF5 and netCDF-4 both keep."""
    return {str(k): encode_attr(str(k), v) for k, v in attrs.items()}


def encode_attr(name: str, value: Any) -> Any:
    """Return one attribute as a number, text, a list of text, or a 1-d array; else as JSON."""
    if name in RESERVED_ATTRS:
        raise InputError(f"an attribute must not have the reserved name {name!r}; rename it")
    if isinstance(value, str):
        if "\0" in value:
            raise InputError(f"attribute {name!r} must have no NUL character, got {value!r}")
        return str(value)
    if isinstance(value, _TRUTHS):
        return int(value)
    if isinstance(value, int) and value.bit_length() > 63:
        return str(value)  # too large for the integers of HDF5
    if isinstance(value, _NUMBERS):
        return value
    if is_list_or_tuple(value) and value and all(isinstance(v, str) for v in value):
        return [encode_attr(name, v) for v in value]
    if is_list_or_tuple(value) or isinstance(value, np.ndarray):
        array = _flat_numbers(value)
        if array is not None:
            return _check_size(name, array)
        value = value.tolist() if isinstance(value, np.ndarray) else value
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    except TypeError as error:
        raise InputError(f"attribute {name!r} must be plain data, got {value!r}") from error


def _flat_numbers(value: Any) -> np.ndarray | None:
    """Return a list of numbers as a 1-d array; None for anything nested, ragged or mixed."""
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    if array.ndim != 1 or array.dtype.kind not in "biufc":
        return None
    return array.astype(np.int64) if array.dtype.kind == "b" else array


def _check_size(name: str, array: np.ndarray) -> np.ndarray:
    if array.nbytes > MAX_ATTR_BYTES:
        raise InputError(
            f"attribute {name!r} must be at most {MAX_ATTR_BYTES} bytes, got {array.nbytes}; "
            "make it a variable"
        )
    return array

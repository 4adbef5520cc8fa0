"""Read results: a run, finished or in progress, or any single file of physgen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import physgen
from physgen.core.errors import InputError, StoreError
from physgen.results.hdf5 import group_names, opened, read_layout
from physgen.results.image import write_file
from physgen.results.layers import RUN_FILE, Layers
from physgen.results.layout import Layout, decode, encode, encode_attrs
from physgen.results.schema import SCHEMA_VERSION, check_schema, group_name
from physgen.results.segments import segment_paths

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["open_run", "read_dataset", "write_dataset"]

_FILE_ATTRS = ("schema_version", "physgen_version")


def open_run(path: str | PathLike[str], groups: Iterable[str] | None = None) -> xr.DataTree:
    """Return a run, or any file of physgen, as a tree of Datasets in memory.

    Parameters
    ----------
    path : path
        Run directory, finished or still being written; or a file.
    groups : iterable of str, optional
        Read only these groups, if they are there; all by default.

    Raises
    ------
    StoreError
        If there is no run, or a file is foreign, damaged, or of a newer schema.

    Examples
    --------
    >>> tree = open_run("my_run")  # doctest: +SKIP
    >>> tree["estimates"].to_dataset()  # doctest: +SKIP
    """
    path = Path(path)
    wanted = None if groups is None else {group_name(g) for g in groups}
    if path.name == RUN_FILE and not path.is_dir() and segment_paths(path.parent):
        path = path.parent
    if not path.exists():
        raise StoreError(f"{path} does not exist; start a run with `physgen run`")
    if path.is_dir():
        with Layers(path) as layers:
            names = [g for g in layers.groups() if wanted is None or g in wanted]
            return _tree(layers.attrs, {name: layers.read(name) for name in names})
    with opened(path) as file:
        check_schema(file.attrs, path)
        names = [g for g in group_names(file) if wanted is None or g in wanted]
        datasets = {name: decode(read_layout([file[name]])) for name in names}
        root = decode(read_layout([file]))
        return _tree(root.attrs, datasets | {"": root})


def write_dataset(
    path: str | PathLike[str],
    data: xr.Dataset | xr.DataTree,
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """Write `data` as one HDF5 file, whole or not at all.

    Parameters
    ----------
    path : path
        File to write; replaced if it exists.
    data : Dataset or DataTree
        A Dataset goes to the root group.
    attrs : mapping, optional
        Root attributes to add, e.g. :func:`~physgen.results.collect_provenance`.
    """
    import xarray as xr

    tree = data if isinstance(data, xr.DataTree) else xr.DataTree(data)
    layouts = {
        group_name(node.path) if node.parent else "": encode(node.to_dataset(inherit=False))
        for node in tree.subtree
    }
    root = {"schema_version": SCHEMA_VERSION, "physgen_version": physgen.__version__}
    write_file(Path(path), {**root, **encode_attrs(attrs or {})}, layouts)


def read_dataset(
    path: str | PathLike[str], group: str = "/", without: Iterable[str] | None = ()
) -> xr.Dataset:
    """Return one group of a file that physgen wrote, the root by default, in memory.

    The variables `without` are not read; None reads the attributes alone.

    Parameters
    ----------
    path : path
        A file of physgen, such as run.h5.
    group : str
        Path of the group.
    without : iterable of str, or None
        Variables to leave out.

    Raises
    ------
    StoreError
        If there is no such file, or it is of a newer layout.
    InputError
        If it has no such group.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path} does not exist, or is a directory; give a file")
    with opened(path) as file:
        check_schema(file.attrs, path)
        if group.strip("/") and group.strip("/") not in group_names(file):
            listed = ", ".join(group_names(file)) or "none"
            raise InputError(f"group must be one of those in {path} ({listed}), got {group!r}")
        layout = read_layout([file[group]])
        left_out = layout.fields if without is None else set(without)
        fields = {name: f for name, f in layout.fields.items() if name not in left_out}
        coords = tuple(name for name in layout.coords if name in fields)
        ds = decode(Layout(fields, coords, layout.attrs))
    for name in _FILE_ATTRS:
        ds.attrs.pop(name, None)
    return ds


def _tree(attrs: Mapping[str, Any], datasets: Mapping[str, xr.Dataset]) -> xr.DataTree:
    import xarray as xr

    root = datasets.get("", xr.Dataset()).assign_attrs(attrs)
    return cast(Any, xr.DataTree).from_dict(
        {**{k: v for k, v in datasets.items() if k}, "/": root}
    )

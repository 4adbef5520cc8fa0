"""The numbers of a run as CSV: what is behind every table and figure, with units.

    DIR/estimates.csv             one file a group whose variables have the same dimensions
    DIR/models/flow/L8.lam.csv    else one a set of dimensions, which the name lists

The first line names the columns: coordinates, then variables, with their units in square brackets.
Arrays of more than a million numbers, such as the draws of chains, stay in the run file, which
any program that reads HDF5 opens; so do weights, tensors and checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physgen.results.atomic import replacing

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LARGEST", "export_csv"]

LARGEST = 1_000_000  # numbers of one file
_ARRAYS = ("model", "checkpoint", "state")  # ends of groups that hold no quantities


def export_csv(tree: xr.DataTree, folder: Path) -> tuple[list[Path], list[str]]:
    """Write the groups of an open run below `folder`.

    Returns
    -------
    tuple of lists
        The files, and the names of arrays that are too large for one.
    """
    written: list[Path] = []
    left: list[str] = []
    for node in tree.subtree:
        ds = node.to_dataset(inherit=False)
        name = node.path.strip("/")
        if name.rsplit("/", 1)[-1] in _ARRAYS:
            continue
        parts = dict(_by_dims(ds))
        for dims, part in parts.items():
            if sum(array.size for array in part.data_vars.values()) > LARGEST:
                left += [f"{name}/{variable}" for variable in part.data_vars]
                continue
            end = f".{'-'.join(dims)}" if len(parts) > 1 and dims else ""
            path = folder / f"{name or 'run'}{end}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(_text(part).encode())
            written.append(path)
    return written, left


def _by_dims(ds: xr.Dataset) -> Iterator[tuple[tuple[str, ...], xr.Dataset]]:
    """Yield the variables of each set of dimensions; those without one are a table of one row."""
    sets = dict.fromkeys(tuple(map(str, array.dims)) for array in ds.data_vars.values())
    for dims in sets:
        yield dims, ds[[name for name, array in ds.data_vars.items() if array.dims == dims]]


def _text(ds: xr.Dataset) -> str:
    """Return a table whose rows are the points of a grid."""
    heads = {name: _head(str(name), ds[name]) for name in ds.variables}
    table: Any = (ds if ds.dims else ds.expand_dims("point")).to_dataframe()
    table = table.reset_index(drop=not ds.dims)
    return table.rename(columns=heads).to_csv(index=False, lineterminator="\n")


def _head(name: str, array: xr.DataArray) -> str:
    """Return the head of a column: its name, and its units unless they are 1."""
    units = str(array.attrs.get("units", ""))
    return f"{name} [{units}]" if units not in ("", "1") else name

"""Samples in files: runs of physgen, netCDF, HDF5, npy and npz."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from physgen.core.errors import InputError, StoreError
from physgen.samplers.loop.recording import KEPT

__all__ = ["array_of", "read_samples"]

HDF5 = (".h5", ".hdf5", ".nc")


def read_samples(path: str | PathLike[str], group: str | None = None) -> Any:
    """Return the configurations of a file: a Dataset of a run, or an array.

    Parameters
    ----------
    path : path
        Run directory or file.
    group : str, optional
        Of a run: the group, such as ``chains/hmc/L16/m2-4``; of other files: the array.

    Raises
    ------
    InputError
        If the file cannot be read, or holds none or several sets of configurations.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"samples must be in a file that exists, got {str(path)!r}")
    if path.is_dir():
        return _of_run(path, group)
    if path.suffix in HDF5:
        return _of_hdf5(path, group)
    if path.suffix not in (".npy", ".npz"):
        raise InputError(
            f"samples must be in an npy, npz, HDF5 or netCDF file, got {path.name!r}; numpy.save "
            "writes an npy file"
        )
    from physgen.quantum.arrays import read_arrays

    found = read_arrays(path, "file must hold an array")
    if isinstance(found, dict):
        return found[_chosen(path, list(found), group)]
    if group is not None:
        raise InputError(
            f"an npy file holds one array without a name, got {group!r}; leave it out"
        )
    return found


def array_of(name: str, found: Any) -> tuple[Any, bool]:
    """Return the array in what was read, and whether its first axes are chain and draw.

    Parameters
    ----------
    name : str
        What it is called in errors.
    found : Dataset, DataArray or array
        Spins that a run has packed are unpacked.

    Raises
    ------
    InputError
        If a Dataset holds no configurations.
    """
    import xarray as xr

    from physgen.samplers.loop.recording import unpack_configurations

    if isinstance(found, xr.Dataset):
        if KEPT not in found:
            held = ", ".join(map(str, found.data_vars))
            raise InputError(
                f"{name} must hold configurations, got a Dataset of {held}; sample with "
                f"keep={KEPT!r}"
            )
        found = unpack_configurations(found)
    if not isinstance(found, xr.DataArray):
        return found, False
    return found.values, found.dims[:2] == ("chain", "draw")


def _of_run(path: Path, group: str | None) -> Any:
    from physgen.results import open_run

    tree = open_run(path, None if group is None else [group])
    found = {node.path.strip("/"): node.to_dataset() for node in tree.subtree if KEPT in node}
    return found[_chosen(path, list(found), group)]


def _of_hdf5(path: Path, group: str | None) -> Any:
    from physgen.results import list_arrays, open_array

    try:
        return _of_run(path, group)
    except StoreError:  # not written by a run
        pass
    known = list(list_arrays(path))
    name = _chosen(path, known, group)
    if name.strip("/") == KEPT:
        import xarray as xr

        try:
            return xr.load_dataset(path, engine="h5netcdf")  # dims, and how spins are packed
        except (ValueError, OSError):
            pass  # plain HDF5: nothing says what the axes are, and nothing is packed
    opened = open_array(path, name)
    try:
        return opened.read(0, len(opened))
    finally:
        opened.close()


def _chosen(path: Path, known: list[str], name: str | None) -> str:
    """Return the one of several that is meant."""
    plain = {each.strip("/"): each for each in known}
    if name is not None and name.strip("/") in plain:
        return plain[name.strip("/")]
    if name is None and len(plain) == 1:
        return known[0]
    if name is None and KEPT in plain:
        return plain[KEPT]
    listed = ", ".join(sorted(plain)) or "none; sample with keep = 'configurations'"
    asked = "" if name is None else f", not {name!r}"
    raise InputError(
        f"{path.name} must hold one set of configurations, or be told which{asked}: it holds "
        f"{listed}"
    )

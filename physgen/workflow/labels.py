"""What every group of a run says about itself: how exact it is, for what, and in which units."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["labelled", "with_units"]


def labelled(ds: xr.Dataset, exactness: str, of: str, *, units: bool = True) -> xr.Dataset:
    """Return `ds` with the attributes ``exactness`` and ``exactness_for``, and its units.

    Parameters
    ----------
    ds : Dataset
        Content of a group.
    exactness : {"exact", "asymptotic", "approximate"}
        Free of error; with an error that vanishes with the number of samples, and is given; or
        with one that is not known.
    of : str
        The quantity that this is said about.
    units : bool
        False for arrays that are not quantities, such as the weights of a network.
    """
    marked = ds.assign_attrs(exactness=exactness, exactness_for=of)
    return with_units(marked) if units else marked


def with_units(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` with units on every number: an error's are those of its value, else "1"."""
    ds = ds.copy()
    for name, variable in ds.data_vars.items():
        if variable.dtype.kind == "f" and "units" not in variable.attrs:
            value = str(name).removesuffix("_error")
            variable.attrs["units"] = ds[value].attrs.get("units", "1") if value in ds else "1"
    return ds

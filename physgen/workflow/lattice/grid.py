r"""Estimates of all points on one grid: dims (sampler, L, coupling), each with its error.

Beside the physics stand, of the slowest observable of each point, tau_int in draws, R-hat and the
effective number of independent draws; where a value is known exactly, it and the pull

.. math:: \mathrm{pull} = (\mathrm{measured} - \mathrm{exact}) / \mathrm{error} .
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from physgen.analysis.format import pull
from physgen.workflow.lattice.scan import Scan
from physgen.workflow.target.quantities import attrs, ordered

__all__ = ["agreement", "assemble", "joint", "quantities"]

DIMS = ("sampler", "L")


def assemble(
    scan: Scan, rows: Mapping[str, Mapping[str, float]], exact: Mapping[str, Mapping[str, float]]
) -> xr.Dataset:
    """Return the grid.

    Parameters
    ----------
    scan : Scan
    rows : mapping of str to mapping of str to float
        By group of a point: each quantity and its ``<quantity>_error``, and the figures of merit.
    exact : mapping of str to mapping of str to float
        By group of a point: the quantities that are known.
    """
    labels = [sampler.label for sampler in scan.samplers]
    coupling = scan.coupling or "point"
    shape = (len(labels), len(scan.extents), len(scan.values))
    groups = {
        (k, i, j): scan.group(labels[k], scan.extents[i], scan.values[j])
        for k, i, j in np.ndindex(shape)
    }
    arrays, known = (_gridded(groups, shape, table) for table in (rows, exact))
    dims = (*DIMS, coupling)
    ds = xr.Dataset(
        {name: (dims, array, attrs(name)) for name, array in arrays.items()},
        {
            "sampler": labels,
            "L": [0 if L is None else L for L in scan.extents],
            coupling: (coupling, [np.nan if v is None else v for v in scan.values], _axis(scan)),
        },
    )
    for name, values in known.items():
        if name in ds:
            ds[f"{name}_exact"] = (dims[1:], values[0])
            pulls = _pulls(ds[name].values, values, ds[f"{name}_error"].values)
            ds[f"{name}_pull"] = (dims, pulls)
    return ds


def _gridded(
    groups: Mapping[tuple, str], shape: tuple, table: Mapping[str, Mapping[str, float]]
) -> dict[str, np.ndarray]:
    """Return an array for every name in the rows of a table, NaN where a row lacks it."""
    names = dict.fromkeys(name for row in table.values() for name in row)
    arrays = {name: np.full(shape, np.nan) for name in names}
    for where, group in groups.items():
        for name, value in table.get(group, {}).items():
            arrays[name][where] = value
    return arrays


def quantities(estimates: xr.Dataset) -> list[str]:
    """Return the names of the physical quantities on a grid, the known ones first."""
    found = [str(n) for n in estimates.data_vars if f"{n}_error" in estimates and n != "tau_int"]
    return ordered(found)


def agreement(estimates: xr.Dataset) -> xr.Dataset | None:
    """Return the pulls between the first sampler and the others, or None if there is but one.

    Dims (quantity, other, L, coupling); quantities of one chain are correlated with each other,
    points are not.
    """
    if estimates.sizes["sampler"] < 2:
        return None
    first, others = estimates.isel(sampler=0), estimates.isel(sampler=slice(1, None))
    names = quantities(estimates)
    pulls = []
    for name in names:
        error = np.hypot(others[f"{name}_error"].values, first[f"{name}_error"].values)
        pulls.append(_pulls(others[name].values, first[name].values, error))
    dims = ("quantity", "other", *map(str, estimates["tau_int"].dims[1:]))
    coords: dict[str, Any] = {"quantity": names, "other": others["sampler"].values}
    coords |= {str(d): estimates[d] for d in dims[2:]}
    return xr.Dataset({"pull": (dims, np.array(pulls))}, coords).assign_attrs(
        first=str(first["sampler"].item())
    )


def joint(pulls: np.ndarray) -> tuple[float, int, float]:
    """Return chi^2 of the pulls that are known, how many they are, and the p-value."""
    from scipy.special import chdtrc

    known = pulls[np.isfinite(pulls)]
    chi2 = float(np.sum(known**2))
    return chi2, int(known.size), float(chdtrc(known.size, chi2)) if known.size else np.nan


def _pulls(measured: np.ndarray, exact: np.ndarray, error: np.ndarray) -> np.ndarray:
    broadcast = np.broadcast_arrays(measured, exact, error)
    found = [
        pull(m, x, e) if np.isfinite((m, x, e)).all() else np.nan
        for m, x, e in zip(*(a.ravel() for a in broadcast))
    ]
    return np.array(found).reshape(broadcast[0].shape)


def _axis(scan: Scan) -> dict[str, str]:
    return {"symbol": scan.symbol, "units": "1"}

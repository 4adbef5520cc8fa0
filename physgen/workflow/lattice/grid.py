r"""Estimates of all points on one grid: dims (generator, L, coupling), each with its error.

Beside the physics stand, of the slowest observable of each point, tau_int in draws, R-hat and the
effective number of independent draws; where a value is known exactly, it and the pull

.. math:: \mathrm{pull} = (\mathrm{measured} - \mathrm{exact}) / \mathrm{error} .
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis.errors import chi2_p_value
from physgen.analysis.format import pull
from physgen.workflow.lattice.points import Scan
from physgen.workflow.target.quantities import attrs, ordered

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["agreement", "assemble", "joint", "quantities"]

DIMS = ("generator", "L")


def assemble(
    scan: Scan,
    rows: Mapping[tuple[str, int, int], Mapping[str, float]],
    exact: Mapping[tuple[int, int], Mapping[str, float]],
) -> xr.Dataset:
    """Return the grid.

    Parameters
    ----------
    scan : Scan
    rows : mapping of (label, place) to mapping of str to float
        Of every generator at every place (numbers of extent and coupling): each quantity and its
        ``<quantity>_error``, and the figures of merit.
    exact : mapping of place to mapping of str to float
        The quantities that are known.
    """
    import xarray as xr

    coupling = scan.coupling or "point"
    extents, values = scan.extents, scan.values
    shape = (len(scan.labels), len(extents), len(values))
    where = {(label, i, j): (k, i, j)
             for k, label in enumerate(scan.labels) for i, j in np.ndindex(shape[1:])}  # fmt: skip
    arrays = _gridded(shape, {where[key]: row for key, row in rows.items()})
    known = _gridded(shape[1:], exact)
    dims = (*DIMS, coupling)
    ds = xr.Dataset(
        {name: (dims, array, attrs(name)) for name, array in arrays.items()},
        {
            "generator": scan.labels,
            "L": [0 if L is None else L for L in extents],
            coupling: (coupling, [np.nan if v is None else v for v in values], _axis(scan)),
        },
    )
    ds["n_sites"] = ("L", _n_sites(scan), {"long_name": "number of sites", "units": "1"})
    for name, found in known.items():
        if name in ds and f"{name}_error" in ds:
            ds[f"{name}_exact"] = (dims[1:], found)
            ds[f"{name}_pull"] = (dims, _pulls(ds[name].values, found, ds[f"{name}_error"].values))
    return ds


def _n_sites(scan: Scan) -> list[int]:
    return [scan.sites(p.target) for p in scan.places() if p.at[1] == 0]


def _gridded(
    shape: tuple[int, ...], table: Mapping[tuple[int, ...], Mapping[str, float]]
) -> dict[str, np.ndarray]:
    """Return an array for every name in the rows of a table, NaN where a row lacks it."""
    names = dict.fromkeys(name for row in table.values() for name in row)
    arrays = {name: np.full(shape, np.nan) for name in names}
    for where, row in table.items():
        for name, value in row.items():
            arrays[name][where] = value
    return arrays


def quantities(estimates: xr.Dataset) -> list[str]:
    """Return the names of the physical quantities on a grid, the known ones first."""
    found = [str(n) for n in estimates.data_vars if f"{n}_error" in estimates and n != "tau_int"]
    return ordered(found)


def agreement(estimates: xr.Dataset) -> xr.Dataset | None:
    """Return the pulls of every other generator from the first, or None if there is but one.

    Dims (quantity, other, L, coupling).  A quantity that the first generator lacks, as chains
    lack log Z, is compared with the first one that has it (coord ``reference``), whose own pulls
    are then NaN.  Quantities of one generator are correlated with each other, points are not.
    """
    import xarray as xr

    if estimates.sizes["generator"] < 2:
        return None
    labels = estimates["generator"].values
    names = quantities(estimates)
    pulls: list[np.ndarray] = []
    references: list[str] = []
    for name in names:
        value, error = estimates[name].values, estimates[f"{name}_error"].values
        has = np.isfinite(value).reshape(len(value), -1).any(axis=1)
        first = int(np.argmax(has))
        references.append(str(labels[first]))
        off = _pulls(value, value[first], np.hypot(error, error[first]))
        off[: first + 1] = np.nan
        pulls.append(off[1:])
    dims = ("quantity", "other", *map(str, estimates[names[0]].dims[1:]))
    coords: dict[str, Any] = {"quantity": names, "other": labels[1:]}
    coords["reference"] = ("quantity", references)
    coords |= {str(d): estimates[d] for d in dims[2:]}
    return xr.Dataset({"pull": (dims, np.array(pulls))}, coords, {"first": str(labels[0])})


def joint(pulls: np.ndarray) -> tuple[float, int, float]:
    """Return chi^2 of the pulls that are known, how many they are, and the p-value."""
    known = pulls[np.isfinite(pulls)]
    chi2 = float(np.sum(known**2))
    return chi2, int(known.size), chi2_p_value(chi2, known.size) if known.size else np.nan


def _pulls(measured: np.ndarray, exact: np.ndarray, error: np.ndarray) -> np.ndarray:
    broadcast = np.broadcast_arrays(measured, exact, error)
    found = [
        pull(m, x, e) if np.isfinite((m, x, e)).all() else np.nan
        for m, x, e in zip(*(a.ravel() for a in broadcast))
    ]
    return np.array(found).reshape(broadcast[0].shape)


def _axis(scan: Scan) -> dict[str, str]:
    return {"symbol": scan.symbol, "units": "1"}

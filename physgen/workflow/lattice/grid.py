r"""Estimates of all points on one grid: dims (generator, L, coupling), each with its error.

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
from physgen.workflow.lattice.points import Scan

__all__ = ["QUANTITIES", "agreement", "assemble", "joint", "quantities"]

DIMS = ("generator", "L")
FIGURES = ("tau_int", "tau_int_error", "r_hat", "ess", "acceptance_rate")
# quantity -> symbol and name; others are shown under their own name
QUANTITIES: Mapping[str, tuple[str, str]] = {
    "energy_per_site": ("$e$ ($J$ per site)", "energy per site"),
    "action_per_site": ("$S / V$", "action per site"),
    "specific_heat": ("$c$ ($k_B$ per site)", "specific heat"),
    "abs_magnetization": (r"$\langle |m| \rangle$", "magnetization"),
    "chi_abs": (r"$V (\langle m^2 \rangle - \langle |m| \rangle^2)$", "susceptibility of |m|"),
    "susceptibility": (r"$V \langle m^2 \rangle$", "susceptibility"),
    "binder": ("$U_L$", "Binder cumulant"),
    "magnetization": (r"$\langle m \rangle$", "magnetization with its sign"),
    "phi2": (r"$\langle \phi^2 \rangle$", "field squared"),
}


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
    coupling = scan.coupling or "point"
    extents, values = scan.extents, scan.values
    shape = (len(scan.labels), len(extents), len(values))
    where = {(label, i, j): (k, i, j)
             for k, label in enumerate(scan.labels) for i, j in np.ndindex(shape[1:])}  # fmt: skip
    arrays = _gridded(shape, {where[key]: row for key, row in rows.items()})
    known = _gridded(shape[1:], exact)
    dims = (*DIMS, coupling)
    ds = xr.Dataset(
        {name: (dims, array, _attrs(name)) for name, array in arrays.items()},
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
    return sorted(found, key=lambda n: list(QUANTITIES).index(n) if n in QUANTITIES else 99)


def agreement(estimates: xr.Dataset) -> xr.Dataset | None:
    """Return the pulls of every other generator from the first, or None if there is but one.

    Dims (quantity, other, L, coupling).  A quantity that the first generator lacks, as chains
    lack log Z, is compared with the first one that has it, whose own pulls are then NaN.
    Quantities of one generator are correlated with each other, points are not.
    """
    if estimates.sizes["generator"] < 2:
        return None
    names, pulls = quantities(estimates), []
    for name in names:
        value, error = estimates[name].values, estimates[f"{name}_error"].values
        has = np.isfinite(value).reshape(len(value), -1).any(axis=1)
        first = int(np.argmax(has))
        off = _pulls(value, value[first], np.hypot(error, error[first]))
        off[: first + 1] = np.nan
        pulls.append(off[1:])
    dims = ("quantity", "other", *map(str, estimates[names[0]].dims[1:]))
    labels = estimates["generator"].values
    coords: dict[str, Any] = {"quantity": names, "other": labels[1:]}
    coords |= {str(d): estimates[d] for d in dims[2:]}
    return xr.Dataset({"pull": (dims, np.array(pulls))}, coords, {"first": str(labels[0])})


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


def _attrs(name: str) -> dict[str, str]:
    value = name.removesuffix("_error")
    symbol, long_name = QUANTITIES.get(value, (value.replace("_", " "), value.replace("_", " ")))
    units = {"energy_per_site": "J", "tau_int": "draw"}.get(value, "1")
    if name != value:
        return {"long_name": f"standard error of the {long_name}", "units": units}
    return {"symbol": symbol, "long_name": long_name, "units": units}


def _axis(scan: Scan) -> dict[str, str]:
    symbols = {"beta": r"$\beta$", "kappa": r"$\kappa$", "m2": "$m^2$", "lam": r"$\lambda$"}
    return {"symbol": symbols.get(scan.coupling, scan.coupling), "units": "1"}

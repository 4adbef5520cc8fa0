r"""Correlators of all points on one grid: dims (generator, L, coupling, distance or momentum).

Extents differ along a scan: what is beyond half of a smaller lattice is NaN, and the momenta of
every extent are in ``momentum_of``, :math:`p_n = 2 \pi n / T`.  Where they are known, exact curves
stand beside the measured ones, dims (L, coupling, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis.format import format_estimate
from physgen.core.declared import site_shape
from physgen.core.errors import InputError
from physgen.samplers.correlators import CURVES, curves_of
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import Column, Table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["assemble", "split", "table"]

_ROWS = 4  # of a point, on a terminal
_TERMINAL = 16


def split(row: Mapping[str, float], target: Any) -> tuple[dict[str, float], xr.Dataset]:
    """Return the numbers of a point without those that are parts of curves, and the curves."""
    parts = tuple(f"{name}[" for name in CURVES)
    plain = {name: value for name, value in row.items() if not name.startswith(parts)}
    return plain, curves_of(row, max(site_shape(target)))


def assemble(scan: Scan, curves: Mapping[tuple[str, int, int], xr.Dataset]) -> xr.Dataset | None:
    """Return the grid, or None if no point has a correlator.

    Parameters
    ----------
    scan : Scan
    curves : mapping of (label, place) to Dataset
        Of every generator at every place.
    """
    import xarray as xr

    if not any(ds.data_vars for ds in curves.values()):
        return None
    order = {label: k for k, label in enumerate(scan.labels)}
    shape = (len(scan.labels), len(scan.extents), len(scan.values))
    dims = ("generator", "L", scan.coupling or "point")
    half = {place.at: max(site_shape(place.target)) // 2 + 1 for place in scan.places()}
    most = max(half.values())
    data: dict[str, Any] = {}
    for (label, *at), ds in curves.items():
        for name, values in ds.data_vars.items():
            if not values.ndim:
                continue
            along = (*dims, str(values.dims[0]))
            if name not in data:
                data[str(name)] = (along, np.full((*shape, most), np.nan), values.attrs)
            data[str(name)][1][(order[label], *at)][: values.size] = values
    for place in scan.places():
        for name, values in _exact(place.target).items():
            if name in data:
                text = {"long_name": f"exact {data[name][2]['long_name']}"}
                empty = np.full((*shape[1:], most), np.nan)
                found = data.setdefault(f"{name}_exact", (data[name][0][1:], empty, text))
                found[1][place.at][: len(values)] = values
    extents = [0 if L is None else L for L in scan.extents]
    values = [np.nan if v is None else v for v in scan.values]
    axis = {"symbol": scan.symbol, "units": "1"}
    sizes = [max(site_shape(p.target)) for p in scan.places() if p.at[1] == 0]
    momenta = [[2 * np.pi * n / T if n < T // 2 + 1 else np.nan for n in range(most)]
               for T in sizes]  # fmt: skip
    coords = {
        "generator": scan.labels, "L": extents, dims[2]: (dims[2], values, axis),
        "distance": ("distance", np.arange(most), {"units": "lattice spacing"}),
        "momentum": ("momentum", np.arange(most), {"long_name": "n of p = 2 pi n / T"}),
        "momentum_of": (("L", "momentum"), momenta, {"units": "1"}),
    }  # fmt: skip
    used = {dim for along, *_ in data.values() for dim in along}
    kept = {k: v for k, v in coords.items() if k != "momentum_of" and k in used}
    if "momentum" in used:
        kept["momentum_of"] = coords["momentum_of"]
    return xr.Dataset(data, kept)


def table(found: xr.Dataset) -> Table:
    """Return the correlators as a table, a row for each generator, place and distance."""
    coupling = str(next(iter(found.data_vars.values())).dims[2])
    known = [name for name in CURVES if name in found]
    heads = {
        "correlator": "G(t)",
        "effective_mass": "m_eff(t)",
        "propagator": "G(p), p = 2 pi t/L",
    }
    several = found.sizes["generator"] > 1
    columns = [Column("generator", "name")] * several + [Column("L", "axis")]
    named = np.isfinite(found[coupling].values).all()
    columns += [Column(coupling, "axis")] if named else []
    columns += [Column("t", "axis")]
    for name in known:
        columns.append(Column(heads[name], "strong", "model", page_only=name == "propagator"))
        if f"{name}_exact" in found:
            columns.append(Column(f"exact\n{heads[name]}", page_only=name == "propagator"))
    rows: list[tuple[str, ...]] = []
    brief: list[int] = []
    for i, j, k in np.ndindex(*(found.sizes[d] for d in ("L", coupling, "generator"))):
        for t in range(max(found.sizes.get(d, 0) for d in ("distance", "momentum"))):
            cells: list[str] = []
            for name in known:
                at = (k, i, j, t)
                value, error = found[name].values[at], found[f"{name}_error"].values[at]
                cells.append(format_estimate(value, error) if np.isfinite(value) else "")
                if f"{name}_exact" in found:
                    exact = found[f"{name}_exact"].values[at[1:]]
                    cells.append(f"{exact:.5g}" if np.isfinite(exact) else "")
            if not any(cells):
                continue
            start = [str(found["generator"].values[k])] * several
            start += [str(found["L"].values[i] or "")]
            start += [f"{found[coupling].values[j]:.6g}"] if named else []
            if t < _ROWS:
                brief.append(len(rows))
            rows.append((*start, str(t), *cells))
    shown = tuple(brief) if len(brief) <= _TERMINAL else tuple(brief[:_TERMINAL])
    notes = (
        "G(t) is the connected correlator of slices at zero momentum, m_eff its effective mass on "
        "a periodic axis, empty where none exists; points of a curve are correlated.",
    )
    return Table("Correlators", tuple(columns), tuple(rows), notes, shown)


def _exact(target: Any) -> dict[str, np.ndarray]:
    """Return the curves that an oracle knows."""
    from physgen.exact import exact_values

    try:
        known = exact_values(target)
    except InputError:
        return {}
    return {name: known[name].values for name in CURVES if name in known}

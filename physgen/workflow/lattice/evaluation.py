"""From the draws of every point to numbers with errors, and what to make of them together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from physgen.samplers import estimates
from physgen.workflow.context import Context
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.crossing import crossings
from physgen.workflow.lattice.grid import joint, quantities
from physgen.workflow.lattice.scan import Point, Scan
from physgen.workflow.target.exact import is_square_ising

if TYPE_CHECKING:
    from physgen.results import RunStore

__all__ = ["crossings_of", "estimate", "exactness", "verdict"]


def estimate(draws: xr.Dataset) -> dict[str, float]:
    """Return the estimates of a point with their errors, and its figures of merit.

    Where a symmetry makes the magnetization zero on average its sign is left out: in a broken
    phase chains keep theirs, and the mean over chains is right by their starts alone.
    """
    table = estimates(draws)
    symmetric = "z2" in str(draws.attrs.get("symmetries", "")).split()
    if symmetric:
        table = table.sel(quantity=table["quantity"] != "magnetization")
    row: dict[str, float] = {}
    for name, value, error in zip(
        table["quantity"].values, table["value"].values, table["error"].values
    ):
        row |= {str(name): float(value), f"{name}_error": float(error)}
    slowest = int(np.argmax(np.nan_to_num(table["tau_int"].values, nan=-1.0)))
    for name in ("tau_int", "tau_int_error", "ess"):
        row[name] = float(table[name].values[slowest])
    hats = table["r_hat"].values
    row["r_hat"] = float(np.nanmax(hats)) if np.isfinite(hats).any() else np.nan
    if "acceptance_rate" in draws:
        row["acceptance_rate"] = float(draws["acceptance_rate"].mean())
    return row


def exactness(store: RunStore, points: Sequence[Point]) -> str:
    """Return the least that can be said of all points: approximate before asymptotic."""
    found = {str(store.read(point.group).attrs.get("exactness", "")) for point in points}
    return next((word for word in ("approximate", "asymptotic") if word in found), "exact")


def crossings_of(context: Context, scan: Scan, grid: xr.Dataset) -> xr.Dataset | None:
    """Return where the Binder cumulants of neighbouring sizes cross, by the first sampler."""
    if "binder" not in grid or len(scan.extents) < 2 or len(scan.values) < 2:
        return None
    label = scan.samplers[0].label
    first = grid.isel(sampler=0)
    extents, values = [L for L in scan.extents if L], [v for v in scan.values if v is not None]
    found = crossings(
        extents,
        np.array(values),
        first["binder"].values,
        first["binder_error"].values,
        lambda i, j: chains.read(context, scan.group(label, extents[i], values[j])),
        reweight=is_square_ising(scan),
    )
    return found if found.sizes["pair"] else None


def verdict(grid: xr.Dataset, side_by_side: xr.Dataset | None) -> str:
    """Return one line: how well the points agree with what is known."""
    told = []
    for name in quantities(grid):
        if f"{name}_pull" in grid:
            chi2, n, _ = joint(grid[f"{name}_pull"].values)
            long_name = grid[name].attrs["long_name"]
            told.append(f"{long_name} chi^2 = {chi2:.1f} for {n} exact values")
    if side_by_side is not None and not told:
        chi2, n, _ = joint(side_by_side["pull"].values)
        told.append(f"samplers differ by chi^2 = {chi2:.1f} in {n} comparisons")
    return "; ".join(told) or f"{grid['tau_int'].size} points"

"""The draws of a joint model without their weights: what it says by itself, and what is shown.

Draws of x of a joint model (x, z) have no density, so nothing but the weights of pairs corrects
them.  Their numbers stand beside the corrected ones, labelled: they are approximate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from physgen.analysis.format import format_estimate
from physgen.workflow.labels import labelled
from physgen.workflow.lattice.learned_summary import axes, number, where
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import Column, Table, dataset_of
from physgen.workflow.target.quantities import head

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RAW", "raw_of", "table"]

RAW = "raw"


def raw_of(work: Any, drawn: xr.Dataset) -> xr.Dataset:
    """Return estimates from weighted draws (dim ``sample``) as if they had no weights."""
    from physgen.core.declared import declared
    from physgen.samplers import estimates
    from physgen.samplers.unweighted_draws import GROUPS
    from physgen.samplers.unweighted_draws import labelled as series_of
    from physgen.samplers.weighted_draws import WHOLE_ACTION

    target = work.weighing.target
    known = work.observables or declared(target).observables
    series = {
        str(name): v.values.reshape(GROUPS, -1, *v.shape[1:])
        for name, v in drawn.data_vars.items()
        if name not in ("log_weight", WHOLE_ACTION)
    }
    about = {"sampler": "draws of the model", "chains": "independent"}
    ds = series_of(
        series, target, known, exactness="approximate", exactness_for="the target", **about
    )
    found = estimates(ds)
    if "z2" in str(ds.attrs.get("symmetries", "")).split():
        found = found.sel(quantity=found["quantity"] != "magnetization")
    return labelled(found, "approximate", "the target: draws without weights")


def table(scan: Scan, tree: xr.DataTree, grid: xr.Dataset) -> Table | None:
    """Return what joint models draw beside what the weights make of it; None if there is none."""
    points = [p for place in scan.places() for p in scan.learned(place) if p.section.is_joint]
    found = [(p, ds) for p in points if (ds := dataset_of(tree, f"{p.group}/{RAW}")) is not None]
    if not found:
        return None
    columns = (
        *axes(scan),
        Column("generator", "name"),
        Column("quantity", "name"),
        Column("draws alone\n(approximate)", "strong", "model"),
        Column("weighted\npairs"),
        Column("difference,\nrelative"),
        Column("exact"),
    )
    rows: list[tuple[str, ...]] = []
    for point, ds in found:
        i, j = point.place.at
        at = grid.sel(generator=point.label).isel({"L": i, grid["ess"].dims[-1]: j})
        for name, value, error in zip(*(ds[v].values for v in ("quantity", "value", "error"))):
            said = f"{name}"
            both = (said, f"{said}_error")
            weighed, error_w = (float(at[v]) if v in at else math.nan for v in both)
            off = (float(value) - weighed) / weighed if weighed else math.nan
            rows.append((
                *where(scan, point.place), point.label, head(said),
                format_estimate(float(value), float(error)),
                "" if math.isnan(weighed) else format_estimate(weighed, error_w),
                "" if math.isnan(off) else f"{off:+.2%}",
                number(float(at[f"{said}_exact"]) if f"{said}_exact" in at else math.nan, ".6f"),
            ))  # fmt: skip
    notes = (
        "A joint model has no density of x alone: its draws are approximate by themselves. The "
        "weights e^{-S} r(z|x) / q(x, z) of pairs correct them, for any encoder r; ess is that of "
        "pairs. In all other tables the numbers are the weighted ones.",
    )
    return Table("Draws of joint models", columns, tuple(rows), notes)

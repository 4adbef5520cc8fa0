"""The tables of learned energies: couplings, and what can be said of their chains and their Z."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.format import format_estimate, pull
from physgen.workflow.lattice.along import ALONG
from physgen.workflow.lattice.energies import LOG_Z
from physgen.workflow.lattice.learned_summary import axes, number, where
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import Column, Table, dataset_of

if TYPE_CHECKING:
    import xarray as xr

    from physgen.workflow.lattice.generators import Learned

__all__ = ["tables"]

# What only some energies have: by name, its column, and what is to be said of it.
_MORE = {
    "memory": Column("memory\nover k", page_only=True),
    "training": Column("chains of\ntraining"),
    "along": Column("log Z along\ntraining"),
    "trips": Column("round\ntrips"),
}
_SAID = {
    "training": "The chains of the negative phase moved k steps an update; where they remember "
    "longer, the model is out of equilibrium, and only chains of its own say what it is.",
    "along": "log Z along the training was followed from independent sites through its snapshots.",
    "trips": "Round trips of replicas, from independent sites to the model and back, of all "
    "chains together.",
}


def tables(scan: Scan, tree: xr.DataTree, grid: xr.Dataset) -> Iterator[Table]:
    """Yield the tables of a run with energies; `grid` are the estimates."""
    found = dataset_of(tree, "couplings")
    if found is not None:
        yield _couplings(scan, found)
    points = [p for place in scan.places() for p in scan.learned(place) if p.section.is_energy]
    if points:
        yield _energies(scan, tree, grid, points)


def _couplings(scan: Scan, found: xr.Dataset) -> Table:
    known = bool(np.isfinite(found["true"].values).any())
    columns = (
        *axes(scan),
        Column("generator", "name"),
        Column("coupling", "name"),
        Column("learned", "strong", "model"),
        *([Column("true"), Column("pull")] if known else []),
        Column("error over\nthe bound"),
    )
    rows: list[tuple[str, ...]] = []
    for place in scan.places():
        i, j = place.at
        for label in map(str, found["generator"].values):
            at = found.sel(generator=label).isel({"L": i, found["coupling"].dims[2]: j})
            for term in map(str, found["term"].values):
                one = at.sel(term=term)
                value, error, bound = (
                    float(one[name]) for name in ("coupling", "coupling_error", "bound")
                )
                if not math.isfinite(value):
                    continue
                row = [*where(scan, place), label, term, format_estimate(value, error)]
                if known:
                    true = float(one["true"])
                    off = pull(value, true, error) if error > 0 else math.nan
                    row += [number(true, ".6g"), number(off, "+.1f")]
                rows.append((*row, number(error / bound if bound > 0 else math.nan, ".2f")))
    notes = (
        "S = sum_a g_a O_a, each pair of sites counted once. The bound is the error of maximum "
        "likelihood on the same configurations: that of Cramér and Rao if they are independent.",
    )
    return Table("Learned couplings", columns, tuple(rows), notes)


def _known(tree: xr.DataTree, point: Learned) -> dict[str, str]:
    """Return the cells of what only some energies have, by name."""
    found: dict[str, str] = {}
    model, draws, along = (
        dataset_of(tree, f"{point.group}/{name}") for name in ("model", "draws", ALONG)
    )
    trained = {} if model is None else json.loads(model.attrs.get("trained_by", "{}"))
    if "k" in trained:
        tau, k = float(trained["tau"]), int(trained["k"])
        if along is not None and "needed" in along:  # chains from two starts see more
            tau = max(tau, float(along["needed"][-1]))
        found["memory"] = f"{tau:.3g} / {k}"
        found["training"] = "out of equilibrium" if tau > k else "in equilibrium"
    if along is not None:
        value, error = (float(along[name][-1]) for name in ("log_z", "log_z_error"))
        found["along"] = format_estimate(value, error)
    if draws is not None and "round_trips" in draws:
        found["trips"] = f"{int(draws['round_trips'].sum()):,}"
    return found


def _energies(scan: Scan, tree: xr.DataTree, grid: xr.Dataset, points: list[Learned]) -> Table:
    several = "ess_share" in grid
    known = [_known(tree, point) for point in points]
    more = [column for name, column in _MORE.items() if any(name in each for each in known)]
    columns = (
        *axes(scan),
        Column("generator", "name"),
        Column("log Z of\nthe model", "strong", "model"),
        Column("from below", page_only=True),
        Column("from above", page_only=True),
        Column("annealed"),
        *([Column("ess of\nweights")] if several else []),
        Column("tau_int"),
        Column("R-hat", page_only=True),
        *more,
    )
    rows: list[tuple[str, ...]] = []
    for point, also in zip(points, known, strict=True):
        ds = dataset_of(tree, f"{point.group}/{LOG_Z}")
        i, j = point.place.at
        at = grid.sel(generator=point.label).isel({"L": i, grid["ess"].dims[-1]: j})
        row = [*where(scan, point.place), point.label]
        if ds is None or ds.attrs.get("refused"):
            row += ["" if ds is None else "refused", "", "", ""]
        else:
            bounds = [
                format_estimate(float(ds[name]), float(ds[f"{name}_error"])) if name in ds else ""
                for name in ("log_z_lower", "log_z_upper")
            ]
            value = format_estimate(float(ds["log_z"]), float(ds["log_z_error"]))
            exact = ds.attrs["exactness"] == "exact"
            closes = "both ways" if bool(ds.get("closes", True)) else "does not close"
            row += [value, *bounds, "summed" if exact else closes]
        if several:
            row.append(number(float(at["ess_share"]), ".3f"))
        row += [number(float(at["tau_int"]), ".3g"), number(float(at["r_hat"]), ".4f")]
        row += [also.get(name, "") for name, column in _MORE.items() if column in more]
        rows.append(tuple(row))
    notes = (
        "log Z is summed exactly, or found by annealing from independent sites and back; its "
        "error does not contain the errors of learned couplings. Numbers of an energy are those "
        "of its own chains: no weight corrects them. The effective share of the weights towards "
        "the true action is 1 for the true energy. tau_int is that of the slowest observable, in "
        "draws.",
        *(text for name, text in _SAID.items() if any(name in each for each in known)),
    )
    return Table("Energies", columns, tuple(rows), notes)

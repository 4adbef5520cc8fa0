"""The table of models that were fitted to configurations whose action nobody knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.errors import mean_estimate
from physgen.analysis.format import format_estimate
from physgen.workflow.lattice.drawing import HELD_OUT
from physgen.workflow.lattice.learned_summary import number
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import Column, Table, dataset_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NOTES", "table"]

NOTES = (
    "The action is not known: draws of the models have no weights, and what the models miss is "
    "in their numbers. A pull is the difference from the data in units of its error.",
)


def table(scan: Scan, tree: xr.DataTree, seconds: Mapping[str, float]) -> Table:
    """Return how well each model predicts what it was not fitted to.

    Parameters
    ----------
    seconds : mapping of str to float
        CPU seconds of training, by group of a model.
    """
    points = [point for place in scan.places() for point in scan.learned(place)]
    data = dataset_of(tree, "data")
    n_chains = 1 if data is None else data.sizes["chain"]
    losses = {p.label: _held_out(dataset_of(tree, f"{p.group}/draws"), n_chains) for p in points}
    known = [loss for loss in losses.values() if loss is not None]
    best = min(known, key=lambda loss: float(loss.mean()), default=np.zeros((1, 1)))
    columns = (
        Column("generator", "name"),
        Column("held-out\nNLL / site", "strong", "model"),
        *([Column("above\nthe best")] if len(points) > 1 else []),
        Column("steps"),
        Column("CPU s", page_only=True),
    )
    rows: list[tuple[str, ...]] = []
    for point in points:
        history, loss = dataset_of(tree, f"{point.group}/training"), losses[point.label]
        bound = "< " if point.section.is_joint else ""
        row = [point.label, "" if loss is None else bound + _estimate(loss)]
        if len(points) > 1:
            row.append("" if loss is None or loss is best else _estimate(loss - best))
        row.append("" if history is None else f"{int(history['step'][-1]):,}")
        rows.append((*row, number(seconds.get(point.group, math.nan), ".0f")))
    notes = (
        *NOTES,
        "NLL is the entropy of the data, which nobody knows, and the divergence from them, in "
        "nat: of two models the lower one is nearer, by the difference. The end of every chain is "
        "held out. Of a joint model (<) only a bound is known, which is higher: it may be nearer "
        "than it seems.",
    )
    return Table("Fits", columns, tuple(rows), notes)


def _estimate(series: np.ndarray) -> str:
    value, error, _ = mean_estimate(series)
    return format_estimate(value, error)


def _held_out(draws: xr.Dataset | None, n_chains: int) -> np.ndarray | None:
    """Return the losses as series of chains: they were held out draw by draw."""
    if draws is None or HELD_OUT not in draws:
        return None
    values = draws[HELD_OUT].values
    if len(values) < n_chains:
        return values[None]
    return values[len(values) % n_chains :].reshape(-1, n_chains).T

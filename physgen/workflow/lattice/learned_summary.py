"""The tables of a run with models: every quantity from every generator, and free energies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.format import format_estimate
from physgen.workflow.lattice.generators import Place
from physgen.workflow.lattice.grid import quantities
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import Column, Table
from physgen.workflow.target.quantities import head

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "NOTES",
    "axes",
    "figures",
    "number",
    "quantities_table",
    "tables",
    "warnings",
    "where",
]

NOTES = (
    "log Z is absolute: no path of couplings is integrated. Errors are one standard error, pulls "
    "are differences in units of their error: from the first generator that has the quantity, and "
    "from the exact value.",
)
POOR = 0.1  # effective share below which a model is said to be poor
TERMINAL_ROWS = 16
MAIN = (
    "free_energy_per_site", "entropy_per_site", "energy_per_site", "action_per_site", "phi2",
    "abs_magnetization", "correlation_length",
)  # fmt: skip


def tables(
    scan: Scan, grid: xr.Dataset, side_by_side: xr.Dataset | None, seconds: Mapping[str, float]
) -> tuple[Table, ...]:
    """Return the tables of a run with models; `seconds` of training by group of a model."""
    return (
        quantities_table(scan, grid, side_by_side),
        _free_energies(scan, grid, side_by_side, seconds),
    )


def figures(found: tuple[Table, ...]) -> dict[str, str]:
    """Return what runs are compared by: the numbers that matter most, by their full names."""
    numbers: dict[str, str] = {}
    for table in found:
        strong = [k for k, column in enumerate(table.columns) if column.kind == "strong"]
        names = [k for k in range(min(strong)) if table.columns[k].kind != "text"]
        for row in table.rows:
            at = " ".join(row[k] for k in names)
            for k in strong:
                name = table.columns[k].head.replace("\n", " ")
                numbers[f"{at} {name}".strip()] = row[k]
    return numbers


def warnings(scan: Scan, grid: xr.Dataset) -> Iterator[str]:
    """Yield which models are poor."""
    if "ess_share" not in grid:
        return
    for place in scan.places():
        for point in scan.learned(place):
            share = _known(grid, "ess_share", _at(grid, point.label, place))
            if share < POOR and point.section.is_weighed:
                yield f"{point.text}: an effective share of {share:.2g} is poor; train longer"


def quantities_table(scan: Scan, grid: xr.Dataset, side_by_side: xr.Dataset | None) -> Table:
    """Return every quantity from every generator."""
    exact = any(f"{name}_exact" in grid for name in quantities(grid))
    beside = [Column("exact"), Column("pull from\nexact")] if exact else []
    several = side_by_side is not None
    columns = [
        *axes(scan),
        Column("quantity", "name"),
        Column("generator", "name"),
        Column("value", "strong", "model"),
        *([Column("pull from\nfirst")] if several else []),
        *beside,
    ]
    rows: list[tuple[str, ...]] = []
    main: list[int] = []
    for place in scan.places():
        for name in quantities(grid):
            for label in scan.labels:
                at = _at(grid, label, place)
                value, error = (_known(grid, each, at) for each in (name, f"{name}_error"))
                if not math.isfinite(value) or name == "log_z":
                    continue
                cells = [head(name), label, format_estimate(value, error)]
                if several:
                    cells.append(number(_pull(side_by_side, name, label, place), "+.1f"))
                if exact:
                    cells.append(number(_known(grid, f"{name}_exact", at), ".6f"))
                    cells.append(number(_known(grid, f"{name}_pull", at), "+.1f"))
                if name in MAIN:
                    main.append(len(rows))
                rows.append((*where(scan, place), *cells))
    shown = tuple(range(len(rows))) if len(rows) <= TERMINAL_ROWS else tuple(main)
    return Table("Observables", tuple(columns), tuple(rows), (), shown)


def _free_energies(
    scan: Scan, grid: xr.Dataset, side_by_side: xr.Dataset | None, seconds: Mapping[str, float]
) -> Table:
    exact = "log_z_exact" in grid
    # Where log Z is known, pulls from it say more than pulls from another generator.
    several = side_by_side is not None and not exact and "log_z" in quantities(grid)
    columns = (
        *axes(scan),
        Column("generator", "name"),
        Column("log Z", "strong", "model"),
        *([Column("log Z\nexact"), Column("pull from\nexact")] if exact else []),
        *([Column("pull from\nfirst")] if several else []),
        Column("F / V", "strong", "model", page_only=True),
        Column("ess"),
        Column("ess\nforward"),
        Column("k-hat"),
        Column("CPU s", page_only=True),
        Column("round\ntrip", page_only=True),
    )
    rows: list[tuple[str, ...]] = []
    for place in scan.places():
        V = int(grid["n_sites"][place.at[0]])
        densities = (p for p in scan.learned(place) if p.section.is_weighed)
        for point in (*densities, *scan.annealed(place)):
            known = partial(_known, grid, at=_at(grid, point.label, place))
            log_z, error = known("log_z"), known("log_z_error")
            rows.append((
                *where(scan, place), point.label,
                "refused" if math.isnan(log_z) else format_estimate(log_z, error),
                *([number(known("log_z_exact"), ".5f"), number(known("log_z_pull"), "+.1f")]
                  if exact else []),
                *([number(_pull(side_by_side, "log_z", point.label, place), "+.1f")]
                  if several and side_by_side is not None else []),
                "" if math.isnan(log_z) else format_estimate(-log_z / V, error / V),
                number(known("ess_share"), ".3f"), number(known("ess_forward"), ".3f"),
                number(known("k_hat"), ".2f"),
                number(seconds.get(point.group, math.nan), ".0f"),
                number(known("round_trip"), ".1e"),
            ))  # fmt: skip
    notes = (
        "ess is the smaller of the reverse and the forward effective share; 0 where log Z is "
        "contradicted by an independent one.",
    )
    return Table("Free energy", columns, tuple(rows), notes)


def axes(scan: Scan) -> list[Column]:
    """Return the columns of extent and coupling, where a run has several."""
    heads = [] if scan.extents == [None] else [Column("L", "axis")]
    return heads + ([] if scan.values == [None] else [Column(scan.coupling, "axis")])


def where(scan: Scan, place: Place) -> list[str]:
    """Return the cells of extent and coupling."""
    first = [] if scan.extents == [None] else [str(place.L)]
    return first + ([] if scan.values == [None] else [f"{place.value:.6g}"])


def _at(grid: xr.Dataset, label: str, place: Place) -> tuple[int, ...]:
    """Return where the numbers of one generator at one place are: (generator, L, coupling)."""
    return (grid["generator"].values.tolist().index(label), *place.at)


def _known(grid: xr.Dataset, name: str, at: tuple[int, ...]) -> float:
    """Return a number of the grid, NaN if it has none; exact values are of no generator."""
    if name not in grid:
        return math.nan
    values = grid.variables[name].values
    return float(values[at[len(at) - values.ndim :]])


def _pull(side_by_side: xr.Dataset, name: str, label: str, place: Place) -> float:
    """Return the pull of a generator from the first one; NaN of the first itself."""
    if label not in side_by_side["other"].values:
        return math.nan
    pull = side_by_side.sel(quantity=name, other=label)["pull"].values
    return float(pull[place.at]) if np.ndim(pull) else float(pull)


def number(value: float, form: str) -> str:
    """Return a number as `form` has it; nothing if it is not known."""
    return "" if math.isnan(value) else format(value, form)

"""The result of a neural run in words and numbers, from one run file."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import xarray as xr

from physgen.analysis.format import format_estimate
from physgen.workflow.loading import config_of_run
from physgen.workflow.neural.points import Points
from physgen.workflow.summary import Column, Summary, Table, dataset_of
from physgen.workflow.target.quantities import head

__all__ = ["summarize"]

TERMINAL = (
    "free_energy_per_site", "entropy_per_site", "energy_per_site", "action_per_site", "phi2",
    "abs_magnetization",
)  # fmt: skip
POOR = 0.1  # effective share below which a model is said to be poor


def summarize(tree: xr.DataTree) -> Summary:
    """Summarise an open run, as far as it has come."""
    points = Points(config_of_run(tree.attrs))  # type: ignore[arg-type]
    title, coupling = points.text, points.coupling
    comparison = dataset_of(tree, "comparison")
    if comparison is None:
        done = [dataset_of(tree, f"{p.group}/model") is not None for p in points]
        return Summary(f"{title}; {sum(done)} of {len(done)} points trained")
    tables = (_observables(comparison, coupling), _free_energies(comparison, coupling))
    return Summary(
        title=title,
        tables=tables,
        warnings=tuple(_warnings(comparison)),
        notes=(
            "log Z is absolute: no path of couplings is integrated. Errors are one standard "
            "error, pulls are differences in units of their error.",
        ),
        figures=_figures(tables),
    )


def _where(at: xr.Dataset, coupling: str) -> list[str]:
    L, value = float(at["L"]), float(at["coupling"])
    first = [] if math.isnan(L) else [f"{L:.0f}"]
    return first + ([] if math.isnan(value) else [f"{value:.6g}"])


def _heads(comparison: xr.Dataset, coupling: str) -> list[Column]:
    heads = [] if np.isnan(comparison["L"]).all() else [Column("L", "name")]
    return heads + ([] if np.isnan(comparison["coupling"]).all() else [Column(coupling)])


def _free_energies(comparison: xr.Dataset, coupling: str) -> Table:
    exact = bool(np.isfinite(comparison["exact_log_z"]).any())
    smc_known = bool(np.isfinite(comparison["smc_log_z"]).any())
    columns = [
        *_heads(comparison, coupling),
        Column("log Z", "strong", "model"),
        *([Column("log Z\nSMC")] if smc_known else []),
        *([Column("log Z\nexact"), Column("pull\nexact")] if exact else [Column("pull\nSMC")]),
        Column("F / V", "strong", "model"),
        Column("ess"),
        Column("ess\nforward"),
        Column("k-hat"),
        Column("CPU s", page_only=True),
        Column("round\ntrip", page_only=True),
    ]
    rows = []
    for i in range(comparison.sizes["point"]):
        at = comparison.isel(point=i)
        log_z, error, V = (float(at[k]) for k in ("log_z", "log_z_error", "n_sites"))
        smc, smc_error, known = (
            float(at[k]) for k in ("smc_log_z", "smc_log_z_error", "exact_log_z")
        )
        by_smc = [_shown(smc, smc_error)] if smc_known else []
        if exact:
            beside = [_number(known, ".5f"), _number((log_z - known) / error, "+.1f")]
        else:
            beside = [_number((log_z - smc) / math.hypot(error, smc_error), "+.1f")]
        rows.append((
            *_where(at, coupling), format_estimate(log_z, error), *by_smc, *beside,
            format_estimate(-log_z / V, error / V), _number(float(at["ess_share"]), ".3f"),
            _number(float(at["ess_forward"]), ".3f"), _number(float(at["k_hat"]), ".2f"),
            f"{float(at['cpu_seconds']):.0f}", _number(float(at["round_trip"]), ".1e"),
        ))  # fmt: skip
    notes = (
        "ess is the smaller of the reverse and the forward effective share; 0 where log Z is "
        "contradicted by an independent one.",
    )
    return Table("Free energy", tuple(columns), tuple(rows), notes)


def _observables(comparison: xr.Dataset, coupling: str) -> Table:
    exact = bool(np.isfinite(comparison["exact"]).any())
    columns = [
        *_heads(comparison, coupling),
        Column("quantity", "name"),
        Column("weighted\ndraws", "strong", "model"),
        Column("Markov\nchains", source="data"),
        Column("pull"),
        *([Column("exact"), Column("pull")] if exact else []),
    ]
    rows = []
    for i in range(comparison.sizes["point"]):
        for name in comparison["quantity"].values:
            at = comparison.isel(point=i).sel(quantity=name)
            if math.isnan(float(at["value"])):
                continue
            cells = [
                head(str(name)),
                format_estimate(float(at["value"]), float(at["error"])),
                _shown(float(at["chains"]), float(at["chains_error"])),
                _number(float(at["pull_chains"]), "+.1f"),
            ]
            if exact:
                cells += [_number(float(at["exact"]), ".6f")]
                cells += [_number(float(at["pull_exact"]), "+.1f")]
            rows.append((*_where(at, coupling), *cells))
    shown = tuple(range(len(rows))) if len(rows) <= 16 else tuple(
        k for k, row in enumerate(rows)
        if {head(name) for name in TERMINAL} & set(row)
    )  # fmt: skip
    return Table("Observables", tuple(columns), tuple(rows), (), shown)


def _warnings(comparison: xr.Dataset) -> Iterator[str]:
    yield from filter(None, str(comparison.attrs["warnings"]).split("\n"))
    for i in np.flatnonzero(comparison["ess_share"].values < POOR):
        at = comparison.isel(point=int(i))
        yield (
            f"{str(at['group'].values).removeprefix('points/')}: an effective share of "
            f"{float(at['ess_share']):.2g} is poor; train longer"
        )


def _figures(tables: tuple[Table, ...]) -> dict[str, str]:
    found = {}
    for table in tables:
        names = [k for k, c in enumerate(table.columns) if c.source == "model"]
        first = names[0]
        for row in table.rows:
            where = " ".join(row[:first])
            for k in names:
                head = table.columns[k].head.replace("\n", " ")
                found[f"{where} {head}".strip()] = row[k]
    return found


def _shown(value: float, error: float) -> str:
    return "" if math.isnan(value) else format_estimate(value, error)


def _number(value: float, how: str) -> str:
    return "" if math.isnan(value) else format(value, how)

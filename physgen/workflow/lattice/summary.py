"""The result of a scan in words and numbers, from one run file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.format import format_estimate
from physgen.workflow.lattice import comparison_summary as compared
from physgen.workflow.lattice import correlations, raw
from physgen.workflow.lattice import energies_summary as energies
from physgen.workflow.lattice import fitted_summary as fitted
from physgen.workflow.lattice import learned_summary as learned
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.grid import joint, quantities
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import Column, Summary, Table, dataset_of
from physgen.workflow.target.exact import continuum_coupling, critical_coupling
from physgen.workflow.target.quantities import QUANTITIES, head

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["summarize"]

MANY_ROWS = 24  # more do not fit a terminal: then the middle and the ends of the scan are shown
TERMINAL = ("energy_per_site", "phi2", "abs_magnetization", "binder", "correlation_length")
LEARNED = "models without weights"
ALARM = 1e-3  # probability below which a disagreement is told
MANY_WARNINGS = 4
MANY_CHECKS = 12


def summarize(tree: xr.DataTree, config: Config) -> Summary:
    """Summarise an open run, as far as it has come."""
    scan = Scan(config)
    estimates = dataset_of(tree, "estimates")
    if estimates is None:
        return Summary(f"{_title(scan)}; {_progress(scan, tree)}")
    side_by_side = dataset_of(tree, "agreement")
    apart = [m.label for m in config.model if not m.is_weighed]
    checks = list(_checks(estimates, side_by_side, apart))
    crossings = _crossings(scan, dataset_of(tree, "crossings"))
    if scan.config.model:
        seconds = _seconds(tree)
        if scan.config.data is None:
            main = learned.tables(scan, estimates, side_by_side, seconds)
            notes = learned.NOTES
        else:
            table = learned.quantities_table(scan, estimates, side_by_side)
            main = (table, fitted.table(scan, tree, seconds))
            notes = fitted.NOTES
        main = (*main, *energies.tables(scan, tree, estimates))
        unweighted = raw.table(scan, tree, estimates)
        main = (*main, *([unweighted] if unweighted else []))
        main = (*main, *compared.tables(scan, tree))
        figures = learned.figures(main)
    else:
        main = (_points(scan, estimates),)
        notes = _notes(main[0])
        figures = _figures(main[0], (len(scan.labels) > 1) + 1 + bool(scan.coupling))
    others = (*([crossings] if crossings else []), _check_table(checks))
    figures = figures | {row[0]: row[1] for table in others for row in table.rows}
    if (curves := dataset_of(tree, "correlators")) is not None:
        main = (*main, correlations.table(curves))
    # A terminal ends with what matters most.
    tables = (*main, *others) if not scan.config.model else (*others, *main)
    warned = (
        *learned.warnings(scan, estimates),
        *_warnings(scan, estimates, checks),
        *compared.warnings(tree),
    )
    return Summary(_title(scan), tables, warned, notes, figures)


def _title(scan: Scan) -> str:
    return f"{scan.text}; {' and '.join(scan.labels)}"


def _progress(scan: Scan, tree: xr.DataTree) -> str:
    """Return how far a run has come that has no estimates yet."""
    done: list[str] = []
    kinds = ((scan.chains, "", "drawn"), (scan.learned, "/model", "trained"))
    for points, tail, word in kinds:
        groups = [f"{p.group}{tail}" for place in scan.places() for p in points(place)]
        found = [dataset_of(tree, group) for group in groups]
        whole = [ds for ds in found if ds is not None and (tail or ds.attrs.get("complete"))]
        if groups:
            done.append(f"{len(whole)} of {len(groups)} points {word}")
    return ", ".join(done)


def _seconds(tree: xr.DataTree) -> dict[str, float]:
    """Return the CPU seconds of training of every model, by group."""
    record = dataset_of(tree, "trained")
    if record is None:
        return {}
    return dict(zip(map(str, record["group"].values), map(float, record["cpu_seconds"].values)))


def _points(scan: Scan, estimates: xr.Dataset) -> Table:
    """Return the table of all points."""
    names = quantities(estimates)
    several, coupling = len(scan.labels) > 1, scan.coupling
    columns = [Column("generator", "name")] if several else []
    columns += [Column("L", "axis"), *([Column(coupling, "axis")] if coupling else [])]
    terminal = TERMINAL if not several else [n for n in TERMINAL if n != "phi2"]  # no room
    with_pull = next((n for n in names if n in terminal and f"{n}_pull" in estimates), None)
    for name in names:
        brief, shown_as = name in terminal or name not in QUANTITIES, head(name)
        columns.append(Column(shown_as, page_only=not brief))
        if f"{name}_pull" in estimates:
            columns.append(Column(f"pull\n{shown_as}", page_only=several or name != with_pull))
    columns += [Column("tau_int"), Column("R-hat", page_only=True), Column("ess", page_only=True)]
    rows: list[tuple[str, ...]] = []
    shown: list[int] = []
    keep = _kept(scan, estimates)
    for i, L in enumerate(scan.extents):
        for j, value in enumerate(scan.values):
            for k, label in enumerate(scan.labels):
                at = estimates.isel({"generator": k, "L": i, estimates["ess"].dims[-1]: j})
                if j in keep:
                    shown.append(len(rows))
                start = [label] if several else []
                start += ["" if L is None else str(L)]
                start += [f"{value:.6g}"] if coupling and value is not None else []
                rows.append((*start, *_cells(at, names)))
    table = tuple(rows)
    notes = (
        "Errors are one standard error; a pull is (measured - exact) / error; tau_int is that of "
        "the slowest observable, in draws.",
    )
    return Table("Points", tuple(columns), table, notes, tuple(shown))


def _kept(scan: Scan, estimates: xr.Dataset) -> set[int]:
    """Return which couplings the terminal shows: all, or the ends and around the transition."""
    n = len(scan.values)
    if scan.n_points <= MANY_ROWS or n < 6:
        return set(range(n))
    center = n // 2
    critical = critical_coupling(scan)
    if critical is not None:
        center = int(np.argmin(np.abs(np.array(scan.values, dtype=float) - critical)))
    elif "chi_abs" in estimates and len(scan.extents):
        peak = estimates["chi_abs"].values[0, -1]
        center = int(np.nanargmax(peak)) if np.isfinite(peak).any() else center
    return {0, n - 1} | {k for k in (center - 1, center, center + 1) if 0 <= k < n}


def _cells(at: xr.Dataset, names: list[str]) -> Iterator[str]:
    for name in names:
        value, error = float(at[name]), float(at[f"{name}_error"])
        yield format_estimate(value, error) if np.isfinite(value) else ""
        if f"{name}_pull" in at:
            found = float(at[f"{name}_pull"])
            yield f"{found:+.1f}" if np.isfinite(found) else ""
    for name, form in (("tau_int", ".3g"), ("r_hat", ".4f"), ("ess", ",.0f")):
        yield _figure(float(at[name]) if name in at else np.nan, form)


def _figure(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else ""


def _crossings(scan: Scan, found: xr.Dataset | None) -> Table | None:
    """Return where the Binder cumulants cross, beside the exact critical point."""
    if found is None or not found.sizes.get("pair"):
        return None
    critical = critical_coupling(scan)
    columns = [Column("", "name"), Column(scan.coupling, "strong")]
    columns += [Column("L = inf\nexact"), Column("difference")] if critical is not None else []
    places = list(zip(found["coupling"].values.tolist(), found["coupling_error"].values.tolist()))
    scaled = [c for place in places if (c := continuum_coupling(scan, *place)) is not None]
    scaled = scaled if len(scaled) == len(places) else []
    columns += [Column("lambda/mu^2")] * bool(scaled) + [Column("U there")]
    rows: list[tuple[str, ...]] = []
    for k, (at, error) in enumerate(places):
        pair = f"U_{int(found['L_small'][k])} = U_{int(found['L_large'][k])}"
        row = [pair, format_estimate(at, error)]
        if critical is not None:
            row += [f"{critical:.6f}", f"{at - critical:+.5f}"]
        if scaled:
            f, f_error = scaled[k]
            row += [format_estimate(f, f_error)]
        rows.append((*row, f"{float(found['binder'][k]):.4f}"))
    notes = (
        "Curves of two sizes cross at the critical point of the infinite lattice, but for "
        "corrections to scaling that vanish with L.",
    )
    return Table("Binder crossings", tuple(columns), tuple(rows), notes)


def _checks(
    estimates: xr.Dataset, side_by_side: xr.Dataset | None, without_weights: list[str]
) -> Iterator[tuple[str, ...]]:
    """Yield each check: what, the result, how it is to be read, and p where there is one.

    Learned energies and generators are approximate, and are compared with exact values apart from
    all others.
    """
    apart = np.isin(estimates["generator"].values, without_weights)
    for name in quantities(estimates):
        for of, said in ((~apart, "exact"), (apart, f"exact, {LEARNED}")):
            if f"{name}_pull" in estimates and of.any():
                chi2, n, p = joint(estimates[f"{name}_pull"].values[of])
                if n:
                    what = f"{estimates[name].attrs['long_name']}, {said}"
                    yield what, f"{chi2 / n:.2f}", f"chi^2 / {n}, p = {p:.2g}", str(p)
    if side_by_side is not None:
        yield from _agreements(estimates, side_by_side)
    for name, what, worst, form in (
        ("r_hat", "largest R-hat", np.nanargmax, ".4f"),
        ("tau_int", "longest tau_int", np.nanargmax, ".3g"),
        ("ess", "fewest independent draws", np.nanargmin, ",.0f"),
    ):
        values = estimates[name].values if name in estimates else np.empty(0)
        if np.isfinite(values).any():
            where = np.unravel_index(int(worst(values)), values.shape)
            yield what, format(values[where], form), f"at {_place(estimates, where)}", ""


def _agreements(estimates: xr.Dataset, side_by_side: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """Yield how the generators agree: quantity by quantity, or as a whole where they are many."""
    pulls, first = side_by_side["pull"].values, side_by_side["reference"].values
    names, others = side_by_side["quantity"].values, side_by_side["other"].values
    if len(names) * len(others) > MANY_CHECKS:
        for o, other in enumerate(others):
            found = pulls[:, o][np.isfinite(pulls[:, o])]
            if found.size:
                rms, worst = np.sqrt(np.mean(found**2)), np.abs(found).max()
                how = f"rms of {found.size} pulls, the largest {worst:.1f}"
                beside = dict.fromkeys(first[np.isfinite(pulls[:, o]).any(axis=(1, 2))])
                yield f"{other} and {' or '.join(beside)}", f"{rms:.2f}", how, ""
        return
    for q, name in enumerate(names):
        for o, other in enumerate(others):
            chi2, n, p = joint(pulls[q, o])
            if n:
                what = f"{estimates[str(name)].attrs['long_name']}, {other}"
                how = f"chi^2 / {n} against {first[q]}, p = {p:.2g}"
                yield what, f"{chi2 / n:.2f}", how, str(p)


def _place(estimates: xr.Dataset, where: tuple[np.intp, ...]) -> str:
    """Return generator and point in words; L is 0 and the coupling NaN where there is none."""
    dims = estimates["ess"].dims
    label, L, value = (estimates[d].values[w] for d, w in zip(dims, where))
    parts = [str(label), *([f"L = {L}"] if L else [])]
    return ", ".join(parts + ([f"{dims[2]} = {value:g}"] if np.isfinite(value) else []))


def _check_table(checks: list[tuple[str, ...]]) -> Table:
    columns = (Column("", "name"), Column("estimate", "strong"), Column("how", "text"))
    return Table("Checks", columns, tuple((a, b, c) for a, b, c, _ in checks))


def _warnings(scan: Scan, estimates: xr.Dataset, checks: list[tuple[str, ...]]) -> Iterator[str]:
    learned_only = [m.label for m in scan.config.model if not m.is_weighed or scan.config.data]
    for what, value, _, p in checks:
        misses = what.endswith((LEARNED, *(f", {label}" for label in learned_only)))
        advice = "the model misses it" if misses else "do not trust this run"
        if p and float(p) < ALARM:
            yield f"{what}: chi^2 per point is {value}, p = {float(p):.1g}; {advice}"
    # What is said of a model without weights is seldom mended by longer chains of the target.
    approximate_too = any(not m.is_weighed for m in scan.config.model)
    more = "; raise [sampler] n_draws" if scan.samplers and not approximate_too else ""
    told = [line for line in str(estimates.attrs.get("warnings", "")).split("\n") if line]
    yield from told[:MANY_WARNINGS]
    if len(told) > MANY_WARNINGS:
        yield f"and {len(told) - MANY_WARNINGS} more such points{more}"
    least = scan.config.validate_.ess_min
    ess = estimates["ess"].values
    few = int(np.sum(ess < least))
    if few:
        yield (
            f"{few} of {ess.size} points have fewer than {least:g} independent draws, the worst "
            f"{np.nanmin(ess):.0f}: their errors are rough{more}"
        )


def _notes(points: Table) -> tuple[str, ...]:
    shown, n = points.shown or (), len(points.rows)
    hidden = f"{len(shown)} of {n} points; all of them are in report.html.  " * (len(shown) < n)
    return (hidden + points.notes[0],)


def _figures(points: Table, n_axes: int) -> dict[str, str]:
    """Return what runs are compared by: the points that a terminal shows."""
    found: dict[str, str] = {}
    shown = points.shown if points.shown is not None else range(len(points.rows))
    for row in (points.rows[k] for k in shown):
        at = ", ".join(
            cell if column.kind == "name" else f"{column.head} = {cell}"
            for column, cell in zip(points.columns[:n_axes], row)
        )
        for column, cell in zip(points.columns[n_axes:], row[n_axes:]):
            if not column.page_only and "pull" not in column.head:
                found[f"{column.head}, {at}"] = cell
    return found

"""The result of a reconstruction in words and numbers, from one run file."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physgen.analysis.format import format_estimate, is_zero_error, pull
from physgen.workflow.reconstruction.tables import Distance, Row, figures_of, tables_of
from physgen.workflow.summary import Summary, dataset_of

__all__ = ["Distance", "Row", "distances_of", "observables_of", "rows_of", "summarize"]

STATE_ERROR = 1e-8  # relative energy error above which a state is not the ground state
FEW_SAMPLES = 1000  # below this an error bar is itself uncertain by more than 2 %
ALARM_SIGMA = 4.0  # standard errors that call an alarm
ROUNDING = 1e-6  # of the model's float32 arithmetic, in a mass


def summarize(tree: xr.DataTree) -> Summary:
    """Summarise an open run, as far as it has come."""
    sources = observables_of(tree)
    validation = dataset_of(tree, "validation")
    rows, distances = rows_of(tree), distances_of(tree)
    notes = _notes(sources) if rows else ()
    return Summary(
        title=_title(tree),
        tables=tables_of(rows, distances, notes),
        warnings=(
            *_state_warnings(dataset_of(tree, "state")),
            *_warnings(sources, validation, dataset_of(tree, "validation/exact")),
        ),
        notes=notes,
        figures=figures_of(rows, distances),
    )


def _notes(sources: dict[str, xr.Dataset]) -> tuple[str, ...]:
    of = sources["exact"].attrs.get("exactness_for") if "exact" in sources else None
    return (*_NOTES, _STATE_NOTE) if of == "the state" else _NOTES


_NOTES = (
    "Errors are one standard error.  Those of the model are of its sampling alone: they do not "
    "contain the error of the fit, so a large pull of the model is its bias.",
)
_STATE_NOTE = (
    "The exact column holds the values of the given state itself, not of the ground state of H."
)


def observables_of(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the observables by source: data, model and, if the state is known, exact."""
    found = {name: dataset_of(tree, f"observables/{name}") for name in ("data", "model", "exact")}
    return {name: ds for name, ds in found.items() if ds is not None}


def _title(tree: xr.DataTree) -> str:
    data = dataset_of(tree, "data")
    if data is None:
        return "run without data yet"
    attrs = data.attrs
    n, L = data["outcomes"].shape
    shots = f"{n:,} {attrs.get('povm', '')} shots"
    if "h" not in attrs:
        return f"{L} sites, {shots}"
    coupling = f"J = {attrs['J']:g}, h = {attrs['h']:g}, {attrs['boundary']}"
    state = str(attrs.get("state", ""))
    if state.startswith("from "):  # it need not have to do with H
        return f"state {state}, L = {L}; H of {coupling}; {shots}"
    return f"TFIM chain, L = {L}, {coupling}; {shots}"


def rows_of(tree: xr.DataTree) -> list[Row]:
    """Return the observables, each from data and model and, if known, exact."""
    sources = observables_of(tree)
    if not sources:
        return []
    any_source = next(iter(sources.values()))
    rows = []
    if "energy" in any_source:
        rows.append(_row("energy <H>", sources, "energy", {}))
    rows.append(_row("mean <X>", sources, "x_mean", {}))
    rows.append(_row("mean <Z>", sources, "z_mean", {}))
    distances = any_source["r"].values
    for index in _few(distances):
        i, r = int(any_source["i"].values[index]), int(distances[index])
        rows.append(_row(f"<Z_{i} Z_{i + r}>", sources, "zz", {"pair": index}))
    return rows


def _few(distances: np.ndarray) -> list[int]:
    """Return where r = 1, 4, 16, ... and the largest r stand."""
    wanted = {int(4**k) for k in range(8)}
    keep = [k for k, r in enumerate(distances) if int(r) in wanted]
    return keep if keep[-1] == len(distances) - 1 else [*keep, len(distances) - 1]


def _row(quantity: str, sources: dict[str, xr.Dataset], name: str, at: dict[str, int]) -> Row:
    cells: dict[str, str] = {"data": "", "model": "", "exact": ""}
    pulls: dict[str, str] = {"data": "", "model": ""}
    exact = float(sources["exact"][name].isel(at)) if "exact" in sources else None
    if exact is not None:
        cells["exact"] = f"{exact:.6f}"
    for source in ("data", "model"):
        if source not in sources:
            continue
        value = float(sources[source][name].isel(at))
        error = float(sources[source][f"{name}_error"].isel(at))
        cells[source] = format_estimate(value, error)
        if exact is not None and not is_zero_error(value, error):
            pulls[source] = f"{pull(value, exact, error):+.1f}"
    return Row(quantity, **cells, pull_data=pulls["data"], pull_model=pulls["model"])


def distances_of(tree: xr.DataTree) -> list[Distance]:
    """Return the distances between model and state, or what is known instead of them."""
    validation, exact = dataset_of(tree, "validation"), dataset_of(tree, "validation/exact")
    if validation is None:
        return []
    if "fidelity" not in validation:
        nll, error = float(validation["nll"]), float(validation["nll_error"])
        how = str(validation["nll"].attrs.get("estimator", ""))
        if nll != nll:
            return [Distance("held-out NLL per site", "", "", how)]
        estimate = format_estimate(nll, error if error == error else None)
        return [Distance("held-out NLL per site", estimate, "", f"nat/site; {how}")]
    found = []
    for k, (name, quantity, meaning) in enumerate(_DISTANCES):
        value, error = validation[name], validation[f"{name}_error"]
        if value.ndim:  # the fidelity, from either side
            value, error = value[k], error[k]
        enumerated = f"{float(exact[name]):.6f}" if exact is not None else ""
        estimate = format_estimate(float(value), float(error))
        found.append(Distance(quantity, estimate, enumerated, meaning))
    return found


_DISTANCES = (
    ("fidelity", "F_c = sum sqrt(PQ)", "from samples of the state"),
    ("fidelity", "F_c = sum sqrt(PQ)", "from samples of the model"),
    ("kl_forward", "KL(P||Q)", "nats, from samples of the state"),
    ("kl_reverse", "KL(Q||P)", "nats, from samples of the model"),
)


def _state_warnings(state: xr.Dataset | None) -> list[str]:
    if state is None or "energy_error" not in state.attrs:
        return []
    energy, excess = float(state.attrs["energy"]), float(state.attrs["energy_error"])
    if state.attrs["converged"] and abs(excess) <= STATE_ERROR * abs(energy - excess):
        return []
    ended = "" if state.attrs["converged"] else " and still changed in the last sweep"
    return [
        f"the measured state is not quite the ground state: its energy is {excess:.1e} above E0"
        f"{ended}; raise [state] chi_max"
    ]


def _warnings(
    sources: dict[str, xr.Dataset], validation: xr.Dataset | None, exact: xr.Dataset | None
) -> list[str]:
    warnings = []
    for source, ds in sources.items():
        names = [str(v) for v in ds.data_vars if str(v).endswith("_unphysical")]
        bad = [name.removesuffix("_unphysical") for name in names if bool((ds[name] > 0).any())]
        if bad:
            warnings.append(
                f"unphysical estimate from the {source}: {', '.join(bad)} lies outside its range "
                "by more than chance allows; do not trust it without more shots"
            )
        warnings += _zero_error_warnings(source, ds)
        n = int(ds.attrs.get("n", FEW_SAMPLES))
        if n < FEW_SAMPLES:
            warnings.append(f"only {n:,} shots behind the {source} column: its errors are rough")
    if validation is None or "fidelity" not in validation:
        return warnings
    return warnings + _distance_warnings(validation, exact)


def _zero_error_warnings(source: str, ds: xr.Dataset) -> list[str]:
    """Tell of observables that came out the same in every shot: their error is not zero."""
    names = [str(name) for name in ds.data_vars if f"{name}_error" in ds]
    frozen = [
        name
        for name in names
        if all(map(is_zero_error, ds[name].values.flat, ds[f"{name}_error"].values.flat))
    ]
    if not frozen or int(ds.attrs.get("n", FEW_SAMPLES)) < 2:
        return []
    if frozen == names:
        return [f"all shots behind the {source} column are identical: no error can be given"]
    listed = ", ".join(frozen)
    return [f"all shots of the {source} give the same {listed}: no error can be given"]


def _distance_warnings(validation: xr.Dataset, exact: xr.Dataset | None) -> list[str]:
    warnings = []
    n = int(validation["n_validation"])
    if n < FEW_SAMPLES:
        warnings.append(f"only {n:,} samples behind F_c and KL: raise [validate] n_samples")
    for name, label, wide, narrow in (
        ("kl_forward", "KL(P||Q)", "state", "model"),
        ("kl_reverse", "KL(Q||P)", "model", "state"),
    ):
        if any(ds is not None and np.isinf(ds[name]) for ds in (validation, exact)):
            warnings.append(
                f"{label} is infinite: the {wide} gives probability to outcomes that the {narrow} "
                "excludes"
            )
    f, error = validation["fidelity"].values, validation["fidelity_error"].values
    spread = float(np.hypot(*error))
    if spread > 0 and abs(f[0] - f[1]) > ALARM_SIGMA * spread:
        warnings.append(
            "F_c from samples of the state and of the model disagree: their weights have heavy "
            "tails, and the errors are too small; raise [validate] n_samples"
        )
    covered = zip(
        validation["covered_mass"].values,
        validation["covered_mass_error"].values,
        (
            "the model gives about {} of its probability to outcomes that the state excludes",
            "the model misses about {} of the state's distribution",
        ),
        strict=True,
    )
    warnings += [
        text.format(f"{1 - mass:.2%}")
        for mass, error, text in covered
        if 1 - mass > ALARM_SIGMA * error + ROUNDING
    ]
    return warnings

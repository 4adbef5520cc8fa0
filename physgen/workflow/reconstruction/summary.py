"""The result of a reconstruction in words and numbers, from one run file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from physgen.analysis.format import format_estimate, is_zero_error, pull
from physgen.workflow.reconstruction.coherence import coherence_figures, coherence_table
from physgen.workflow.reconstruction.config import Config
from physgen.workflow.reconstruction.findings import (
    Place,
    blocks_table,
    intervals_table,
    matrices_table,
    models_table,
)
from physgen.workflow.reconstruction.labels import operators_in
from physgen.workflow.reconstruction.tables import Distance, Row, figures_of, tables_of
from physgen.workflow.reconstruction.warnings import warnings_of
from physgen.workflow.summary import Summary, dataset_of

__all__ = [
    "Distance",
    "Row",
    "distances_of",
    "observables_of",
    "rows_of",
    "summarize",
]

SOURCES = ("data", "model", "exact")
TOMOGRAPHY = ("direct", "likelihood", "model")  # groups in /tomography
NUMBERS = ("fidelity_squared", "purity", "renyi2")


def summarize(tree: xr.DataTree, config: Config) -> Summary:
    """Summarise an open run, as far as it has come."""
    sources = observables_of(tree)
    rows, distances = rows_of(tree), distances_of(tree)
    errors = _refitted(tree)
    own = config.observables.texts()
    notes = (*_notes(sources, errors is not None), *_operators_note(own)) if rows else ()
    observed, *distant = tables_of(rows, distances, notes) or (None,)
    witnesses = _by_source(tree, "witness")
    coherent, told = coherence_table(witnesses)
    found = (
        observed,
        intervals_table(errors, _places(sources)),
        matrices_table(_by_source(tree, "tomography", TOMOGRAPHY), _fitted_numbers(errors)),
        blocks_table(_by_source(tree, "blocks")),
        coherent,
        models_table(dataset_of(tree, "selection")),
        *distant,
    )
    return Summary(
        title=_title(tree),
        tables=tuple(table for table in found if table is not None),
        warnings=warnings_of(tree, sources),
        notes=(*notes, *told),
        figures=figures_of(rows, distances) | coherence_figures(witnesses),
    )


def _notes(sources: dict[str, xr.Dataset], refitted: bool) -> tuple[str, ...]:
    of = sources["exact"].attrs.get("exactness_for") if "exact" in sources else None
    note = _REFITTED_NOTE if refitted else _SAMPLED_NOTE
    if of == "the ground state" and sources["exact"].attrs["exactness"] == "approximate":
        spread = float(sources["exact"].attrs["energy_variance"])
        return (note, _VARIANCE_NOTE.format(f"{spread:.1e}"))
    return (note, _STATE_NOTE) if of == "the state" else (note,)


def _operators_note(texts: dict[str, str]) -> tuple[str, ...]:
    listed = "; ".join(f"{name} = {text}" for name, text in texts.items())
    return (f"Operators of your own: {listed}.",) if listed else ()


_SAMPLED_NOTE = (
    "Errors are one standard error.  Those of the model are of its sampling alone: they do not "
    "contain the error of the fit, so a large pull of the model is its bias."
)
_REFITTED_NOTE = (
    "Errors are one standard error.  Those of the model are from refits to resampled shots: they "
    "contain the error of the fit, and the bias that refits show is removed."
)
_VARIANCE_NOTE = (
    "The exact column holds the values of the ground state as DMRG found it, with <H^2> - <H>^2 = "
    "{}: a level of H lies within the root of this of the energy."
)
_STATE_NOTE = (
    "The exact column holds the values of the given state itself, not of the ground state of H."
)


def observables_of(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the observables by source: data, model and, if the state is known, exact."""
    found = _by_source(tree, "observables")
    if "model" in found and (errors := _refitted(tree)) is not None:
        found["model"] = found["model"].assign(errors.drop_dims(["level", "bound"]))
    return found


def _refitted(tree: xr.DataTree) -> xr.Dataset | None:
    """Return the observables of the model with the error of the fit, if refits were made."""
    errors = dataset_of(tree, "errors")
    return errors if errors is not None and errors.attrs["refits"] else None


def _by_source(
    tree: xr.DataTree, room: str, names: Iterable[str] = SOURCES
) -> dict[str, xr.Dataset]:
    """Return the groups of /room that the run has."""
    found = {name: dataset_of(tree, f"{room}/{name}") for name in names}
    return {name: ds for name, ds in found.items() if ds is not None}


def _fitted_numbers(errors: xr.Dataset | None) -> dict[str, tuple[float, float]]:
    """Return fidelity, purity and entropy of the model with the error of its fit."""
    names = () if errors is None else [n for n in NUMBERS if n in errors]
    return {n: (float(errors[n]), float(errors[f"{n}_error"])) for n in names}  # type: ignore[index]


def _title(tree: xr.DataTree) -> str:
    data = dataset_of(tree, "data")
    if data is None:
        return "run without data yet"
    attrs = data.attrs
    streamed = "outcomes" not in data
    n, L = (attrs["n_shots"], attrs["n_sites"]) if streamed else data["outcomes"].shape
    shots = f"{n:,} {attrs.get('povm', '')} shots"
    if "terms" in attrs:
        return f"{_named(attrs)}; {shots}"
    if "h" not in attrs:
        return f"{L} site{'s' * (L != 1)}, {shots}"
    coupling = f"J = {attrs['J']:g}, h = {attrs['h']:g}, {attrs['boundary']}"
    state = str(attrs.get("state", ""))
    if state.startswith("from "):  # it need not have to do with H
        return f"state {state}, L = {L}; H of {coupling}; {shots}"
    return f"TFIM chain, L = {L}, {coupling}; {shots}"


def _named(attrs: Mapping[Any, Any]) -> str:
    """Return a Hamiltonian of any system, with its parameters, in words."""
    from physgen.catalogue import hamiltonian_systems

    system = hamiltonian_systems().get(str(attrs["system"]))
    if system is None:  # of another installation: its terms are known
        return f"{attrs['system']}, L = {attrs['L']}, H = {attrs['terms']:.60}"
    told = [
        f"{key} = {attrs[key]:g}" if p.type == "number" else f"{key} = {attrs[key]}"
        for key, p in system.parameters.items()
        if key in attrs
    ]
    state = str(attrs.get("state", ""))
    lead = f"state {state}; H of the " if state.startswith("from ") else ""
    return f"{lead}{system.label}, {', '.join(told)}"


def rows_of(tree: xr.DataTree) -> list[Row]:
    """Return the observables, each from data and model and, if known, exact."""
    sources = observables_of(tree)
    return [_row(text, sources, name, at) for text, name, at in _places(sources)]


def _places(sources: dict[str, xr.Dataset]) -> list[Place]:
    """Return the observables that are shown: what they are called and where they stand."""
    measured = {str(name) for ds in sources.values() for name in ds.data_vars}
    names = {"energy": "energy <H>", "x_mean": "mean <X>", "z_mean": "mean <Z>"}
    places: list[Place] = [(text, name, {}) for name, text in names.items() if name in measured]
    own = dict.fromkeys(name for ds in sources.values() for name in operators_in(ds))
    places += [(name, name, {}) for name in own]
    if "zz" in measured:
        first = next(iter(sources.values()))
        for index in _few(first["r"].values):
            i, r = int(first["i"].values[index]), int(first["r"].values[index])
            places.append((f"<Z_{i} Z_{i + r}>", "zz", {"pair": index}))
    return places


def _few(distances: np.ndarray) -> list[int]:
    """Return where r = 1, 4, 16, ... and the largest r stand."""
    wanted = {int(4**k) for k in range(8)}
    keep = [k for k, r in enumerate(distances) if int(r) in wanted]
    return keep if keep[-1] == len(distances) - 1 else [*keep, len(distances) - 1]


def _row(quantity: str, sources: dict[str, xr.Dataset], name: str, at: dict[str, int]) -> Row:
    cells: dict[str, str] = {"data": "", "model": "", "exact": ""}
    pulls: dict[str, str] = {"data": "", "model": ""}
    sources = {source: ds for source, ds in sources.items() if name in ds}
    exact = float(sources["exact"][name].isel(at)) if "exact" in sources else None
    if exact is not None:
        cells["exact"] = f"{exact:z.6f}"
    for source in ("data", "model"):
        if source not in sources:
            continue
        value = float(sources[source][name].isel(at))
        if np.isnan(value):  # not seen by the settings
            continue
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
    found: list[Distance] = []
    for k, (name, quantity, meaning) in enumerate(_DISTANCES):
        value, error = validation[name], validation[f"{name}_error"]
        if value.ndim:  # the fidelity, from either side
            value, error = value[k], error[k]
        enumerated = f"{float(exact[name]):.6f}" if exact is not None else ""
        estimate = format_estimate(float(value), float(error))
        found.append(Distance(quantity, estimate, enumerated, meaning))
    return [*found, _total_variation(validation, exact)]


def _total_variation(validation: xr.Dataset, exact: xr.Dataset | None) -> Distance:
    """Return the bound on what no observable of outcomes can differ by more than."""
    from physgen.validation import total_variation_bound

    def bound(ds: xr.Dataset) -> str:
        fidelity = float(np.min(ds["fidelity"].values))
        kl = min(max(float(ds[name]), 0.0) for name in ("kl_forward", "kl_reverse"))
        return f"<= {total_variation_bound(fidelity=fidelity, kl=kl):.3f}"

    enumerated = bound(exact) if exact is not None else ""
    return Distance("total variation", bound(validation), enumerated, _BOUND)


_BOUND = "bound from F_c and KL"


_DISTANCES = (
    ("fidelity", "F_c = sum sqrt(PQ)", "from samples of the state"),
    ("fidelity", "F_c = sum sqrt(PQ)", "from samples of the model"),
    ("kl_forward", "KL(P||Q)", "nats, from samples of the state"),
    ("kl_reverse", "KL(Q||P)", "nats, from samples of the model"),
)

"""Tables of a reconstruction beyond its observables: intervals, models compared, matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from physgen.analysis.format import format_estimate, is_zero_error
from physgen.workflow.summary import Column, Table

__all__ = ["Place", "blocks_table", "intervals_table", "matrices_table", "models_table"]

Place = tuple[str, str, dict[str, int]]  # how a quantity is called, its variable, where it stands

_INTERVALS_NOTE = (
    "Confidence intervals from bootstrap refits of the model, which hold the error of its fit and "
    "of its sampling. The estimate is that of the fit less its bias, as far as refits show it. "
    "Nothing here knows of what the model cannot express: compare it with the data."
)
_MODELS_NOTE = (
    "Negative log-likelihood of shots that no model was fitted to, the same for all; errors of "
    "the differences are shot by shot. The lowest is chosen, but a mixed state (lpdo) rather "
    "than a pure one (mps) that is better by less than an error."
)
_SELECTION_NOTE = (
    "Each model was fitted to {rest:.0%} of the shots and compared on the other {n:,}; the chosen "
    "one was then fitted to all."
)
_MATRIX_ROWS = (
    ("fidelity_squared", "fidelity <psi|rho|psi>"),
    ("purity", "purity Tr rho^2"),
    ("renyi2", "Renyi-2 entropy"),
    ("block_purity", "purity, left half"),
    ("block_renyi2", "Renyi-2 entropy, left half"),
)
_SOURCES = {
    "direct": "from the shots",
    "likelihood": "maximum likelihood",
    "model": "model",
}


def intervals_table(errors: xr.Dataset | None, places: Sequence[Place]) -> Table | None:
    """Return the intervals of the model's observables, or None without refits."""
    if errors is None or "level" not in errors.dims:
        return None
    columns = (
        Column("interval of the model", "name"),
        Column("68 %", source="model"),
        Column("95 %", source="model"),
        Column("error\nof fit", page_only=True),
        Column("error of\nsampling", page_only=True),
        Column("bias\nremoved", page_only=True),
    )
    rows: list[tuple[str, ...]] = []
    for text, name, at in places:
        if name not in errors:
            continue
        here = {part: errors[f"{name}{part}"].isel(at) for part in _PARTS}
        if is_zero_error(float(errors[name].isel(at)), float(here["_error"])):
            continue  # a symmetry of the model fixes it
        digits = _digits(float(here["_error"]))
        ends = [[f"{end:.{digits}f}" for end in level] for level in here["_interval"].values]
        numbers = (f"{float(here[part]):.2g}" for part in _PARTS[1:4])
        rows.append((text, *(f"[{low}, {high}]" for low, high in ends), *numbers))
    return Table("Intervals", columns, tuple(rows), (_INTERVALS_NOTE,)) if rows else None


_PARTS = ("_error", "_error_of_fit", "_error_of_sampling", "_bias", "_interval")


def _digits(error: float) -> int:
    """Return the decimals that show two digits of an error."""
    return 6 if not error > 0 else int(np.clip(1 - np.floor(np.log10(error)), 0, 8))


def blocks_table(groups: dict[str, xr.Dataset]) -> Table | None:
    """Return the Renyi-2 entropies of blocks, by source: ``data``, ``model``, ``exact``."""
    if "data" not in groups:
        return None
    heads = {"data": "from data", "model": "from model", "exact": "exact"}
    sources = [source for source in heads if source in groups]
    rows: list[tuple[str, ...]] = []
    for k, name in enumerate(groups["data"]["block"].values):
        sites = str(name).split(",")
        text = f"sites {sites[0]}-{sites[-1]}" if len(sites) > 1 else f"site {sites[0]}"
        rows.append((text, *(_entropy(groups[source].isel(block=k)) for source in sources)))
    columns = (Column("S_2 of a block, nat", "name"), *(Column(heads[s]) for s in sources))
    return Table("Entropies of blocks", columns, tuple(rows), (_BLOCKS_NOTE,))


_BLOCKS_NOTE = (
    "Renyi-2 entropies -log Tr rho^2. From data: by pairs of shots, or, where noise buries the "
    "purity, only the bound from below that holds at 95 %. From model: of the fit itself, without "
    "the error of the fit. Purities are in run.h5, group blocks."
)


def _entropy(ds: xr.Dataset) -> str:
    value = float(ds["block_renyi2"])
    if "block_renyi2_determined" not in ds:
        return f"{value:.6f}"
    if ds["block_renyi2_determined"]:
        return format_estimate(value, float(ds["block_renyi2_error"]))
    return f">= {float(ds['block_renyi2_at_least']):.3f}"


def models_table(selection: xr.Dataset | None) -> Table | None:
    """Return how the models compare on held-out shots, or None where there was one."""
    if selection is None:
        return None
    chosen = int(selection.attrs["chosen"])
    rows: list[tuple[str, ...]] = []
    for k, name in enumerate(selection["candidate"].values):
        row = selection.isel(candidate=k)
        nll = format_estimate(float(row["nll"]), float(row["nll_error"]))
        behind = "0"
        if float(row["behind"]) > 0:
            behind = "+" + format_estimate(float(row["behind"]), float(row["behind_error"]))
        if k == chosen:
            behind = "chosen" if behind == "0" else f"chosen, {behind}"
        rows.append((str(name), nll, behind, f"{int(row['n_parameters']):,}"))
    columns = (
        Column("", "name"),
        Column("held-out NLL\nnat/site", "strong"),
        Column("behind\nthe best"),
        Column("parameters"),
    )
    share = selection.attrs.get("selection_fraction")
    notes = [_MODELS_NOTE]
    if share is not None:
        notes.append(_SELECTION_NOTE.format(rest=1 - share, n=int(selection.attrs["n"])))
    return Table("Models", columns, tuple(rows), tuple(notes))


def matrices_table(
    groups: dict[str, xr.Dataset], fitted: dict[str, tuple[float, float]]
) -> Table | None:
    """Return the numbers of the density matrices, by source.

    Parameters
    ----------
    groups : dict
        The groups in /tomography: ``direct``, ``likelihood``, ``model``.
    fitted : dict of str to (estimate, error)
        Numbers of the model with the error of its fit.
    """
    sources = [source for source in _SOURCES if source in groups]
    rows: list[tuple[str, ...]] = []
    for name, text in _MATRIX_ROWS:
        cells = [_cell(groups[source], name) for source in sources]
        if "model" in sources and name in fitted:
            cells[sources.index("model")] = format_estimate(*fitted[name])
        if any(cells):
            rows.append((text, *cells))
    if not rows:
        return None
    columns = (Column("", "name"), *(Column(_SOURCES[source]) for source in sources))
    return Table("Density matrix", columns, tuple(rows), (_MATRIX_NOTE,))


_MATRIX_NOTE = (
    "From the shots: unbiased estimates by dual frames, which may leave the physical range. "
    "Maximum likelihood: the most likely state, mixed by noise where the true one is pure; errors "
    "by parametric bootstrap. Model: with the error of its fit where refits were made. The "
    "matrices are in run.h5, group tomography."
)


def _cell(ds: xr.Dataset, name: str) -> str:
    if name not in ds:
        return ""
    value = ds[name].values.ravel()[0]
    error = ds[f"{name}_error"].values.ravel()[0] if f"{name}_error" in ds else None
    return format_estimate(float(value), None if error is None else float(error))

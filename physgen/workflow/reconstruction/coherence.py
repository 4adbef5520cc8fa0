"""The table of what tells coherence: bounds on the quantum fidelity, by source."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from physgen.analysis.format import format_estimate
from physgen.workflow.summary import Column, Table

__all__ = ["coherence_figures", "coherence_table"]

SOURCES = ("data", "model", "exact")
LEVEL = 0.95
_COLUMNS = (
    Column("", "name"),
    Column("from data", source="data"),
    Column("from model", source="model"),
    Column("exact"),
)
# What a number is called, its variable, and whether it is a bound by level.
_GROUND = (
    ("W = 1 - (E - E0)/gap", "witness", False),
    ("fidelity with ground state, 95 %", "fidelity_squared_lower", True),
)
_GHZ = (
    ("GHZ: populations P0 + P1", "ghz_populations", False),
    ("GHZ: coherence C", "ghz_coherence", False),
    ("GHZ: parity <X...X>", "ghz_parity", False),
    ("GHZ fidelity (P0 + P1 + C)/2", "ghz_fidelity_squared", False),
    ("GHZ fidelity, 95 %", "ghz_fidelity_squared_lower", True),
    ("GHZ bound of two settings", "ghz_witness", False),
    ("GHZ bound of two settings, 95 %", "ghz_witness_lower", True),
)
_SECTOR = "W, gap of prod X = {:+d}"

_MODEL_NOTE = (
    "From the model, a number is only as good as the model: a pure state fitted to a mixture "
    "shows a coherence that is not there. The column from data assumes no model."
)
_GROUND_NOTE = (
    "W bounds the quantum fidelity <0|rho|0> with the ground state from below: weight outside of "
    "it costs at least the gap. From data it certifies this for any state, pure or mixed; where "
    "it is near 0 it says nothing, which is no sign of a bad state."
)
_GHZ_NOTE = (
    "C is the coherence of the GHZ state, 0 if it is dephased. A fidelity above 1/2 certifies "
    "genuine entanglement of all qubits, one below certifies nothing, as the phase may be "
    "another. By dual frames its error grows exponentially with the number of qubits, as "
    "(3/2)^(N/2) in pauli-6; the bound of two settings has no such growth."
)


def coherence_table(groups: Mapping[str, xr.Dataset]) -> tuple[Table | None, tuple[str, ...]]:
    """Return the table, or None where there is nothing, and what the terminal adds in words.

    Parameters
    ----------
    groups : mapping of str to Dataset
        The groups in /witness: ``data``, ``model``, ``exact``.
    """
    rows = [
        (text, *(_cell(groups.get(source), name, bound) for source in SOURCES))
        for text, name, bound in _rows(groups)
    ]
    rows = [row for row in rows if any(row[1:])]
    data = groups.get("data", xr.Dataset())
    blurred = _blurred(groups)
    if blurred:
        rows = [row for row in rows if row[0].startswith("GHZ")]
    told = [blurred] if blurred else []
    told += [f"From the data: {data.attrs['left_out']}."] if "left_out" in data.attrs else []
    if data.attrs.get("entangled"):
        told.append(
            "The data certify genuine entanglement of all qubits: F > 1/2 with 95 % confidence."
        )
    if not rows:
        return None, tuple(told)
    shown = {name for ds in groups.values() for name in ds.data_vars}
    notes = [_GROUND_NOTE] if "witness" in shown and not blurred else []
    notes += [_GHZ_NOTE] if any(str(name).startswith("ghz_") for name in shown) else []
    notes += [_MODEL_NOTE] if "model" in groups else []
    model = groups.get("model", xr.Dataset())
    notes += [f"From the model: {model.attrs['left_out']}."] if "left_out" in model.attrs else []
    return Table("Coherence", _COLUMNS, tuple(rows), (*notes, *told)), tuple(told)


def _blurred(groups: Mapping[str, xr.Dataset]) -> str:
    """Return that no source knows the energy to within the gap, or an empty text."""
    found = [ds for name, ds in groups.items() if name != "exact" and "witness_error" in ds]
    if not found or any(float(ds["witness_error"]) < 1 for ds in found):
        return ""
    gap = float(found[0].attrs["gap"])
    error = min(float(ds["witness_error"]) for ds in found) * gap
    return (
        f"No bound on the quantum fidelity by the energy: its error of {error:.2g} is more than "
        f"the gap of {gap:.2g}."
    )


def coherence_figures(groups: Mapping[str, xr.Dataset]) -> dict[str, str]:
    """Return each number by its full name, as runs are compared."""
    return {
        f"{text}, {source}": cell
        for text, name, bound in _rows(groups)
        for source in SOURCES
        if (cell := _cell(groups.get(source), name, bound))
    }


def _rows(groups: Mapping[str, xr.Dataset]) -> tuple[tuple[str, str, bool], ...]:
    parity = next((ds.attrs["parity"] for ds in groups.values() if ds.attrs.get("parity")), 0)
    if not parity:
        return (*_GROUND, *_GHZ)
    return ((_SECTOR.format(int(parity)), *_GROUND[0][1:]), _GROUND[1], *_GHZ)


def _cell(ds: xr.Dataset | None, name: str, bound: bool) -> str:
    if ds is None or name not in ds:
        return ""
    if bound:
        (at,) = np.flatnonzero(ds["level"].values == LEVEL)
        return f">= {float(ds[name].values[at]):.3f}"
    error = float(ds[f"{name}_error"]) if f"{name}_error" in ds else None
    value = float(ds[name])
    return f"{value:.6f}" if error is None else format_estimate(value, error)

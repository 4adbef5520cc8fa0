"""The tables of a reconstruction: observables by source, distances between model and state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from physgen.workflow.summary import Column, Table

__all__ = ["Distance", "Row", "figures_of", "tables_of"]


@dataclass(frozen=True)
class Row:
    """One observable: text of each cell, empty where there is nothing to say."""

    quantity: str
    data: str
    model: str
    exact: str
    pull_data: str
    pull_model: str


@dataclass(frozen=True)
class Distance:
    """One distance between model and state."""

    quantity: str
    estimate: str
    exact: str
    meaning: str


_OBSERVABLES = (
    Column("quantity", "name"),
    Column("from data", source="data"),
    Column("from model", source="model"),
    Column("exact"),
    Column("pull\ndata", source="data"),
    Column("pull\nmodel", source="model"),
)
_FIDELITY_NOTE = (
    "P is the distribution of the outcomes, Q the model. F_c is the classical fidelity; its "
    "square, and the quantum fidelity, are other numbers. It compares distributions and cannot "
    "certify coherence: a GHZ state of 10 qubits that has lost all of it scores 0.9975 in pauli-6."
)


def tables_of(
    rows: Sequence[Row], distances: Sequence[Distance], notes: tuple[str, ...]
) -> tuple[Table, ...]:
    """Return the tables: of observables, with `notes` below it, then of distances."""
    tables: list[Table] = []
    if rows:
        cells = tuple(
            (r.quantity, r.data, r.model, r.exact, r.pull_data, r.pull_model) for r in rows
        )
        tables.append(Table("Observables", _OBSERVABLES, cells, notes))
    if distances:
        listed = any(d.exact for d in distances)
        columns = (
            Column("", "name"),
            Column("estimate", "strong"),
            *([Column("enumerated")] if listed else []),
            Column("how", "text"),
        )
        cells = tuple(
            (d.quantity, d.estimate, *([d.exact] if listed else []), d.meaning) for d in distances
        )
        notes = (_FIDELITY_NOTE,) if distances[0].quantity.startswith("F_c") else ()
        tables.append(Table("Quality of the model", columns, cells, notes))
    return tuple(tables)


def figures_of(rows: Sequence[Row], distances: Sequence[Distance]) -> dict[str, str]:
    """Return the numbers of a run by their full names, as runs are compared."""
    found = {f"{d.quantity}, {d.meaning}": d.estimate for d in distances}
    found |= {f"{r.quantity}, model": r.model for r in rows}
    found |= {f"{r.quantity}, data": r.data for r in rows}
    return found | {f"{r.quantity}, exact": r.exact for r in rows if r.exact}

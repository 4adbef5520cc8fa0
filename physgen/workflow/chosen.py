"""Some columns of a run's tables, by the words at their heads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from physgen.core.errors import InputError
from physgen.workflow.summary import Column, Table

__all__ = ["with_columns"]


def with_columns(tables: Iterable[Table], wanted: Sequence[str]) -> list[Table]:
    """Return the tables that have one of the wanted columns, cut to these.

    Columns that say what a row is about (names and couplings) stay where they are; the others
    come in the order in which they are wanted.  A word fits each head that begins with it: "pull"
    fits "pull from exact".

    Raises
    ------
    InputError
        If a word fits no head at all.
    """
    given = list(tables)
    heads = dict.fromkeys(_plain(column) for table in given for column in table.columns)
    for word in wanted:
        if not any(head.startswith(word.lower()) for head in heads):
            known = ", ".join(repr(head) for head in heads if head)
            raise InputError(f"a column must begin with one of the heads {known}, got {word!r}")
    return [cut for table in given if (cut := _cut(table, wanted)) is not None]


def _cut(table: Table, wanted: Sequence[str]) -> Table | None:
    fitting = [
        k
        for word in wanted
        for k, column in enumerate(table.columns)
        if _plain(column).startswith(word.lower())
    ]
    about = [k for k, column in enumerate(table.columns) if column.kind in ("name", "axis")]
    numbers = [k for k in dict.fromkeys(fitting) if k not in about]
    if not numbers:
        return None
    kept = [*about, *numbers]
    return Table(
        table.heading,
        tuple(table.columns[k] for k in kept),
        tuple(tuple(row[k] for k in kept) for row in table.rows),
        table.notes,
        table.shown,
    )


def _plain(column: Column) -> str:
    return column.head.replace("\n", " ").lower()

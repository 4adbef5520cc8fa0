"""Tables of results for a terminal of any width: no number is ever cut.

A table that is too wide is split: each part begins with the columns that say what a row is about.
Where not even one number fits beside those, every row becomes a list.  Empty columns are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from physgen.workflow.summary import Column, Summary, Table

__all__ = ["bare", "tables"]

_STYLES = {"data": "blue", "model": "dark_orange3"}
_PADDING = 3  # cells that a column takes beside its content
_EDGE = 1  # cells that a table takes beside its columns
_TEXT = 24  # least width of prose


def tables(summary: Summary, width: int) -> list[RenderableType]:
    """Return the tables of a run, none of them wider than `width` cells."""
    found: list[RenderableType] = []
    for each in summary.tables:
        found += _parts(each, summary.title if not found else "", width)
    return found


def bare(title: str = "") -> RichTable:
    """Return an empty table in the style of all."""
    return RichTable(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )


def _parts(table: Table, title: str, width: int) -> Iterator[RenderableType]:
    rows = [
        table.rows[k] for k in (range(len(table.rows)) if table.shown is None else table.shown)
    ]
    kept = [
        k
        for k, column in enumerate(table.columns)
        if not column.page_only and any(row[k] for row in rows)
    ]
    about = [k for k in kept if table.columns[k].kind in ("name", "axis")]
    others = [k for k in kept if k not in about]
    room = width - _EDGE - sum(_width(table, rows, k) for k in about)
    if any(_width(table, rows, k) > room for k in others):
        yield _as_lists(table, rows, about, others, title, width)
        return
    for part in _split([_width(table, rows, k) for k in others], room):
        yield _part(table, rows, sorted([*about, *(others[k] for k in part)]), title)
        title = ""


def _split(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Yield positions of columns that fit side by side, as many as possible at a time."""
    part: list[int] = []
    for k, width in enumerate(widths):
        if part and sum(widths[j] for j in part) + width > room:
            yield part
            part = []
        part.append(k)
    yield part


def _width(table: Table, rows: Sequence[Sequence[str]], k: int) -> int:
    column = table.columns[k]
    longest = max((cell_len(row[k]) for row in rows), default=0)
    if column.kind == "text":
        return min(longest, _TEXT) + _PADDING
    return max(longest, *map(cell_len, _head(table, column).split("\n"))) + _PADDING


def _head(table: Table, column: Column) -> str:
    """Return the head of a column; names without one say what the table is about."""
    return column.head or ("" if column.kind == "text" else table.heading.lower())


def _part(
    table: Table, rows: Sequence[Sequence[str]], columns: Sequence[int], title: str
) -> RichTable:
    part = bare(title)
    for k in columns:
        column = table.columns[k]
        if column.kind == "text":
            part.add_column("", justify="left", style="dim")
            continue
        style = "bold" if column.kind == "strong" else _STYLES.get(column.source, "")
        justify = "left" if column.kind == "name" else "right"
        part.add_column(_head(table, column), justify=justify, style=style, no_wrap=True)
    for row in rows:
        part.add_row(*(row[k] for k in columns))
    return part


def _as_lists(
    table: Table,
    rows: Sequence[Sequence[str]],
    about: Sequence[int],
    others: Sequence[int],
    title: str,
    width: int,
) -> RenderableType:
    """Return each row as a list of its numbers, below what it is about."""
    text = Text(f"{title}\n" if title else "", style="bold")
    for row in rows:
        names = [
            row[k] if table.columns[k].kind == "name" else f"{table.columns[k].head} = {row[k]}"
            for k in about
        ]
        text.append("\n" + ", ".join(filter(None, names)) + "\n", style="bold")
        for k in others:
            column = table.columns[k]
            head = " ".join(_head(table, column).split("\n"))
            if row[k]:
                line = f"  {head}  {row[k]}" if head else f"  {row[k]}"
                broken = cell_len(line) > width and head and column.kind != "text"
                text.append(
                    f"  {head}\n    {row[k]}\n" if broken else f"{line}\n", style="default"
                )
    return Padding(text, (0, 0, 0, 1))

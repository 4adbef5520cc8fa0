"""What a terminal of some width shows of a run."""

import io
import re

from rich.console import Console

from physgen.cli.layout import tables


def shown(summary, width):
    """Return the text that a terminal shows of the tables of a run."""
    console = Console(width=width, record=True, file=io.StringIO())
    for table in tables(summary, width):
        console.print(table)
    return console.export_text()


def numbers_missing(summary, width):
    """Return the cells with a number that a terminal does not show whole, and lines too long."""
    text = shown(summary, width)
    words = set(text.split())
    missing = [line for line in text.splitlines() if len(line) > width or "…" in line]
    for table in summary.tables:
        rows = table.rows if table.shown is None else [table.rows[k] for k in table.shown]
        for row in rows:
            for column, cell in zip(table.columns, row):
                number = re.search(r"\d", cell) and column.kind in ("number", "strong")
                if number and not column.page_only and not set(cell.split()) <= words:
                    missing.append(cell)
    return missing

r"""Tables as LaTeX: booktabs, and numbers as siunitx reads them, such as 0.1452(26)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from physgen.workflow.summary import Column, Table

__all__ = ["escaped", "latex_table"]

_NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+(\(\d+(\.\d+)?\))?(e[+-]?\d+)?")
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
HEAD = "% \\usepackage{booktabs, siunitx}\n"


def latex_table(table: Table, *, caption: str = "") -> str:
    r"""Return a table as a LaTeX ``table`` environment.

    Numbers become ``\num{...}``, so their form is a setting of the document (``\sisetup``); empty
    columns are left out.

    Parameters
    ----------
    table : Table
    caption : str
        The heading of the table by default.
    """
    kept = [k for k in range(len(table.columns)) if any(row[k] for row in table.rows)]
    columns = [table.columns[k] for k in kept]
    align = "".join("l" if c.kind in ("name", "text") else "r" for c in columns)
    lines = [_row(escaped(_head(c)) for c in columns), r"\midrule"]
    lines += [_row(_cell(row[k], table.columns[k]) for k in kept) for row in table.rows]
    body = "\n".join(f"    {line}" for line in lines)
    return (
        f"{HEAD}\\begin{{table}}\n  \\centering\n"
        f"  \\caption{{{escaped(caption or table.heading)}}}\n"
        f"  \\begin{{tabular}}{{{align}}}\n    \\toprule\n{body}\n    \\bottomrule\n"
        "  \\end{tabular}\n\\end{table}\n"
    )


def _head(column: Column) -> str:
    return column.head.replace("\n", " ")


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(text: str, column: Column) -> str:
    """Return a cell: numbers as siunitx takes them, all else as text."""
    bare = text.replace(",", "")
    if column.kind != "name" and _NUMBER.fullmatch(text):
        return f"\\num{{{bare}}}"
    if text.startswith(">= ") and _NUMBER.fullmatch(text[3:]):
        return f"$\\geq$ \\num{{{bare[3:]}}}"
    return escaped(text)


def escaped(text: str) -> str:
    """Return a text with its special characters as LaTeX takes them."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)

"""What a reader is told about a run: tables of formatted numbers, warnings, notes.

Each kind of run makes its own (:attr:`physgen.workflow.job.Job.summarize`); the terminal and the
page of the report show them alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Column", "Summary", "Table", "configuration", "dataset_of", "needed"]


@dataclass(frozen=True)
class Column:
    """A column: its head, in at most two lines, and what stands in it.

    Names without a head stand under the heading of their table.

    ``kind`` is "name" or "axis" (words and numbers that say what a row is about), "number",
    "strong" (the numbers that matter most) or "text"; ``source`` is "data", "model" or empty, and
    gives the colour.  A column that is ``page_only`` has no room
    on a terminal.
    """

    head: str
    kind: str = "number"
    source: str = ""
    page_only: bool = False


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    heading : str
        What it is about.
    columns : tuple of Column
    rows : tuple of tuple of str
        Empty cells where there is nothing to say.
    notes : tuple of str
        Remarks that the page has room for, below it.
    shown : tuple of int or None
        The rows that a terminal has room for; all if None.
    """

    heading: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    shown: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Summary:
    """Everything a reader is told about a run, in words and formatted numbers.

    Attributes
    ----------
    title : str
        What was done, in one line.
    tables : tuple of Table
        In the order of the terminal, which ends with what matters most; the page begins with it.
    warnings : tuple of str
    notes : tuple of str
        Remarks for the terminal, below the tables.
    figures : mapping of str to str
        Each number of the run by its full name: what runs are compared by.
    """

    title: str
    tables: tuple[Table, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict[str, str])


def configuration(tree: xr.DataTree) -> dict[str, Any]:
    """Return the canonical config that the run file carries."""
    return json.loads(tree.attrs["config"])


def dataset_of(tree: xr.DataTree, name: str) -> xr.Dataset | None:
    """Return one group, or None if the run has not come that far."""
    import xarray as xr

    try:
        node = tree[name]
    except KeyError:
        return None
    return node.to_dataset(inherit=False) if isinstance(node, xr.DataTree) else None


def needed(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Return one group that a figure's row says it needs."""
    found = dataset_of(tree, name)
    if found is None:
        raise KeyError(f"the run has no group {name!r}")
    return found

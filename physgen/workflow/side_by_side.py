"""Several runs side by side: where their configs differ, and every number that they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from physgen.results.provenance import flattened
from physgen.workflow import page
from physgen.workflow.summary import Column, Summary, Table, configuration
from physgen.workflow.tables import summarize

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["page_of", "side_by_side"]

SETTINGS, NUMBERS = "Settings that differ", "Numbers"


def side_by_side(trees: Mapping[str, xr.DataTree]) -> tuple[Table, ...]:
    """Return a table of the settings in which runs differ, and one of their numbers.

    Parameters
    ----------
    trees : mapping of str to DataTree
        Open runs by name; those of different kinds have no row in common, but are listed alike.
    """
    columns = (Column("", "name"), *(Column(name, "text") for name in trees))
    numbers = (Column("", "name"), *(Column(name) for name in trees))
    return (
        Table(SETTINGS, columns, tuple(_settings(trees))),
        Table(NUMBERS, numbers, tuple(_numbers(trees))),
    )


def _settings(trees: Mapping[str, xr.DataTree]) -> Iterator[tuple[str, ...]]:
    configs = [flattened(configuration(tree)) for tree in trees.values()]
    for key in dict.fromkeys(key for config in configs for key in config):
        values = [str(config.get(key, "")) for config in configs]
        if len(set(values)) > 1:
            yield key, *values


def _numbers(trees: Mapping[str, xr.DataTree]) -> Iterator[tuple[str, ...]]:
    found = [summarize(tree).figures for tree in trees.values()]
    for name in dict.fromkeys(name for cells in found for name in cells):
        yield name, *(cells.get(name, "") for cells in found)


def page_of(trees: Mapping[str, xr.DataTree], figures: Mapping[str, Mapping[str, bytes]]) -> str:
    """Return one HTML page: the tables of every run, its figures, and all runs side by side.

    Parameters
    ----------
    trees : mapping of str to DataTree
    figures : mapping of str to mapping of str to bytes
        Of each run: PNG by name.
    """
    both = reversed(side_by_side(trees))
    parts = [page.section(table.heading, page.filled(table)) for table in both]
    for name, tree in trees.items():
        summary = summarize(tree)
        tables = "".join(_titled(table) for table in reversed(summary.tables))
        parts.append(page.section(f"{name}: {summary.title}", _warned(summary) + tables))
        drawn = "".join(page.figure(data, each, each.replace("_", " "), wide=True)
                        for each, data in figures.get(name, {}).items())  # fmt: skip
        parts.append(page.section(f"Figures of {name}", f'<div class="figures">{drawn}</div>')
                     if drawn else "")  # fmt: skip
    body = "\n".join(filter(None, parts))
    template = resources.files("physgen.workflow").joinpath("report.html").read_text("utf-8")
    return Template(template).substitute(
        title=f"{len(trees)} runs", subtitle=escape(", ".join(trees)),
        contents=page.contents(body), tables=page.table_styles(body), body=body, footer="physgen",
    )  # fmt: skip


def _titled(table: Table) -> str:
    return f"<h3>{escape(table.heading)}</h3>\n{page.filled(table)}"


def _warned(summary: Summary) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in summary.warnings)
    return f"<ul>{items}</ul>" if items else ""

"""The commands that look at results: report, plot, compare, cite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from physgen.cli.console import stdout
from physgen.cli.layout import bare, tables
from physgen.core.errors import StoreError
from physgen.results import bibtex, open_run, run_directory
from physgen.results.provenance import flattened
from physgen.workflow.summary import Summary, configuration
from physgen.workflow.tables import summarize

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["cite", "compare", "plot", "print_result", "report"]


def report(runs: Sequence[Path]) -> None:
    """Write the report of each run again, and print its table."""
    from physgen.workflow.report import write_report

    for run_dir in runs:
        tree = open_run(run_directory(run_dir))
        write_report(run_dir, tree)
        print_result(run_dir, tree)


def plot(runs: Sequence[Path], kind: str) -> None:
    """Write the figures of each run, and print their paths."""
    from physgen.workflow.figures import write_figures

    for run_dir in runs:
        paths = write_figures(run_dir, kind)
        if not paths:
            raise StoreError(
                f"{run_dir} holds nothing yet that a figure could show; resume it, or see its "
                "table with `physgen report`"
            )
        for path in paths.values():
            print(path)


def cite(run_dir: Path) -> None:
    """Print BibTeX for the methods that a run used."""
    print(bibtex(json.loads(_opened(run_dir).attrs.get("citations", "[]"))))


def _opened(run: Path) -> xr.DataTree:
    """Return a run, from its directory or its file; refuse other files of physgen."""
    tree = open_run(run)
    if "config" not in tree.attrs:
        raise StoreError(f"{run} holds no run; give a run directory or its run.h5")
    return tree


def print_result(run_dir: Path, tree: xr.DataTree | None = None) -> None:
    """Print the table of a run, which may be open, and where its files are."""
    run_dir = run_directory(run_dir)
    console = stdout()
    summary = summarize(open_run(run_dir) if tree is None else tree)
    for table in tables(summary, console.width) or [Text(summary.title, style="bold")]:
        console.print(table)
    for text in summary.warnings:
        console.print(Text("! ", style="yellow") + Text(text, style="default"))
    for text in summary.notes:
        console.print(Text(text, style="dim"))
    names = ("run.h5", "report.html", "figures")
    for path in (run_dir / name for name in names):
        if path.exists():
            print(path)


def compare(runs: Sequence[Path]) -> None:
    """Print runs side by side: where the configs differ, then distances and observables."""
    trees = {str(run_dir): _opened(run_dir) for run_dir in runs}
    summaries = {name: summarize(tree) for name, tree in trees.items()}
    table = bare()
    table.add_column("", justify="left", no_wrap=True)
    for name in trees:
        table.add_column(name, justify="right")
    configs = {name: flattened(configuration(tree)) for name, tree in trees.items()}
    keys = dict.fromkeys(key for config in configs.values() for key in config)
    for key in keys:
        values = [config.get(key, "") for config in configs.values()]
        if len(set(values)) > 1:
            table.add_row(key, *values, style="dim")
    table.add_section()
    for quantity, cells in _aligned(summaries).items():
        table.add_row(quantity, *cells)
    stdout().print(table)


def _aligned(summaries: Mapping[str, Summary]) -> dict[str, list[str]]:
    """Return the cells of each quantity that any run has, empty where one has none."""
    found = [summary.figures for summary in summaries.values()]
    names = dict.fromkeys(name for cells in found for name in cells)
    return {name: [cells.get(name, "") for cells in found] for name in names}

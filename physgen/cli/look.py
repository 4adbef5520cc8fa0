"""The commands that look at results: report, plot, compare, table, export, cite."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from physgen.cli.console import stdout
from physgen.cli.layout import bare, tables
from physgen.core.errors import InputError, StoreError
from physgen.results import bibtex, open_run, run_directory
from physgen.workflow.tables import summarize

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["cite", "compare", "export", "merge", "plot", "print_result", "report", "table"]


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


def cite(run_dir: Path | None, paper: bool = False, zenodo: bool = False) -> None:
    """Print BibTeX for the methods that a run used, for physgen, or for its paper."""
    if (run_dir is not None) + paper + zenodo > 1:
        raise InputError(
            "physgen cite must be told one thing: a run, --paper, --zenodo, or nothing for physgen"
        )
    if run_dir is not None:
        print(bibtex(json.loads(_opened(run_dir).attrs.get("citations", "[]"))))
        return
    from physgen.claims import citing, load_claims

    if paper:
        text = citing.paper_references(load_claims())
    else:
        text = citing.zenodo() if zenodo else citing.software_entry()
    print(text, end="")


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


def compare(runs: Sequence[Path], html: Path | None = None, latex: Path | None = None) -> None:
    """Print runs side by side: where the configs differ, then distances and observables.

    Parameters
    ----------
    runs : sequence of paths
    html, latex : path, optional
        Files to write the same to: a page with all tables and figures, and LaTeX tables.
    """
    from physgen.workflow.side_by_side import side_by_side

    trees = {str(run_dir): _opened(run_dir) for run_dir in runs}
    settings, numbers = side_by_side(trees)
    table = bare()
    table.add_column("", justify="left", no_wrap=True)
    for name in trees:
        table.add_column(name, justify="right")
    for row in settings.rows:
        table.add_row(*row, style="dim")
    table.add_section()
    for row in numbers.rows:
        table.add_row(*row)
    stdout().print(table)
    if html is not None:
        _write_page(html, runs, trees)
    if latex is not None:
        _write_latex(latex, trees)


def _write_page(path: Path, runs: Sequence[Path], trees: Mapping[str, xr.DataTree]) -> None:
    from physgen.results.atomic import replacing
    from physgen.workflow.figures import write_figures
    from physgen.workflow.side_by_side import page_of

    drawn = {
        str(run): {name: file.read_bytes() for name, file in write_figures(run).items()}
        for run in runs
    }
    with replacing(path) as file:
        file.write(page_of(trees, drawn).encode(errors="backslashreplace"))
    print(path)


def _write_latex(path: Path, trees: Mapping[str, xr.DataTree]) -> None:
    from physgen.results.atomic import replacing
    from physgen.workflow.latex import latex_table
    from physgen.workflow.side_by_side import side_by_side

    tables = [
        latex_table(table, caption=f"{table.heading}: {summarize(tree).title}")
        for tree in trees.values()
        for table in reversed(summarize(tree).tables)
    ]
    if len(trees) > 1:
        tables += [latex_table(table) for table in side_by_side(trees) if table.rows]
    with replacing(path) as file:
        file.write("\n".join(tables).encode())
    print(path)


def table(runs: Sequence[Path], latex: bool, columns: Sequence[str]) -> None:
    """Print the tables of runs, whole or some of their columns.

    Parameters
    ----------
    runs : sequence of paths
    latex : bool
        As LaTeX.
    columns : sequence of str
        How the heads of the wanted columns begin; all if empty.
    """
    from physgen.workflow.chosen import with_columns
    from physgen.workflow.latex import latex_table

    found = {str(run): summarize(_opened(run)) for run in runs}
    every = [each for summary in found.values() for each in summary.tables]
    with_columns(every, columns)  # a word that fits nowhere is refused before anything is printed
    for summary in found.values():
        chosen = with_columns(summary.tables, columns) if columns else list(summary.tables)
        whole = tuple(replace(each, shown=None) for each in chosen)
        if latex:
            for each in reversed(whole):
                print(latex_table(each, caption=f"{each.heading}: {summary.title}"))
            continue
        console = stdout()
        for each in tables(replace(summary, tables=whole), console.width):
            console.print(each)


def export(run_dir: Path, folder: Path) -> None:
    """Write the numbers of a run as CSV below `folder`."""
    from physgen.workflow.export import LARGEST, export_csv

    written, left = export_csv(_opened(run_dir), folder)
    print(f"{len(written)} files in {folder}")
    if left:
        print(f"left in the run file, more than {LARGEST:,} numbers each: {', '.join(left)}")


def merge(runs: Sequence[Path], out: Path, group: str | None, allow: Sequence[str]) -> None:
    """Write one group of many runs as one Dataset."""
    from physgen.results import write_dataset
    from physgen.results.merge import merge_runs

    if out.exists():
        raise StoreError(f"{out} is there already; choose another file")
    found = merge_runs(runs, group, allow=allow)
    write_dataset(out, found)
    grid = ", ".join(f"{name} = {size}" for name, size in found.sizes.items())
    print(f"{out}: {len(runs)} runs, {grid}")

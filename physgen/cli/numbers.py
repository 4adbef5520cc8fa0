"""The commands that hand on the numbers of runs: merge, table, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from physgen.cli.options import Runs

__all__ = ["export", "merge", "table"]


def merge(
    runs: Runs,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="A new HDF5 file (.h5 or .nc).")
    ],
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="NAME", help="The group: estimates, comparison, ..."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", metavar="KEY", help="A setting that may differ without being a dimension."
        ),
    ] = None,
) -> None:
    """Lay the numbers of many runs on one grid: a dimension for each setting that differs."""
    from physgen.cli.look import merge as merge_runs

    merge_runs(runs, out, group, allow or [])


def table(
    runs: Runs,
    latex: Annotated[
        bool, typer.Option("--latex", help="As LaTeX, for booktabs and siunitx.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="HEADS",
            help="Only these, by how their heads begin: --columns value,pull. Names and couplings "
            "stay.",
        ),
    ] = None,
) -> None:
    """Print the tables of runs: all their rows, or some columns, for a terminal or a paper."""
    from physgen.cli.look import table as print_tables

    print_tables(runs, latex, [head.strip() for head in columns.split(",")] if columns else [])


def export(
    run_dir: Annotated[Path, typer.Argument(metavar="DIR", help="A run, finished or not.")],
    csv: Annotated[
        Path, typer.Option("--csv", metavar="DIR", help="Folder for the files; made if need be.")
    ],
) -> None:
    """Write the numbers behind tables and figures as CSV, with units in the heads."""
    from physgen.cli.look import export as export_run

    export_run(run_dir, csv)

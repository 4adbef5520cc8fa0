"""The figures of a run, drawn from its file as far as it has come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from physgen.core.checks import check_choice
from physgen.workflow.job import Figure, Job
from physgen.workflow.kinds import job_of
from physgen.workflow.loading import config_of_run

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Drawing

__all__ = ["FORMATS", "derived", "drawn", "write_figures"]

FORMATS = ("png", "pdf", "svg")


def derived(job: Job) -> list[str]:
    """Return every file of a run directory that is drawn from run.h5, relative to it."""
    return ["report.html", *(f"figures/{row.name}.{f}" for row in job.figures for f in FORMATS)]


def drawn(tree: xr.DataTree) -> Iterator[tuple[Figure, Drawing]]:
    """Yield the figures that an open run has data for."""
    config = config_of_run(tree.attrs)
    for row in job_of(config).figures:
        figure = row.draw(tree, config)
        if figure is not None:
            yield row, figure


def write_figures(
    run_dir: str | Path, kind: str = "png", tree: xr.DataTree | None = None
) -> dict[str, Path]:
    """Draw the figures of a run into ``DIR/figures``; return their paths by name.

    Parameters
    ----------
    run_dir : path
    kind : {"png", "pdf", "svg"}
    tree : DataTree, optional
        The run, if it is open.
    """
    from physgen.plotting import render
    from physgen.results import open_run, run_directory
    from physgen.results.atomic import replacing, store_errors

    check_choice("format", kind, FORMATS)
    run_dir = run_directory(run_dir)
    folder = run_dir / "figures"
    paths: dict[str, Path] = {}
    for row, figure in drawn(open_run(run_dir) if tree is None else tree):
        with store_errors(folder):
            folder.mkdir(exist_ok=True)
        paths[row.name] = folder / f"{row.name}.{kind}"
        with replacing(paths[row.name]) as file:
            file.write(render(figure, kind))
    return paths

"""The figures of a run, drawn from its file as far as it has come.

A kind of run has a row for each figure: what it is called, what draws it, and what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from physgen.core.checks import check_choice
from physgen.workflow.job import job_of
from physgen.workflow.summary import configuration, dataset_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Drawing

__all__ = ["FORMATS", "Figure", "write_figures"]

FORMATS = ("png", "pdf", "svg")


@dataclass(frozen=True)
class Figure:
    """One figure of a kind of run.

    Attributes
    ----------
    name : str
        Of its file.
    plot : callable(DataTree) -> matplotlib Figure or None
        Draws it from an open run; None where the run has nothing to show.
    caption : str
        What is seen.
    needs : tuple of str
        Groups without which it cannot be drawn.
    wide : bool
        Whether it takes the whole width of the page.
    """

    name: str
    plot: Callable[[xr.DataTree], Drawing | None]
    caption: str
    needs: tuple[str, ...] = ()
    wide: bool = False


def drawn(tree: xr.DataTree) -> Iterator[tuple[Figure, Drawing]]:
    """Yield the figures that an open run has data for."""
    for row in job_of(configuration(tree)).figures:
        if all(dataset_of(tree, group) is not None for group in row.needs):
            figure = row.plot(tree)
            if figure is not None:
                yield row, figure


def write_figures(run_dir: str | Path, kind: str = "png") -> dict[str, Path]:
    """Draw the figures of a run into ``DIR/figures``; return their paths by name."""
    from physgen.plotting import render
    from physgen.results import open_run, run_directory
    from physgen.results.atomic import replacing, store_errors

    check_choice("format", kind, FORMATS)
    run_dir = run_directory(run_dir)
    folder = run_dir / "figures"
    paths = {}
    for row, figure in drawn(open_run(run_dir)):
        with store_errors(folder):
            folder.mkdir(exist_ok=True)
        paths[row.name] = folder / f"{row.name}.{kind}"
        with replacing(paths[row.name]) as file:
            file.write(render(figure, kind))
    return paths

"""The figures of a run, drawn from its file as far as it has come."""

from __future__ import annotations

from pathlib import Path

from physgen.core.checks import check_choice
from physgen.workflow.job import job_of
from physgen.workflow.summary import configuration

__all__ = ["FORMATS", "write_figures"]

FORMATS = ("png", "pdf", "svg")


def write_figures(run_dir: str | Path, kind: str = "png") -> dict[str, Path]:
    """Draw the figures of a run into ``DIR/figures``; return their paths by name."""
    from physgen.plotting import render
    from physgen.results import open_run, run_directory
    from physgen.results.atomic import replacing, store_errors

    check_choice("format", kind, FORMATS)
    run_dir = run_directory(run_dir)
    folder = run_dir / "figures"
    tree = open_run(run_dir)
    paths = {}
    for name, figure in job_of(configuration(tree)).draw(tree).items():
        with store_errors(folder):
            folder.mkdir(exist_ok=True)
        paths[name] = folder / f"{name}.{kind}"
        with replacing(paths[name]) as file:
            file.write(render(figure, kind))
    return paths

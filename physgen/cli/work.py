"""The commands that do work: run and its stages, resume."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path

from physgen.cli.listening import Talk, reporting
from physgen.workflow.loading import load_config
from physgen.workflow.run import resume as resume_run
from physgen.workflow.run import run

__all__ = ["gather", "resume", "work"]


def work(
    until: str,
    config: Path,
    out: Path,
    overrides: Sequence[str],
    force: bool,
    talk: Talk,
    points: str | None = None,
    jobs: int = 1,
    toy: bool = False,
) -> None:
    """Run the stages up to `until`, then print what the run directory holds.

    With `points` = "i/n", one share of a scan; the last one to finish gathers all.  With `jobs`,
    all shares, in as many processes.  With `toy`, the config in miniature.
    """
    _collect_as_usual()
    checked = load_config(config, overrides, toy=toy)
    with reporting(talk) as reporter:
        if points is not None or jobs > 1:
            from physgen.cli.sharing import work_in_shares

            given = (checked, config, out, overrides, force, points, jobs, reporter, toy)
            if not work_in_shares(until, *given):
                return
        else:
            run(checked, out, until=until, force=force, reporter=reporter)
    _print_result(out)


def gather(out: Path, talk: Talk) -> None:
    """Bring finished shares together, and finish the run."""
    from physgen.workflow.shares import gather as gather_shares

    _collect_as_usual()
    with reporting(talk) as reporter:
        run(gather_shares(out, reporter=reporter), out, reporter=reporter)
    _print_result(out)


def resume(out: Path, talk: Talk) -> None:
    """Continue an interrupted run to its end."""
    _collect_as_usual()
    with reporting(talk) as reporter:
        resume_run(out, reporter=reporter)
    _print_result(out)


def _collect_as_usual() -> None:
    """Look for dead cycles as often as Python does: in long work they may hold large arrays."""
    gc.freeze()  # but not among what has been imported
    gc.set_threshold(700, 10, 10)


def _print_result(out: Path) -> None:
    from physgen.cli.look import print_result  # loads Rich: not before there is a result

    print_result(out)

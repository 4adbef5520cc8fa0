"""The commands that do work: run and its stages, resume."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from physgen.cli.listening import Talk, reporting
from physgen.core.errors import InputError
from physgen.workflow.loading import load_config
from physgen.workflow.run import resume as resume_run
from physgen.workflow.run import run
from physgen.workflow.together import processes

if TYPE_CHECKING:
    from physgen.training import Ranks

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
    with processes() as ranks, reporting(_told(talk, ranks)) as reporter:
        checked = load_config(config, overrides, toy=toy)
        if ranks is not None and (points is not None or jobs > 1):
            raise InputError(
                "--points and --jobs spread a scan, and the processes of torchrun or srun, here "
                f"{ranks.world}, share each fit of it; use one of the two"
            )
        if points is not None or jobs > 1:
            from physgen.cli.sharing import work_in_shares

            given = (checked, config, out, overrides, force, points, jobs, reporter, toy)
            if not work_in_shares(until, *given):
                return
        else:
            run(checked, out, until=until, force=force, reporter=reporter, ranks=ranks)
    if ranks is None or ranks.is_first:
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
    with processes() as ranks, reporting(_told(talk, ranks)) as reporter:
        resume_run(out, reporter=reporter, ranks=ranks)
    if ranks is None or ranks.is_first:
        _print_result(out)


def _collect_as_usual() -> None:
    """Look for dead cycles as often as Python does: in long work they may hold large arrays."""
    gc.freeze()  # but not among what has been imported
    gc.set_threshold(700, 10, 10)


def _told(talk: Talk, ranks: Ranks | None) -> Talk:
    """Return how to tell of progress: of several processes the first one does."""
    return talk if ranks is None or ranks.is_first else Talk(quiet=True)


def _print_result(out: Path) -> None:
    from physgen.cli.look import print_result  # loads Rich: not before there is a result

    print_result(out)

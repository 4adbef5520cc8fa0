"""The options --points and --jobs: a scan in shares."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from physgen.core.errors import BusyError, InputError
from physgen.workflow.job import LAST
from physgen.workflow.jobs import run_jobs
from physgen.workflow.reporting import Reporter
from physgen.workflow.run import run
from physgen.workflow.sections import JobConfig
from physgen.workflow.shares import Share, all_done, gather, last_stage, run_share, shared

__all__ = ["work_in_shares"]


def work_in_shares(
    until: str,
    config: JobConfig,
    path: Path,
    out: Path,
    overrides: Sequence[str],
    force: bool,
    points: str | None,
    jobs: int,
    reporter: Reporter,
    toy: bool = False,
) -> bool:
    """Work on a share, or on all of them; return whether the run in `out` has come to `until`.

    Of a job array the last `physgen run` gathers; the commands of single stages never do.
    """
    if points is not None and jobs > 1:
        raise InputError("--points is one share and --jobs are all of them; give one of the two")
    if points is not None:
        share = Share.parse(points)
        run_share(config, out, share, force=force, reporter=reporter)
        if until != LAST or not all_done(out, share.n):
            print(f"share {points} is done; when all are, `physgen gather {out}` joins them")
            return False
        try:
            _finish(until, out, force, reporter)
        except BusyError:  # two shares ended at the same time
            print(f"share {points} is done, and another one gathers all")
            return False
        return True
    shared(config, Share(0, jobs))  # refuses before a process is started
    if jobs > (cores := len(os.sched_getaffinity(0))):
        print(f"physgen: {jobs} jobs share {cores} cores", file=sys.stderr)
    given = [part for text in overrides for part in ("--set", text)] + ["--toy"] * toy
    command = [last_stage(config), str(path), "--out", str(out), *given, "--verbose"]
    run_jobs([*command, *(["--force"] if force else [])], out, jobs, reporter)
    _finish(until, out, force, reporter)
    return True


def _finish(until: str, out: Path, force: bool, reporter: Reporter) -> None:
    """Gather all shares, and do what is left."""
    run(gather(out, force=force, reporter=reporter), out, until=until, reporter=reporter)

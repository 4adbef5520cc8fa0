"""The options --points and --jobs: a scan in shares."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from physgen.core.errors import InputError
from physgen.workflow.jobs import run_jobs
from physgen.workflow.reporting import Reporter
from physgen.workflow.sections import JobConfig
from physgen.workflow.shares import Share, all_done, gather, run_share, shared

__all__ = ["work_in_shares"]


def work_in_shares(
    config: JobConfig,
    path: Path,
    out: Path,
    overrides: Sequence[str],
    points: str | None,
    jobs: int,
    reporter: Reporter,
) -> bool:
    """Work on a share, or on all of them; return whether all were gathered into `out`."""
    if points is not None and jobs > 1:
        raise InputError("--points is one share and --jobs are all of them; give one of the two")
    if points is not None:
        share = Share.parse(points)
        run_share(config, out, share, reporter=reporter)
        if not all_done(out, share.n):
            print(f"share {points} is done; the last one gathers all, or `physgen gather {out}`")
            return False
    else:
        shared(config, Share(0, jobs))  # refuses before a process is started
        if jobs > (cores := len(os.sched_getaffinity(0))):
            print(f"physgen: {jobs} jobs share {cores} cores", file=sys.stderr)
        given = [part for text in overrides for part in ("--set", text)]
        run_jobs(["run", str(path), "--out", str(out), *given, "--verbose"], out, jobs, reporter)
    gather(out, reporter=reporter)
    return True

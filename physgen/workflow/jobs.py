"""``--jobs n``: the shares of a scan as n processes on this machine, then one run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from physgen.core.errors import InputError, InterruptedRunError
from physgen.workflow.interrupts import catch_signals
from physgen.workflow.reporting import Reporter
from physgen.workflow.shares import SHARES, Share

__all__ = ["run_jobs"]

_LOOK = 0.2  # seconds between two looks at the processes


def run_jobs(command: Sequence[str], out: Path, n: int, reporter: Reporter) -> None:
    """Run ``command --points i/n`` for every i at once, and wait for all.

    A signal is passed on, and every share writes its checkpoint.  What shares say is in
    ``OUT/points/<i>-of-<n>.log``.

    Raises
    ------
    InterruptedRunError
        If a signal came.
    InputError
        If a share failed, with its last line; the others are finished first.
    """
    (out / SHARES).mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    jobs: list[subprocess.Popen[bytes]] = []
    with catch_signals() as stop:
        try:
            jobs += [_started(command, out, Share(i, n)) for i in range(n)]
            told = False
            while running := [job for job in jobs if job.poll() is None]:
                if stop() and not told:
                    told = True
                    for job in running:
                        job.send_signal(stop.number)
                done, seconds = n - len(running), time.monotonic() - begun
                reporter.update("jobs", f"{done} of {n} shares done, {seconds:.0f} s")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running[0].wait(_LOOK)
        finally:  # a second signal does not leave them behind
            for job in jobs:
                if job.poll() is None:
                    job.terminate()
        if stop():
            raise InterruptedRunError(
                f"stopped by {stop.signal}; the same command continues all {n} shares", stop.number
            )
    failed = [(i, job.returncode) for i, job in enumerate(jobs) if job.returncode]
    if failed:
        i, status = failed[0]
        lines = _log(out, Share(i, n)).read_text(errors="replace").strip().split("\n")
        raise InputError(f"share {i}/{n} ended with status {status}: {lines[-1]}")


def _started(command: Sequence[str], out: Path, share: Share) -> subprocess.Popen[bytes]:
    with _log(out, share).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "physgen", *command, "--points", f"{share.i}/{share.n}"],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _log(out: Path, share: Share) -> Path:
    return out / SHARES / f"{share.name}.log"

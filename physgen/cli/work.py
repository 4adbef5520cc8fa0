"""The commands that do work: run and its stages, resume."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import physgen
from physgen.cli.console import reporting
from physgen.cli.look import print_result
from physgen.workflow.loading import load_config
from physgen.workflow.run import resume as resume_run
from physgen.workflow.run import run

if TYPE_CHECKING:
    from physgen.cli.app import Talk

__all__ = ["resume", "work"]


def work(
    until: str, config: Path, out: Path, overrides: Sequence[str], force: bool, talk: Talk
) -> None:
    """Run the stages up to `until`, then print what the run directory holds."""
    checked = load_config(config, overrides)
    with reporting(*talk) as reporter:
        reporter.begin(f"{_host()}, device {checked.device}")
        run(checked, out, until=until, force=force, reporter=reporter)
    print_result(out)


def resume(out: Path, talk: Talk) -> None:
    """Continue an interrupted run to its end."""
    with reporting(*talk) as reporter:
        reporter.begin(_host())
        resume_run(out, reporter=reporter)
    print_result(out)


def _host() -> str:
    """Return where the work is done: the first thing to know of a slow or strange run."""
    threads = os.environ.get("NUMBA_NUM_THREADS", "1")
    many = "s" * (threads != "1")
    return f"physgen {physgen.__version__} on {platform.node()}, {threads} thread{many}"

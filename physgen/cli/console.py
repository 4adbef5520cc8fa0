"""How the command line talks: progress on stderr, results on stdout.

Rich is loaded where it is used, and so a batch job begins sooner.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from physgen.cli.lines import LineReporter
from physgen.workflow.reporting import Reporter

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["make_reporter", "stdout"]


def stdout() -> Console:
    """Return a console for results; wide enough for the table where there is no terminal."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=100)


def make_reporter() -> Reporter:
    """Return a live progress bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        return LineReporter()
    from physgen.cli.live import RichReporter

    return RichReporter()

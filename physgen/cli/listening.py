"""Who listens to work: the terminal, a batch log, a file, or nobody."""

# ruff: noqa: D102  (what each method hears is said once, in Reporter)

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from physgen.cli.console import make_reporter
from physgen.cli.lines import LineReporter
from physgen.workflow.reporting import Reporter

if TYPE_CHECKING:
    from physgen.training import Progress
    from physgen.workflow.reporting import ScanProgress

__all__ = ["Listeners", "Talk", "reporting"]


class Talk(NamedTuple):
    """How a command that works is to tell of its progress."""

    quiet: bool = False
    verbose: bool = False
    log_file: Path | None = None


@contextmanager
def reporting(talk: Talk) -> Generator[Reporter]:
    """Listen to work: a live bar on a terminal, plain lines elsewhere or if `verbose`.

    With `log_file` the same lines, with times, are appended to it.
    """
    shown = [] if talk.quiet else [LineReporter(every=1.0) if talk.verbose else make_reporter()]
    if talk.log_file is None:
        yield Listeners(shown)
        return
    with talk.log_file.open("a", encoding="utf-8") as file:

        def write(text: str) -> None:
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            print(now, text, file=file, flush=True)

        try:
            yield Listeners([*shown, LineReporter(write)])
        except BaseException as error:
            write(f"ended by {type(error).__name__}: {error}")
            raise


class Listeners(Reporter):
    """Several reporters that hear the same."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = reporters

    def begin(self, text: str) -> None:
        for each in self._reporters:
            each.begin(text)

    def start(self, stage: str, text: str) -> None:
        for each in self._reporters:
            each.start(stage, text)

    def progress(self, progress: Progress, held_out_floor: float | None) -> None:
        for each in self._reporters:
            each.progress(progress, held_out_floor)

    def sampled(self, progress: ScanProgress) -> None:
        for each in self._reporters:
            each.sampled(progress)

    def update(self, stage: str, text: str) -> None:
        for each in self._reporters:
            each.update(stage, text)

    def finish(self, stage: str, text: str, seconds: float) -> None:
        for each in self._reporters:
            each.finish(stage, text, seconds)

    def skip(self, stage: str) -> None:
        for each in self._reporters:
            each.skip(stage)

    def close(self) -> None:
        for each in self._reporters:
            each.close()

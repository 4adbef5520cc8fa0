"""How the command line talks: progress on stderr, results on stdout."""

# ruff: noqa: D102  (what each method hears is said once, in Reporter)

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.status import Status
from rich.text import Text

from physgen.workflow.reporting import Reporter

if TYPE_CHECKING:
    from physgen.training import Progress as FitProgress
    from physgen.workflow.reporting import ScanProgress

__all__ = ["LineReporter", "Listeners", "RichReporter", "reporting", "stdout"]

LINE_EVERY_S = 10.0  # between lines about a fit where there is no terminal


def stdout() -> Console:
    """Return a console for results; wide enough for the table where there is no terminal."""
    return Console() if sys.stdout.isatty() else Console(width=100)


@contextmanager
def reporting(quiet: bool, verbose: bool, log_file: Path | None) -> Generator[Reporter]:
    """Listen to work: a live bar on a terminal, plain lines elsewhere or if `verbose`.

    With `log_file`, the same lines with times are appended to it.
    """
    shown = [] if quiet else [RichReporter() if sys.stderr.isatty() else LineReporter()]
    if verbose and not quiet:
        shown = [LineReporter(every=1.0)]
    if log_file is None:
        yield Listeners(shown)
        return
    with log_file.open("a", encoding="utf-8") as file:

        def write(text: str) -> None:
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            print(now, text, file=file, flush=True)

        try:
            yield Listeners([*shown, LineReporter(write)])
        except BaseException as error:
            write(f"ended by {type(error).__name__}: {error}")
            raise


def _duration(seconds: float) -> str:
    if not seconds < 1e7:  # also catches NaN
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _fit(p: FitProgress, held_out_floor: float | None) -> str:
    """Return the figures of merit: losses per site beside their floors, and the other merits."""
    text = f"{p.label}/site {p.train_loss:.4f}{_floor(p.entropy_floor)}"
    if p.validation_loss == p.validation_loss:  # NaN before the first validation
        text += f", held out {p.validation_loss:.4f}{_floor(held_out_floor)}"
    return ", ".join([text, *(f"{name} {value:.3f}" for name, value in p.merits.items())])


def _floor(entropy: float | None) -> str:
    return "" if entropy is None else f" (floor {entropy:.4f})"


def _drawn(p: ScanProgress) -> str:
    """Return how far the chains of a point have come."""
    if p.now.phase == "warmup":
        return f"warm-up, {p.now.done:,} steps"
    return f"draw {p.now.done:,}/{p.now.total:,}"


def _mixing(p: ScanProgress) -> str:
    """Return the figures of merit of chains: tau_int and R-hat of the slowest observable."""
    tau, hat = p.now.tau_int, p.now.r_hat
    told = [f"tau_int {tau:.3g}"] if tau == tau else []  # NaN at first
    return ", ".join(told + ([f"R-hat {hat:.4f}"] if hat == hat else []))


def _updates(per_second: float) -> str:
    """Return a rate of site updates; nothing while it is not known."""
    if not per_second > 0:
        return ""
    for unit in ("", " k", " M"):
        if per_second < 1000:
            return f"{per_second:.3g}{unit} updates/s"
        per_second /= 1000
    return f"{per_second:.3g} G updates/s"


class LineReporter(Reporter):
    """Plain lines, for logs and batch jobs: `say` prints one, by default on stderr."""

    def __init__(
        self, say: Callable[[str], None] | None = None, every: float = LINE_EVERY_S
    ) -> None:
        self._say, self._every = say or _to_stderr, every
        self._last = -math.inf

    def begin(self, text: str) -> None:
        self._say(text)

    def start(self, stage: str, text: str) -> None:
        self._say(f"{stage:<9} {text}")

    def progress(self, progress: FitProgress, held_out_floor: float | None) -> None:
        p = progress
        if not self._is_time() and p.step < p.n_steps:
            return
        self._say(
            f"train     epoch {p.epoch}/{p.n_epochs}, step {p.step}/{p.n_steps}, "
            f"{_fit(p, held_out_floor)}, "
            f"{p.samples_per_second:,.0f} {p.item}/s, ETA {_duration(p.eta_s)}"
        )

    def sampled(self, progress: ScanProgress) -> None:
        p = progress
        if not self._is_time():
            return
        told = [_drawn(p), _updates(p.updates_per_second), _mixing(p)]
        self._say(
            f"sample    {p.number}/{p.n_points} {p.point}: {', '.join(filter(None, told))}; "
            f"ETA {_duration(p.eta_s)}"
        )

    def update(self, stage: str, text: str) -> None:
        if self._is_time():
            self._say(f"{stage:<9} {text}")

    def finish(self, stage: str, text: str, seconds: float) -> None:
        self._say(f"{stage:<9} done in {seconds:.1f} s: {text}")

    def skip(self, stage: str) -> None:
        self._say(f"{stage:<9} already done")

    def _is_time(self) -> bool:
        """Whether the last line about progress is old enough for another."""
        now = time.monotonic()
        if now - self._last < self._every:
            return False
        self._last = now
        return True


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


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

    def progress(self, progress: FitProgress, held_out_floor: float | None) -> None:
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


class _Rate(ProgressColumn):
    """The speed, as measured by the work itself."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("rate", ""), style="cyan")


class _Eta(ProgressColumn):
    """The time left, as estimated by the work itself."""

    def render(self, task: Task) -> Text:
        return Text(f"ETA {_duration(task.fields.get('eta', math.inf))}", style="dim")


class RichReporter(Reporter):
    """A tick for each stage, and a live bar while a model trains or chains run."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress()
        self._live: Live | None = None
        self._status: Status | None = None
        self._text = self._merit = ""

    def begin(self, text: str) -> None:
        self._console.print(f"[dim]{text}[/dim]", highlight=False)

    def start(self, stage: str, text: str) -> None:
        if stage != "train":
            self._text = text
            self._status = self._console.status(f"[bold]{stage:<9}[/bold] {text}")
            self._status.start()
            return
        self._console.print(f"  [bold]{stage:<9}[/bold] {text}", highlight=False)

    def update(self, stage: str, text: str) -> None:
        if self._status is not None:
            self._status.update(f"[bold]{stage:<9}[/bold] {self._text}, {text}")

    def progress(self, progress: FitProgress, held_out_floor: float | None) -> None:
        p = progress
        self._merit = _fit(p, held_out_floor)
        self._show(
            completed=p.step,
            total=p.n_steps,
            description=f"epoch {p.epoch}/{p.n_epochs}",
            rate=f"{p.samples_per_second:,.0f} {p.item}/s",
            eta=p.eta_s,
        )

    def sampled(self, progress: ScanProgress) -> None:
        p = progress
        self._merit = ", ".join(filter(None, (f"{p.point}: {_drawn(p)}", _mixing(p))))
        share = p.now.done / p.now.total if p.now.phase == "draws" else 0.0
        self._show(
            completed=p.number - 1 + share,
            total=p.n_points,
            description=f"point {p.number}/{p.n_points}",
            rate=_updates(p.updates_per_second),
            eta=p.eta_s,
        )

    def _show(self, **task: Any) -> None:
        """Draw the bar, or bring it up to date."""
        if self._live is None:
            self._clear()
            bar = BarColumn(bar_width=None)
            self._bar = Progress(
                TextColumn("  {task.description}"), bar, _Rate(), _Eta(), expand=True
            )
            self._bar.add_task("", total=None)
            self._live = Live(console=self._console, transient=True, get_renderable=self._lines)
            self._live.start()
        self._bar.update(self._bar.task_ids[0], **task)

    def _lines(self) -> Group:
        """Return the bar, and below it how good the result is."""
        return Group(self._bar, Text(f"  {self._merit}", style="dim"))

    def finish(self, stage: str, text: str, seconds: float) -> None:
        self._clear()
        self._console.print(
            f"[green]✓[/green] [bold]{stage:<9}[/bold] {text}  [dim]{seconds:.1f} s[/dim]",
            highlight=False,
        )

    def skip(self, stage: str) -> None:
        self._console.print(f"[green]✓[/green] [bold]{stage:<9}[/bold] [dim]already done[/dim]")

    def close(self) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._live is not None:
            self._live.stop()
            self._live = None

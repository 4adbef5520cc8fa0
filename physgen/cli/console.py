"""How the command line talks: progress on stderr, results on stdout."""

# ruff: noqa: D102  (what each method hears is said once, in Reporter)

from __future__ import annotations

import math
import sys
import time
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

__all__ = ["LineReporter", "RichReporter", "make_reporter", "stdout"]

LINE_EVERY_S = 10.0  # between lines about a fit where there is no terminal


def stdout() -> Console:
    """Return a console for results; wide enough for the table where there is no terminal."""
    return Console() if sys.stdout.isatty() else Console(width=100)


def make_reporter() -> Reporter:
    """Return a live progress bar on a terminal, plain lines elsewhere."""
    return RichReporter() if sys.stderr.isatty() else LineReporter()


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
    """Plain lines on stderr, for logs and batch jobs."""

    def __init__(self) -> None:
        self._last = -LINE_EVERY_S

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
        if now - self._last < LINE_EVERY_S:
            return False
        self._last = now
        return True

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


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

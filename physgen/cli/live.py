"""Progress on a terminal: a tick for each stage, and a live bar."""

# ruff: noqa: D102  (what each method hears is said once, in Reporter)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.status import Status
from rich.text import Text

from physgen.cli.lines import drawn, figures_of_merit, mixing, updates
from physgen.workflow.reporting import Reporter, eta

if TYPE_CHECKING:
    from physgen.training import Progress as FitProgress
    from physgen.workflow.reporting import ScanProgress

__all__ = ["RichReporter"]


class _Rate(ProgressColumn):
    """The speed, as measured by the work itself."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("rate", ""), style="cyan")


class _Eta(ProgressColumn):
    """The time left, as estimated by the work itself."""

    def render(self, task: Task) -> Text:
        return Text(eta(task.fields.get("eta", math.inf)), style="dim")


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
        self._merit = figures_of_merit(p, held_out_floor)
        self._show(
            completed=p.step,
            total=p.n_steps,
            description=f"epoch {p.epoch}/{p.n_epochs}",
            rate=f"{p.samples_per_second:,.0f} {p.item}/s",
            eta=p.eta_s,
        )

    def sampled(self, progress: ScanProgress) -> None:
        p = progress
        self._merit = ", ".join(filter(None, (f"{p.point}: {drawn(p)}", mixing(p))))
        share = p.now.done / p.now.total if p.now.phase == "draws" else 0.0
        self._show(
            completed=p.number - 1 + share,
            total=p.n_points,
            description=f"point {p.number}/{p.n_points}",
            rate=updates(p.updates_per_second),
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

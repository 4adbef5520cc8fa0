"""Progress as plain lines, for logs and batch jobs; and how progress is put into words."""

# ruff: noqa: D102  (what each method hears is said once, in Reporter)

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from physgen.workflow.reporting import Reporter, eta

if TYPE_CHECKING:
    from physgen.training import Progress as FitProgress
    from physgen.workflow.reporting import ScanProgress

__all__ = ["LineReporter", "drawn", "figures_of_merit", "mixing", "updates"]

LINE_EVERY_S = 10.0  # between lines about a fit where there is no terminal


def figures_of_merit(p: FitProgress, held_out_floor: float | None) -> str:
    """Return the figures of merit: losses per site beside their floors, and the other merits."""
    text = f"{p.label}/site {p.train_loss:.4f}{_floor(p.entropy_floor)}"
    if p.validation_loss == p.validation_loss:  # NaN before the first validation
        text += f", held out {p.validation_loss:.4f}{_floor(held_out_floor)}"
    return ", ".join([text, *(f"{name} {value:.3f}" for name, value in p.merits.items())])


def _floor(entropy: float | None) -> str:
    return "" if entropy is None else f" (floor {entropy:.4f})"


def drawn(p: ScanProgress) -> str:
    """Return how far the chains of a point have come."""
    if p.now.phase == "warmup":
        return f"warm-up, {p.now.done:,} steps"
    return f"draw {p.now.done:,}/{p.now.total:,}"


def mixing(p: ScanProgress) -> str:
    """Return the figures of merit of chains: tau_int and R-hat of the slowest observable."""
    tau, hat = p.now.tau_int, p.now.r_hat
    told = [f"tau_int {tau:.3g}"] if tau == tau else []  # NaN at first
    return ", ".join(told + ([f"R-hat {hat:.4f}"] if hat == hat else []))


def updates(per_second: float) -> str:
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
        rate = f"{p.samples_per_second:,.0f} {p.item}/s"
        self._say(
            f"train     epoch {p.epoch}/{p.n_epochs}, step {p.step}/{p.n_steps}, "
            + ", ".join(filter(None, (figures_of_merit(p, held_out_floor), rate, eta(p.eta_s))))
        )

    def sampled(self, progress: ScanProgress) -> None:
        p = progress
        if not self._is_time():
            return
        told = [drawn(p), updates(p.updates_per_second), mixing(p)]
        line = f"sample    {p.number}/{p.n_points} {p.point}: {', '.join(filter(None, told))}"
        self._say("; ".join(filter(None, (line, eta(p.eta_s)))))

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

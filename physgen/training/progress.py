"""Progress of a fit, reported a few times a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from physgen.training.result import held_out_name

__all__ = ["Progress", "Reporter"]

PROGRESS_EVERY = 0.2  # seconds between calls of the listener


@dataclass(frozen=True)
class Progress:
    """What a progress display shows.

    Attributes
    ----------
    label, item, unit : str
        From the objective: the name of its loss, its items, and its unit.
    train_loss, validation_loss : float
        Per site; NaN before the first validation.
    entropy_floor : float or None
        Lowest possible loss per site.
    samples_per_second : float
        Items trained on in a second.
    epoch, n_epochs, step, n_steps : int
        How far the fit is, and where it ends.
    merits : mapping of str to float
        Figures of merit by name, such as "ess".
    eta_s : float
        Seconds until the end, as far as they can be known; else NaN.
    """

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    label: str
    item: str
    unit: str
    train_loss: float
    validation_loss: float
    merits: Mapping[str, float]
    entropy_floor: float | None
    samples_per_second: float
    eta_s: float


class Reporter:
    """Reports the state of a training loop to a listener, at most every PROGRESS_EVERY s."""

    def __init__(
        self, loop: Any, floor: float | None, callback: Callable[[Progress], None] | None
    ) -> None:
        self.loop, self.floor, self.callback = loop, floor, callback
        self.start, self.first = math.nan, 0
        self.last = -math.inf

    def report(self, final: bool = False) -> None:
        """Call the listener, if it is time or the fit is over."""
        now = time.monotonic()
        if math.isnan(self.start):  # after the first step, which compiles
            self.start, self.first = now, self.loop.state.step
        if self.callback is None or (now - self.last < PROGRESS_EVERY and not final):
            return
        self.last = now
        loop, s = self.loop, self.loop.state
        rate = (s.step - self.first) / max(now - self.start, 1e-9)
        objective = loop.objective
        name = objective.loss_name
        trained = s.history[f"train_{name}"]
        train = trained[-1] if trained else math.nan
        if s.loss_count:
            train = s.loss_sum / s.loss_count / objective.n_sites
        validation = s.history[held_out_name(objective)]
        self.callback(
            Progress(
                epoch=min(loop.epoch + 1, loop.n_epochs),
                n_epochs=loop.n_epochs,
                step=s.step,
                n_steps=s.n_steps,
                label=objective.label,
                item=objective.item,
                unit=objective.unit,
                train_loss=train,
                validation_loss=validation[-1] if validation else math.nan,
                merits={m: s.history[m][-1] for m in objective.merits if s.history[m]},
                entropy_floor=self.floor,
                samples_per_second=rate * loop.settings.batch_size,
                eta_s=(s.n_steps - s.step) / rate if rate > 0 else math.inf,
            )
        )

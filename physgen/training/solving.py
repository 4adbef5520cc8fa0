"""Fits in closed form: one row of history, no steps, and nothing to resume but the result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError, InterruptedRunError
from physgen.core.random import Stream
from physgen.training.progress import Progress
from physgen.training.result import FitResult, held_out_name
from physgen.training.settings import FitSettings
from physgen.training.state import FitState

__all__ = ["solved"]


def solved(
    model: Any,
    objective: Any,
    rng: Stream,
    resume_from: xr.Dataset | None,
    on_checkpoint: Callable[[xr.Dataset, xr.Dataset], None] | None,
    should_stop: Callable[[], int],
    on_progress: Callable[[Progress], None] | None,
    entropy_floor: float | None,
) -> FitResult:
    """Return the result of :func:`~physgen.training.fit` where the objective solves the model.

    Parameters
    ----------
    model, objective, rng, resume_from, on_checkpoint, should_stop, on_progress, entropy_floor
        As in `fit`; there are no settings.

    Raises
    ------
    InputError
        If the solution is not finite, or the checkpoint is of another model.
    """
    settings = FitSettings()  # of an optimiser that is kept, and not used
    start, resumed = time.process_time(), False
    if resume_from is not None:
        state = FitState(model, settings, 1, objective)
        state.restore(resume_from)
        resumed = state.step == 1
    if not resumed:
        if should_stop():
            raise InterruptedRunError("training stopped by request before its one solution")
        loss = objective.solve(model, rng.child("solve"))
        if hasattr(model, "trained_by"):  # of an earlier fit in steps
            model.trained_by = {}
        state = FitState(model, settings, 1, objective)  # after it: average and best are solved
        losses = np.asarray(objective.evaluate(model))
        if not (state.is_finite and math.isfinite(float(loss.value))):
            raise InputError(
                f"a solution must be finite, got a loss of {float(loss.value)}; check the data "
                "for numbers that are far too large"
            )
        state.step = state.best_step = 1
        state.lowest = losses
        state.count(float(loss.value), loss.metrics, 1)
        n, mean = losses.size, float(losses.mean()) if losses.size else math.nan
        error = float(losses.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
        merits = [merit(losses) for merit in objective.merits.values()]
        state.record([1, 0, float(loss.value) / objective.n_sites, mean, error, 0.0, *merits])
    model.load_state_dict(state.best)
    history = state.history_dataset()
    if on_checkpoint is not None:
        on_checkpoint(state.to_dataset(), history)
    if on_progress is not None:
        seconds = max(time.process_time() - start, 1e-9)
        on_progress(_told(objective, history, entropy_floor, objective.n_train / seconds))
    return FitResult(
        model=model,
        history=history.assign_attrs(warnings=""),
        best_step=1,
        stopped_by="solution",
        cpu_seconds=time.process_time() - start,
    )


def _told(objective: Any, history: xr.Dataset, floor: float | None, rate: float) -> Progress:
    """Return the progress of a fit that is done."""
    last = {str(name): float(values[-1]) for name, values in history.data_vars.items()}
    return Progress(
        epoch=1,
        n_epochs=1,
        step=1,
        n_steps=1,
        label=objective.label,
        item=objective.item,
        unit=objective.unit,
        train_loss=last[f"train_{objective.loss_name}"],
        validation_loss=last[held_out_name(objective)],
        merits={name: last[name] for name in objective.merits},
        entropy_floor=floor,
        samples_per_second=rate,
        eta_s=0.0,
    )

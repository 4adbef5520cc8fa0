"""What a fit leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.learning import (
    Carry,
    Judging,
    Monitored,
    Objective,
    Remarked,
    Remarks,
    Validated,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FitResult", "held_out_name", "remarks_of"]


@dataclass(frozen=True, repr=False)
class FitResult:
    """Outcome of a fit.

    Attributes
    ----------
    model : module
        The model that was passed in, holding the averaged weights that validation kept.
    history : xarray.Dataset
        Dimension ``evaluation``: step, epoch, the loss in training and in validation with its
        standard error (per site; e.g. train_nll), learning_rate, merits of the objective, and
        the means of its metrics over the steps since the row before.
    best_step : int
        Step of the weights that were kept.
    stopped_by : {"schedule", "patience", "solution"}
        "solution": the minimum was found in closed form.
    cpu_seconds : float
        CPU time of the fit, what its first step compiles aside; with the time before a resume.
    warnings : str
        What speaks against the result; also in ``history.attrs``.
    """

    model: Any
    history: xr.Dataset
    best_step: int
    stopped_by: str
    cpu_seconds: float
    warnings: str = ""

    def __repr__(self) -> str:
        """Tell the model, its losses where it was kept, and how the fit ended; then warnings."""
        n = sum(p.numel() for p in self.model.parameters())
        steps = self.history["step"].values
        row = int(np.argmin(np.abs(steps - self.best_step))) if steps.size else -1
        told = [
            f"{name} {float(self.history[name][row]):.5g}"
            for name in map(str, self.history.data_vars)
            if name not in ("step", "epoch", "learning_rate") and not name.endswith("_error")
        ]
        last = int(steps[-1]) if steps.size else 0
        lines = [
            f"FitResult of {type(self.model).__name__}, {n:,} parameters",
            f"  {', '.join(told)}",
            f"  kept at step {self.best_step:,} of {last:,}, ended by {self.stopped_by}, "
            f"{self.cpu_seconds:.1f} CPU s",
        ]
        return "\n".join([*lines, *(f"  ! {line}" for line in self.warnings.split("\n") if line)])


def remarks_of(objective: Objective, carry: Carry, model: Any) -> Remarks:
    """Return what an objective says of the weights that were kept, if it says anything."""
    found = objective.remarks(carry) if isinstance(objective, Remarked) else Remarks()
    if not isinstance(objective, Judging):
        return found
    own = objective.judge(model)
    said = "\n".join(filter(None, (found.warnings, own.warnings)))
    return Remarks(said, {**found.settings, **own.settings})


def held_out_name(objective: Objective) -> str:
    """Return the column of the history that `evaluate` fills."""
    seen = objective.loss_name
    if isinstance(objective, Monitored):
        seen = objective.monitor
    elif isinstance(objective, Validated):
        seen = objective.validated_by
    return f"validation_{seen}"

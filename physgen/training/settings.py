"""How long and how fast to train: the recipe as data."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from physgen.core.checks import check_choice, check_finite, check_positive, check_positive_int
from physgen.core.errors import InputError

__all__ = ["FitSettings", "Schedule"]

SCHEDULES = ("cosine", "constant")
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class FitSettings:
    """The training recipe.

    The defaults are one recipe for measurement strings, 1e4 to 1e6 of them, chosen on the critical
    Ising chain of 50 sites (docs/recipe.md holds the runs behind each number).  Other families
    and objectives have recipes of their own (:func:`~physgen.training.recipe`).

    Attributes
    ----------
    n_epochs : int or None
        Passes over the training items.  None is the rule for measurement strings, 10 epochs_scale
        (1e4 / n_train)^(1/3), at least 2: more strings need fewer passes, but more steps.
    epochs_scale : float
        Factor of that rule, for models that learn faster or slower; > 0.
    min_steps : int
        Least number of steps if `n_epochs` is None: few strings need more passes.
    budget : str or None
        CPU time instead of `n_epochs`, e.g. ``"60s"``, ``"5min"``, ``"1h"``.  Calibrated once, on
        copies, to a number of steps that is stored and reused on resume.
    batch_size : int
        Items per optimiser step: strings, configurations or draws.
    shards : int
        Parts that a batch is cut into, each with random numbers of its own: as many processes can
        share the fit, with the same result on any number of them (:mod:`~physgen.training.ranks`).
    cuda_graphs : bool
        Record an update on a CUDA device once and replay it, which saves the time of launching
        its kernels (:mod:`~physgen.training.graphs`); the random numbers are the same.
    learning_rate : float
        Peak step size of Adam.
    schedule : {"cosine", "constant"}
        Cosine decay to zero over the planned steps, or none.
    warmup_fraction : float
        Share of the steps with linearly growing learning rate, in [0, 1).
    clip_norm : float or None
        Largest Euclidean norm of the gradient; None: unlimited.
    beta2 : float
        Decay of Adam's second moments, in [0, 1).
    ema_decay : float
        Exponential moving average of the weights, in [0, 1); validation and the result use it.
    validate_every : int
        Epochs between validations.
    patience : int or None
        Stop after this many validations without improvement; None: never stop early.
    checkpoint_every : float
        Seconds of wall time between checkpoints.

    Raises
    ------
    InputError
        If a number is not positive or not in its range, the schedule is unknown, both `n_epochs`
        and `budget` are given, or `cuda_graphs` and several shards.
    """

    n_epochs: int | None = None
    epochs_scale: float = 1.0
    min_steps: int = 0
    budget: str | None = None
    batch_size: int = 50
    shards: int = 1
    cuda_graphs: bool = False
    learning_rate: float = 1e-2
    schedule: str = "cosine"
    warmup_fraction: float = 0.02
    clip_norm: float | None = 1.0
    beta2: float = 0.999
    ema_decay: float = 0.995
    validate_every: int = 1
    patience: int | None = None
    checkpoint_every: float = 20.0

    def __post_init__(self) -> None:
        if self.n_epochs is not None:
            check_positive_int("n_epochs", self.n_epochs)
        check_positive("epochs_scale", self.epochs_scale)
        check_positive_int("min_steps", self.min_steps, 0)
        if self.budget is not None:
            parse_seconds(self.budget)
            if self.n_epochs is not None:
                raise InputError("give n_epochs or budget, not both")
        check_positive_int("batch_size", self.batch_size)
        check_positive_int("shards", self.shards)
        if self.cuda_graphs and self.shards > 1:
            raise InputError(
                f"cuda_graphs needs shards = 1, got {self.shards}; a shard is no step of its own"
            )
        check_positive("learning_rate", self.learning_rate)
        check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("warmup_fraction", "beta2", "ema_decay"):
            if not 0 <= check_finite(name, getattr(self, name)) < 1:
                raise InputError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if self.clip_norm is not None:
            check_positive("clip_norm", self.clip_norm)
        check_positive_int("validate_every", self.validate_every)
        if self.patience is not None:
            check_positive_int("patience", self.patience)
        check_positive("checkpoint_every", self.checkpoint_every)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types."""
        return asdict(self)

    def epochs(self, n_train: int) -> int:
        """Return the number of passes over `n_train` items."""
        if self.n_epochs is not None:
            return self.n_epochs
        passes = round(10 * self.epochs_scale * (1e4 / n_train) ** (1 / 3))
        steps = math.ceil(n_train / self.batch_size)
        return max(2, passes, math.ceil(self.min_steps / steps))

    def learning_rate_at(self, step: int, n_steps: int) -> float:
        """Return the learning rate of optimiser step `step` = 0..n_steps-1."""
        warmup = self.warmup_fraction * n_steps
        if step < warmup:
            return self.learning_rate * (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return self.learning_rate
        phase = (step - warmup) / max(1.0, n_steps - warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * phase))


def parse_seconds(text: str) -> float:
    """Return the seconds meant by ``"60s"``, ``"5min"`` or ``"1h"``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", str(text))
    if not match or not 0 < float(match[1]) < math.inf:
        raise InputError(f"budget must be a time such as '60s', '5min' or '1h', got {text!r}")
    return float(match[1]) * _UNITS[match[2]]


class Schedule(NamedTuple):
    """Steps of an earlier fit, to be repeated in a fit to other data.

    Attributes
    ----------
    n_steps : int
        Planned steps, which set the learning rate.
    keep_step : int
        The step whose weights are kept, at which training ends.
    plan : sequence of (step, n_steps)
        From which step on how many were planned, where a time budget changed their number;
        ``history.attrs["plan"]`` of the fit, from JSON.
    """

    n_steps: int
    keep_step: int
    plan: Sequence[Sequence[int]] = ()

r"""The one training loop.

One step, with gradient g of the objective on a mini-batch:

.. math:: g \leftarrow g \min(1, c / |g|), \qquad \theta \leftarrow \mathrm{Adam}(\theta, g,
          \eta_t), \qquad \bar\theta \leftarrow \bar\theta + (1 - d)(\theta - \bar\theta)

with clip norm c, learning rate :math:`\eta_t` of the schedule and averaging decay d.  The result
is the latest average with a validation loss within one standard error of the lowest (of the
*difference*, item by item): the plain minimum over noisy validations would often pick weights
from the middle of the schedule (docs/recipe.md).

The objective orders epoch e by ``rng.child("shuffle").at(e)``, and step t hands it
``rng.child("loss").at(t)``: no random state is stored.  What it has to keep it *carries* from step
to step, in the state of the fit.  So a resumed fit repeats the uninterrupted one bit for bit.

Where the minimum has a closed form (:class:`~physgen.core.learning.Solvable`) no step is taken.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from physgen.core.errors import InputError, InterruptedRunError, TrainingDivergedError
from physgen.core.learning import Annealed, Monitored, Objective, Solvable
from physgen.core.random import Stream, as_stream
from physgen.training.budget import Clock, affordable_steps, too_few_steps
from physgen.training.default_settings import default_settings
from physgen.training.progress import Progress, Reporter
from physgen.training.result import FitResult, remarks_of
from physgen.training.settings import FitSettings, Schedule, parse_seconds
from physgen.training.solving import solved
from physgen.training.state import FitState
from physgen.training.stepped import resolve

__all__ = ["fit"]

TOLERANCE = 1.0  # standard errors by which the kept validation loss may exceed the lowest


def fit(
    model: Any,
    objective: Objective,
    settings: FitSettings | None = None,
    *,
    rng: Stream | int = 0,
    budget: str | None = None,
    schedule: Schedule | None = None,
    entropy_floor: float | None = None,
    resume_from: xr.Dataset | None = None,
    on_checkpoint: Callable[[xr.Dataset, xr.Dataset], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_average: Callable[[int, Any], None] | None = None,
) -> FitResult:
    """Train `model` on `objective` and return it with the weights that validation keeps.

    Parameters
    ----------
    model : torch module
        Trained in place.
    objective : Objective
        E.g. :class:`~physgen.training.NegativeLogLikelihood`.
    settings : FitSettings, optional
        The recipe; by default the one of the model's family (:func:`~physgen.training.recipe`).
    rng : Stream or int
        Order of the items, and randomness of the objective.
    budget : str, optional
        CPU time, e.g. "60s", instead of the length in the settings; too short a one warns.  What
        the first step compiles is not counted.  A solution in closed form needs none.
    schedule : Schedule, optional
        Follow an earlier fit, instead of `settings` and validation: a refit that stopped at
        another step would show a difference that does not come from the data.
    entropy_floor : float, optional
        Lowest possible loss per site, e.g. the entropy of the data, shown beside the progress.
    resume_from : Dataset, optional
        A state handed to `on_checkpoint` earlier; continues from there.
    on_checkpoint : callable(state, history), optional
        Called every ``settings.checkpoint_every`` seconds, at the end, and whenever a budget
        changes the number of steps: a resumed fit repeats what was decided.
    should_stop : callable() -> bool, optional
        Asked before each step; True checkpoints and raises InterruptedRunError.  Steps that
        only time a budget leave nothing to checkpoint.
    on_progress : callable(Progress), optional
        Called about five times a second.
    on_average : callable(step, model), optional
        Called at powers of two and at every validation, with the averaged weights in a model that
        it must not change, e.g. a :class:`~physgen.training.trajectory.Trajectory`.

    Returns
    -------
    FitResult

    Raises
    ------
    TrainingDivergedError
        If the loss stops being finite; the model then holds the last weights that validated
        well, and so does a last checkpoint.
    InterruptedRunError
        If `should_stop` asked for it, after a checkpoint.
    InputError
        If `resume_from` belongs to another model or objective, `patience` is given without
        held-out items, or there are no `settings` and the model's family has no recipe.
    """
    should_stop = should_stop or (lambda: False)
    if isinstance(objective, Solvable) and objective.solves(model):
        hooks = (on_checkpoint, should_stop, on_progress, entropy_floor)
        return solved(model, objective, as_stream(rng), resume_from, *hooks)
    settings = settings or default_settings(model)
    if budget is not None:
        settings = replace(settings, n_epochs=None, budget=budget)
    loop = _Loop(model, objective, settings, as_stream(rng), schedule)
    loop.on_average = on_average
    if loop.settings.patience is not None and objective.n_validation == 0:
        raise InputError(
            "patience needs held-out items, got an objective that holds none out; give it some "
            "(validation_fraction or n_validation > 0), or leave out patience"
        )
    if resume_from is not None:
        loop.state.restore(resume_from)
    else:
        loop.begin(should_stop)
    loop.start_clock()
    reporter = Reporter(loop, entropy_floor, on_progress)
    saved_at = time.monotonic()

    def checkpoint() -> None:
        if on_checkpoint is not None:
            if loop.in_time:  # elsewhere equal fits have equal checkpoints, however long they took
                loop.state.cpu_seconds = loop.clock.seconds
            on_checkpoint(loop.state.to_dataset(), loop.state.history_dataset())

    while not loop.finished:
        if should_stop():
            checkpoint()
            raise InterruptedRunError(
                f"training stopped by request at step {loop.state.step} of {loop.state.n_steps}"
            )
        if time.monotonic() - saved_at > loop.settings.checkpoint_every:
            checkpoint()
            saved_at = time.monotonic()
        decided = len(loop.state.plan)
        try:
            loop.advance()
        except TrainingDivergedError:
            checkpoint()
            raise
        if len(loop.state.plan) > decided:
            checkpoint()
        reporter.report()
    checkpoint()
    reporter.report(final=True)
    model.load_state_dict(loop.state.best)
    remarks = remarks_of(objective, loop.state.best_carry)
    if remarks.settings or hasattr(model, "trained_by"):
        model.trained_by = dict(remarks.settings)
    short = too_few_steps(None if schedule else loop.settings.budget, loop.state.n_steps)
    said = "\n".join(filter(None, (short, remarks.warnings)))
    if said and on_checkpoint is None:
        warnings.warn(said, stacklevel=2)  # a run keeps it with the history instead
    return FitResult(
        model=model,
        history=loop.state.history_dataset().assign_attrs(warnings=said),
        best_step=loop.state.best_step,
        stopped_by="patience" if loop.state.step < loop.last_step else "schedule",
        cpu_seconds=loop.clock.seconds,
        warnings=said,
    )


class _Loop:
    """State, data order and the step itself."""

    def __init__(
        self,
        model: Any,
        objective: Objective,
        settings: FitSettings,
        rng: Stream,
        schedule: Schedule | None = None,
    ) -> None:
        self.schedule = schedule
        self.objective, self.settings, self.rng = objective, settings, rng
        self.steps_per_epoch = math.ceil(objective.n_train / settings.batch_size)
        n_steps = settings.epochs(objective.n_train) * self.steps_per_epoch
        if schedule is not None:
            n_steps = int(schedule.plan[0][1]) if schedule.plan else schedule.n_steps
        self.state = FitState(model, settings, n_steps, objective)
        self.clock = Clock(None, 0.0, 0, n_steps, 0.0)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))
        self.on_average: Callable[[int, Any], None] | None = None

    @property
    def finished(self) -> bool:
        s = self.state
        patience = None if self.schedule else self.settings.patience
        return s.step >= self.last_step or (patience is not None and s.stale >= patience)

    @property
    def last_step(self) -> int:
        return self.state.n_steps if self.schedule is None else self.schedule.keep_step

    @property
    def epoch(self) -> int:
        return self.state.step // self.steps_per_epoch

    @property
    def n_epochs(self) -> int:
        return math.ceil(self.state.n_steps / self.steps_per_epoch)

    def begin(self, should_stop: Callable[[], bool]) -> None:
        """Take the first carry, and turn a time budget into a number of steps."""
        s = self.state
        s.begin(self.objective.begin(s.model, self.rng.child("begin")))
        if not self.in_time:
            return
        trial = copy.copy(self)
        trial.state = FitState(copy.deepcopy(s.model), self.settings, 10**9, self.objective)
        trial.state.begin(s.carry)  # a copy: timing leaves no trace
        s.n_steps, s.cpu_seconds, s.last_seconds = affordable_steps(
            parse_seconds(str(self.settings.budget)),
            lambda: trial.advance(validate=False),
            lambda: self.objective.evaluate(trial.state.average),
            self.steps_per_epoch * self.settings.validate_every,
            should_stop,
        )

    @property
    def in_time(self) -> bool:
        """Whether the length is a budget of time, and none that is followed."""
        return self.settings.budget is not None and self.schedule is None

    def start_clock(self) -> None:
        """Go on with the CPU time that the state has taken."""
        s = self.state
        budget = parse_seconds(str(self.settings.budget)) if self.in_time else None
        self.clock = Clock(budget, s.cpu_seconds, s.step, s.n_steps, s.last_seconds)

    def _plan(self) -> None:
        """Set the number of steps that the budget, or the plan that is followed, has from here."""
        s = self.state
        if self.schedule is not None:
            for step, n_steps in self.schedule.plan:
                s.n_steps = int(n_steps) if step <= s.step else s.n_steps
            return
        s.planned(self.clock.steps(s.step, s.n_steps))

    def advance(self, validate: bool = True) -> None:
        """Take one optimiser step, and validate at the end of an epoch."""
        s, settings = self.state, self.settings
        index = self._batch_index()
        for group in s.optimizer.param_groups:
            group["lr"] = settings.learning_rate_at(s.step, s.n_steps)
        s.optimizer.zero_grad(set_to_none=True)
        objective = self.objective
        if isinstance(objective, Annealed):
            objective = objective.at(s.step / s.n_steps)
        try:
            loss = objective.loss(s.model, index, self.rng.child("loss").at(s.step), s.carry)
        except TrainingDivergedError:  # its chains froze
            s.fall_back()
            raise
        value = float(loss.value.detach())
        if not math.isfinite(value):
            self._diverged(value)
        loss.value.backward()
        clip = math.inf if settings.clip_norm is None else settings.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(s.model.parameters(), clip)
        if not math.isfinite(float(norm)):
            self._diverged(float(norm), what="gradient")
        s.optimizer.step()
        s.update_average(settings.ema_decay)
        s.carry = {name: tensor.detach() for name, tensor in loss.carry.items()}
        s.step += 1
        s.count(value, loss.metrics, len(index))
        if not validate:
            return
        self._plan()
        every = self.steps_per_epoch * settings.validate_every
        due = s.step % every == 0 or s.step == self.last_step
        if due or s.step.bit_count() == 1:  # powers of two: weights change fast at first
            resolve(s, self.rng.child("steps").at(s.step), self.in_time)
            if self.on_average is not None:
                self.on_average(s.step, s.average)
        if due:
            self._validate()

    def _batch_index(self) -> np.ndarray:
        epoch, place = divmod(self.state.step, self.steps_per_epoch)
        if self._order[0] != epoch:
            shuffle = self.rng.child("shuffle").at(epoch)
            self._order = (epoch, self.objective.epoch_order(shuffle))
        size = self.settings.batch_size
        return self._order[1][place * size : (place + 1) * size].astype(np.int64, copy=False)

    def _validate(self) -> None:
        s = self.state
        losses = self.objective.evaluate(s.average)
        if not np.isfinite(losses).all():
            self._diverged(math.nan, what="validation loss")
        if not s.is_finite:
            self._diverged(math.nan, what="state (weights, and what the objective carries)")
        train = s.loss_sum / s.loss_count / self.objective.n_sites
        validation = losses.mean() if losses.size else math.nan
        rate = self.settings.learning_rate_at(s.step - 1, s.n_steps)
        row = [s.step, self.epoch, train, validation, _standard_error(losses), rate]
        row += [merit(losses) for merit in self.objective.merits.values()]
        s.record(row)
        if not s.lowest.size or losses.mean() < s.lowest.mean():
            s.lowest, s.stale = losses, 0
        else:
            s.stale += 1
        worse = losses - s.lowest
        significantly = worse.size and worse.mean() > TOLERANCE * _standard_error(worse)
        last = self.schedule is not None or isinstance(self.objective, Monitored)
        if last or not significantly:
            s.keep()

    def _diverged(self, value: float, what: str = "loss") -> None:
        s = self.state
        s.fall_back()
        raise TrainingDivergedError(
            f"the {what} became {value} at step {s.step} of {s.n_steps}; the weights of step "
            f"{s.best_step} are kept. Lower learning_rate (now {self.settings.learning_rate:g}) "
            "or clip_norm",
            step=s.step,
        )


def _standard_error(x: np.ndarray) -> float:
    return float(x.std(ddof=1) / math.sqrt(x.size)) if x.size > 1 else math.nan

r"""The steps of a fit: one mini-batch each, and what validation keeps.

One step, with gradient g of the objective on a mini-batch:

.. math:: g \leftarrow g \min(1, c / |g|), \qquad \theta \leftarrow \mathrm{Adam}(\theta, g,
          \eta_t), \qquad \bar\theta \leftarrow \bar\theta + (1 - d)(\theta - \bar\theta)

with clip norm c, learning rate :math:`\eta_t` of the schedule and averaging decay d.  The result
is the latest average with a validation loss within one standard error of the lowest (of the
*difference*, item by item): the plain minimum over noisy validations would often pick weights
from the middle of the schedule (docs/recipe.md).

The objective orders epoch e by ``rng.child("shuffle").at(e)``, and step t hands it
``rng.child("loss").at(t)``: no random state is stored.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from physgen.core.errors import TrainingDivergedError
from physgen.core.learning import Annealed, Monitored, Objective
from physgen.core.random import Stream
from physgen.training.budget import Clock, affordable_steps
from physgen.training.graphs import Graphs
from physgen.training.ranks import ALONE, Ranks
from physgen.training.settings import FitSettings, Schedule, parse_seconds
from physgen.training.shards import Step, check_shards, sharded_step
from physgen.training.state import FitState, digest
from physgen.training.stepped import resolve

__all__ = ["Loop"]

TOLERANCE = 1.0  # standard errors by which the kept validation loss may exceed the lowest


class Loop:
    """The state of a fit, the order of its data, and the step itself.

    Parameters
    ----------
    model, objective, settings, rng, schedule, ranks
        As of :func:`~physgen.training.fit`.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        settings: FitSettings,
        rng: Stream,
        schedule: Schedule | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        check_shards(settings.shards, ranks.world, settings.batch_size, objective)
        self.schedule, self.ranks = schedule, ranks
        self.objective, self.settings, self.rng = objective, settings, rng
        self.steps_per_epoch = math.ceil(objective.n_train / settings.batch_size)
        n_steps = settings.epochs(objective.n_train) * self.steps_per_epoch
        if schedule is not None:
            n_steps = int(schedule.plan[0][1]) if schedule.plan else schedule.n_steps
        self.state = FitState(model, settings, n_steps, objective)
        self.graphs = Graphs(model, objective) if settings.cuda_graphs else None
        self.clock = Clock(None, 0.0, 0, n_steps, 0.0)
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))
        self.on_average: Callable[[int, Any], None] | None = None

    @property
    def finished(self) -> bool:
        """Whether the last step is done, or patience has run out."""
        s = self.state
        patience = None if self.schedule else self.settings.patience
        return s.step >= self.last_step or (patience is not None and s.stale >= patience)

    @property
    def last_step(self) -> int:
        """Number of the step that ends the fit."""
        return self.state.n_steps if self.schedule is None else self.schedule.keep_step

    @property
    def epoch(self) -> int:
        """Number of the epoch, from 0."""
        return self.state.step // self.steps_per_epoch

    @property
    def n_epochs(self) -> int:
        """Number of epochs that are planned."""
        return math.ceil(self.state.n_steps / self.steps_per_epoch)

    def begin(self, should_stop: Callable[[], int]) -> None:
        """Take the first carry, and turn a time budget into a number of steps."""
        s = self.state
        s.begin(self.objective.begin(s.model, self.rng.child("begin")))
        if not self.in_time:
            return
        n_steps = self.ranks.first(lambda: self._affordable(should_stop))
        s.n_steps, s.cpu_seconds, s.last_seconds = n_steps

    def _affordable(self, should_stop: Callable[[], int]) -> tuple[int, float, float]:
        """Time steps on a copy, which leaves no trace: a number of them, and what it took."""
        s, trial = self.state, copy.copy(self)
        trial.ranks = self.ranks.apart()
        trial.state = FitState(copy.deepcopy(s.model), self.settings, 10**9, self.objective)
        trial.state.begin(s.carry)
        trial.graphs = None if self.graphs is None else self.graphs.apart(trial.state.model)
        return affordable_steps(
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
        if self.in_time:  # clocks differ between processes
            s.planned(self.ranks.first(lambda: self.clock.steps(s.step, s.n_steps)))

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
        done = self._gradient(objective, index, self.rng.child("loss").at(s.step))
        if not math.isfinite(done.value):
            self._diverged(done.value)
        clip = math.inf if settings.clip_norm is None else settings.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(s.model.parameters(), clip)
        if not math.isfinite(float(norm)):
            self._diverged(float(norm), what="gradient")
        s.optimizer.step()
        s.update_average(settings.ema_decay)
        s.step += 1
        s.count(done.value, done.metrics, len(index))
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

    def _gradient(self, objective: Any, index: np.ndarray, rng: Stream) -> Step:
        """Set the gradient of a batch, and return its loss."""
        s = self.state
        if self.settings.shards > 1:
            return sharded_step(s.model, objective, index, rng, self.settings.shards, self.ranks)
        if self.graphs is not None and objective is self.objective:  # it no longer changes
            return self.graphs.gradient(index, rng)
        try:
            loss = objective.loss(s.model, index, rng, s.carry)
        except TrainingDivergedError:  # its chains froze
            s.fall_back()
            raise
        value = float(loss.value.detach())
        if not math.isfinite(value):
            self._diverged(value)
        loss.value.backward()
        s.carry = {name: tensor.detach() for name, tensor in loss.carry.items()}
        return Step(value, dict(loss.metrics))

    def _batch_index(self) -> np.ndarray:
        epoch, place = divmod(self.state.step, self.steps_per_epoch)
        if self._order[0] != epoch:
            shuffle = self.rng.child("shuffle").at(epoch)
            self._order = (epoch, self.objective.epoch_order(shuffle))
        size = self.settings.batch_size
        return self._order[1][place * size : (place + 1) * size].astype(np.int64, copy=False)

    def _validate(self) -> None:
        s = self.state
        losses = self.ranks.first(lambda: self.objective.evaluate(s.average))
        self.check_weights()
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

    def check_weights(self) -> None:
        """Refuse processes whose weights have parted: their machines compute other bits."""
        if self.ranks.world > 1:
            what, found = f"the weights at step {self.state.step}", digest(self.state.model)
            self.ranks.check_equal(what, found, "start all on machines of one kind")

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

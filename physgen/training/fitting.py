r"""The one training loop.

The steps, and which weights they keep, are in :mod:`physgen.training.loop`.  What an objective
has to keep from step to step it *carries*, in the state of the fit, and no random state is stored:
a resumed fit repeats the uninterrupted one bit for bit.

Where the minimum has a closed form (:class:`~physgen.core.learning.Solvable`) no step is taken.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import xarray as xr

from physgen.core.errors import InputError, InterruptedRunError, TrainingDivergedError
from physgen.core.learning import Finishing, Objective, Preparing, Solvable
from physgen.core.random import Stream, as_stream
from physgen.training.budget import too_few_steps
from physgen.training.default_settings import default_settings
from physgen.training.loop import Loop
from physgen.training.progress import Progress, Reporter
from physgen.training.ranks import ALONE, Ranks
from physgen.training.result import FitResult, remarks_of
from physgen.training.settings import FitSettings, Schedule
from physgen.training.solving import solved

__all__ = ["fit"]


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
    should_stop: Callable[[], int] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_average: Callable[[int, Any], None] | None = None,
    ranks: Ranks = ALONE,
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
    should_stop : callable() -> bool or int, optional
        Asked before each step; True, or the number of a signal, checkpoints and raises
        InterruptedRunError.  Steps that only time a budget leave nothing to checkpoint.
    on_progress : callable(Progress), optional
        Called about five times a second.
    on_average : callable(step, model), optional
        Called at powers of two and at every validation, with the averaged weights in a model that
        it must not change, e.g. a :class:`~physgen.training.trajectory.Trajectory`.
    ranks : Ranks, optional
        The processes that share this fit, from :func:`~physgen.training.connect`; each calls `fit`
        with the same arguments, and ``settings.shards`` is at least their number.  A stop asked of
        one stops all; checkpoints and progress are those of process 0.

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
    if not ranks.is_first:
        on_checkpoint = on_progress = None
    if isinstance(objective, Solvable) and objective.solves(model):
        hooks = (on_checkpoint, should_stop, on_progress, entropy_floor)
        return solved(model, objective, as_stream(rng), resume_from, *hooks)
    settings = settings or default_settings(model)
    if budget is not None:
        settings = replace(settings, n_epochs=None, budget=budget)
    if resume_from is None and isinstance(objective, Preparing):
        objective.prepare(model)
    loop = Loop(model, objective, settings, as_stream(rng), schedule, ranks)
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
    _check_carry(loop)
    loop.check_weights()
    loop.start_clock()
    reporter = Reporter(loop, entropy_floor, on_progress)
    saved_at = time.monotonic()

    def checkpoint() -> None:
        if on_checkpoint is not None:
            if loop.in_time:  # elsewhere equal fits have equal checkpoints, however long they took
                loop.state.cpu_seconds = loop.clock.seconds
            on_checkpoint(loop.state.to_dataset(), loop.state.history_dataset())

    while not loop.finished:
        if asked := ranks.most(int(should_stop())):
            checkpoint()
            raise InterruptedRunError(
                f"training stopped by request at step {loop.state.step} of {loop.state.n_steps}",
                *([asked] if asked > 1 else []),
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
    if isinstance(objective, Finishing):
        objective.finish(model)
    remarks = remarks_of(objective, loop.state.best_carry, model)
    if remarks.settings or hasattr(model, "trained_by"):
        model.trained_by = dict(remarks.settings)
    short = too_few_steps(None if schedule else loop.settings.budget, loop.state.n_steps)
    said = "\n".join(filter(None, (short, remarks.warnings)))
    if said and on_checkpoint is None and ranks.is_first:
        warnings.warn(said, stacklevel=2)  # a run keeps it with the history instead
    return FitResult(
        model=model,
        history=loop.state.history_dataset().assign_attrs(warnings=said),
        best_step=loop.state.best_step,
        stopped_by="patience" if loop.state.step < loop.last_step else "schedule",
        cpu_seconds=loop.clock.seconds,
        warnings=said,
    )


def _check_carry(loop: Loop) -> None:
    """Refuse shards where an objective carries something that belongs to the whole batch."""
    if loop.settings.shards > 1 and loop.state.carry:
        carried = ", ".join(sorted(loop.state.carry))
        raise InputError(
            f"shards must be 1 for {type(loop.objective).__name__}, which carries {carried} from "
            f"step to step (chains, a critic), got {loop.settings.shards}; leave shards out, and "
            "spread points or seeds over processes instead (--jobs, --points)"
        )

r"""Particles that are annealed along a path: weighted, resampled and moved, stage after stage.

From :math:`\lambda` to :math:`\lambda + \Delta` the weights are multiplied by
:math:`e^{-(S_{\lambda + \Delta} - S_\lambda)}`.  A run that chooses its stages takes the step
:math:`\Delta` at which the conditional effective share of the particles falls to a given value
(Zhou, Johansen & Aston, J. Comput. Graph. Stat. 25, 701 (2016)), and tunes the move of each stage;
a run with a plan repeats stages that were chosen before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.chains import Tunable
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.exchange import carried_over
from physgen.samplers.smc_checkpoint import Annealing, Stage
from physgen.samplers.smc_paths import Path, work_along
from physgen.samplers.smc_results import Islands

__all__ = ["Annealer"]


@dataclass(frozen=True)
class Annealer:
    """Particles that go from stage to stage.

    Parameters
    ----------
    path : Path
    move : Sampler
    n_moves : int
        Steps of the move after each stage.
    identity : mapping
        What a checkpoint keeps of the arguments.
    on_stage : callable(Annealing)
        Called after every stage.
    max_stages : int
        Stages after which a run that chooses them gives up.
    n_tuning : int
        Moves that tune the sampler of a stage, where stages are chosen.
    go_on : bool
        Whether the tuning of a stage begins with the values of the stage before.
    """

    path: Path
    move: Any
    n_moves: int
    identity: Mapping[str, Any]
    on_stage: Callable[[Annealing], None]
    max_stages: int
    n_tuning: int = 20
    go_on: bool = False

    def bound(self, stage: Stage) -> Any:
        """Return the move of a stage."""
        bound = self.move.bind(self.path.at(stage.fraction))
        return bound.with_tuning(stage.tuning) if stage.tuning else bound

    def anneal(
        self,
        phase: str,
        islands: Islands,
        resample_below: float,
        rng: Stream,
        plan: float | list[Stage],
        begun: Annealing | None,
    ) -> Annealing:
        """Anneal the particles by the stages of `plan`, or by stages with the CESS `plan`."""
        planned = plan if isinstance(plan, list) else []
        if begun is None:
            first = Stage(0.0, {})
            x = self.path.sample(rng.child("sample"), islands.n)
            bound = self.bound(first)
            state = bound.init(rng.child("first"), islands.n, x)
            now = Annealing(phase, state, islands, [], planned, self.identity, bound)
        else:
            now = begun
        while not now.stages or now.stages[-1].fraction < 1:
            now = self._stage(now, resample_below, rng.child("stage", len(now.stages)), plan)
            self.on_stage(now)
        return now

    def _stage(
        self, now: Annealing, resample_below: float, here: Stream, plan: float | list[Stage]
    ) -> Annealing:
        islands, before = now.islands, now.stages[-1] if now.stages else Stage(0.0, {})
        k = len(now.stages)
        old = now.bound or self.bound(before)
        work = work_along(self.path, old, now.state, before.fraction)
        if isinstance(plan, list):
            stage = plan[k]
        else:
            if k == self.max_stages:
                raise InputError(
                    f"smc must reach its target within max_stages = {self.max_stages}, got "
                    f"{before.fraction:.3g} of the way; give start= a density that covers the "
                    "target better, lower cess, or raise max_stages"
                )
            step = _step(islands, work, plan, 1 - before.fraction)
            stage = Stage(before.fraction + step, {})
        islands.weigh(work(stage.fraction - before.fraction), 1.0)
        source = islands.resample(resample_below, here.child("resample"))
        bound = self.bound(stage)
        state = carried_over(bound, old, now.state, source)
        if not isinstance(plan, list) and isinstance(bound, Tunable):
            bound = bound.with_tuning(before.tuning) if self.go_on and before.tuning else bound
            bound, state = bound.tune(here.child("tune"), state, self.n_tuning)
            stage = Stage(stage.fraction, dict(bound.tuning))
        state, info = bound.step(here.child("move"), state, self.n_moves)
        islands.note(stage.fraction, info)
        return now.after(state, stage, bound)


def _step(
    islands: Islands, work: Callable[[float], np.ndarray], cess: float, rest: float
) -> float:
    """Return the step at which the conditional effective share falls to `cess`, at most `rest`."""
    if islands.conditional_share(work(rest), 1.0) >= cess:
        return rest
    low, high = 0.0, rest
    for _ in range(40):
        middle = 0.5 * (low + high)
        if islands.conditional_share(work(middle), 1.0) >= cess:
            low = middle
        else:
            high = middle
    # Even where no step is small enough, the target has to be reached.
    return max(low, 1e-6 * rest)

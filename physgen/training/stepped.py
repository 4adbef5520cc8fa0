"""Models defined by an equation that is solved in steps: training takes as many as they need."""

from __future__ import annotations

import math

from physgen.core.learning import Stepped
from physgen.core.random import Stream
from physgen.training.state import FitState

__all__ = ["resolve"]


def resolve(state: FitState, rng: Stream, in_time: bool) -> None:
    """Raise the number of steps of every solver in a model as its weights require.

    Parameters
    ----------
    state : FitState
        Model and average take the same number.
    rng : Stream
    in_time : bool
        Plan fewer updates from now on, so that the fit takes no longer.
    """
    pairs = zip(state.model.modules(), state.average.modules(), strict=True)
    for k, (module, average) in enumerate(pairs):
        if not isinstance(module, Stepped):
            continue
        before, needed = module.steps, module.steps_needed(rng.at(k))
        if needed <= before:
            continue
        module.steps = average.steps = needed
        if in_time:
            rest = (state.n_steps - state.step) * before / needed
            state.planned(state.step + math.ceil(rest))

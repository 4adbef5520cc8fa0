"""Models that are solved for in steps: training gives them more, where they need them."""

from __future__ import annotations

import math

from physgen.core.learning import Stepped
from physgen.core.random import Stream
from physgen.training.state import FitState

__all__ = ["resolve"]


def resolve(state: FitState, rng: Stream, in_time: bool) -> None:
    """Let whatever in a model is solved for in steps take those that its weights need.

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
            state.n_steps = state.step + math.ceil(rest)

"""Models that are solved for in steps: training gives them more, where they need them."""

from __future__ import annotations

import math

from physgen.core.protocols import Stepped
from physgen.core.random import Stream
from physgen.training.state import FitState

__all__ = ["resolve"]


def resolve(state: FitState, rng: Stream, in_time: bool) -> None:
    """Let a model take the steps that its weights need, if it takes any.

    Parameters
    ----------
    state : FitState
        Model and average take the same number.
    rng : Stream
    in_time : bool
        Plan fewer updates from now on, so that the fit takes no longer.
    """
    model = state.model
    if not isinstance(model, Stepped):
        return
    before, needed = model.steps, model.steps_needed(rng)
    if needed <= before:
        return
    model.with_steps(needed)
    state.average.with_steps(needed)
    if in_time:
        state.n_steps = state.step + math.ceil((state.n_steps - state.step) * before / needed)

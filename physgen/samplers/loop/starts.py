"""From nothing to warm chains: the first state of a run, and its warm-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from physgen.core.chains import BoundSampler, State, traits
from physgen.core.declared import declared
from physgen.samplers.loop.checkpoint import Checkpoint
from physgen.samplers.loop.plan import Plan
from physgen.samplers.loop.recording import check_finite_values
from physgen.samplers.loop.warmup import WarmupLook, warm_up

__all__ = ["first_checkpoint", "tuned", "warm_checkpoints"]


def first_checkpoint(plan: Plan) -> Checkpoint:
    """Return the state before the first step."""
    bound, rng, n, starts = plan.bound, plan.rng.child("init"), plan.n_chains, plan.starts
    if not isinstance(plan.start, str):
        state = bound.init(rng, n, plan.start)
    elif len(set(starts)) == 1:
        state = bound.init(rng, n, str(starts[0]))
    else:
        n_hot = int(np.sum(starts == "hot"))
        halves = [
            bound.configurations(bound.init(rng.child(kind), count, kind))
            for kind, count in (("hot", n_hot), ("cold", n - n_hot))
        ]
        state = bound.init(rng, n, np.concatenate(halves))
    check_finite_values(bound.measure(state), 0, state, warmup=True)
    identity = plan.identity
    record = {"mode": "none", "steps": 0, "converged": None, "complaints": []}
    # Independent draws need no warm-up.
    exact = bound.exactness == "exact"
    return Checkpoint(state, exact, 0, {}, record if exact else {}, {}, identity)


def warm_checkpoints(
    plan: Plan, now: Checkpoint, report: Callable[[int, int], None]
) -> Iterator[Checkpoint]:
    """Yield a checkpoint after each look of the warm-up; the last one is warm."""

    def measure(state: State) -> dict[str, np.ndarray]:
        return {**plan.bound.measure(state), **plan.recorder.measure(state)}

    bound = tuned(plan.bound, now)
    resume = WarmupLook(bound, now.state, now.index, False, now.record) if now.record else None
    for look in warm_up(
        bound,
        now.state,
        plan.rng.child("warmup"),
        plan.warmup,
        measure=measure,
        starts=plan.starts,
        symmetries=" ".join(declared(bound.target).symmetries),
        thin=plan.thin,
        quiet=plan.quiet,
        resume=resume,
        report=report,
    ):
        tuning = dict(traits(look.bound).tuning)
        index = 0 if look.done else look.look
        yield Checkpoint(look.state, look.done, index, tuning, look.record, {}, plan.identity)


def tuned(bound: BoundSampler, now: Checkpoint) -> BoundSampler:
    """Return the bound sampler with the values that the warm-up found."""
    return bound.with_tuning(now.tuning) if now.tuning else bound  # type: ignore[attr-defined]

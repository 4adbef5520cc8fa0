r"""The one sampling loop.

Draw i of all chains takes `thin` steps of the sampler, with its own random stream,

.. math:: x_{i+1} = \mathrm{step}(x_i;\ \mathtt{rng.child("draws").at}(i)), \qquad
          o_i = O(x_{i+1}) ,

so the draws depend on the arguments alone, not on the blocks in which they are computed or on
interruptions of the run.  A GPU begins with the next step before the host asks for the numbers of
the last one.  Half of the chains start hot, half cold; warm-up ends when they agree
(:mod:`physgen.samplers.loop.warmup`) and the draws are tested once more
(:mod:`physgen.samplers.loop.diagnostics`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Unpack

import numpy as np

from physgen.core.chains import Info, Sampler, State
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.samplers.loop.buffer import Buffer
from physgen.samplers.loop.checkpoint import Checkpoint, add_info, chain_statistics
from physgen.samplers.loop.diagnostics import check, even_observables
from physgen.samplers.loop.plan import Plan, make_plan
from physgen.samplers.loop.progress import Reporter
from physgen.samplers.loop.recording import KEPT, check_finite_values, locating
from physgen.samplers.loop.settings import RunKeywords, RunSettings, with_settings
from physgen.samplers.loop.starts import first_checkpoint, tuned, warm_checkpoints

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Block", "blocks", "run"]


class Block(NamedTuple):
    """A block of draws, and the checkpoint after it.

    Attributes
    ----------
    data : Dataset or None
        Dims (chain, draw); ``draw`` continues from the previous block.  None after a look of the
        warm-up, which draws nothing.
    checkpoint : Dataset
        Give it to `blocks` or `run` to continue from here.
    """

    data: xr.Dataset | None
    checkpoint: xr.Dataset


class _Draw(NamedTuple):
    """A draw on its way: its number, the states around it, and what waits for its numbers."""

    number: int
    before: State
    after: State
    info: Info
    measured: Callable[[], dict[str, np.ndarray]]


@with_settings
def run(sampler: Sampler, target: Target, **how: Unpack[RunKeywords]) -> xr.Dataset:
    """Sample `target` and return the observables of every draw.

    Parameters
    ----------
    sampler : Sampler
        E.g. ``HeatBath()``.
    target : Target
        E.g. ``Ising(L=32, beta=0.44)``, or an object with action, force and event_shape.
    n_chains, n_draws : int
        Independent chains, and draws of each, >= 1.  With 64 chains or more, n_draws may be of
        the order of tau_int: errors come from the spread of the chains.
    thin : int
        Steps (sweeps, trajectories) from one draw to the next, >= 1.
    warmup : "auto", int or AutoWarmup
        Automatic, or a fixed number of steps >= 0.
    seed, rng : int, Stream
        One of the two.
    observables : None, names, or mapping of name to callable
        None: the target's own.  Names: of the target, or magnetization, mean_square,
        structure_factor_kmin, correlator and propagator of `physgen.observables`; `estimates`
        makes correlation length and effective mass of the last ones.  Callables take
        configurations (n_chains, *event_shape), spins as float64 and outcomes as int64, and return
        (n_chains,), or (n_chains, ...).
    keep : None or "configurations"
        Keep the configuration of every draw too, spins as bits (`unpack_configurations`).
    start : "hot/cold", "hot", "cold" or ndarray (n_chains, *event_shape)
        First configurations; "hot/cold" is half of each, as the tests need it.
    quiet : bool
        Report chains that are too short in ``attrs["warnings"]`` instead of raising.
    progress : callable(Progress), optional
        Called about five times a second; the first time before the first step, with the memory
        that the result takes.
    checkpoint : Dataset, optional
        Continue from here, with the other arguments as they were (`n_draws` may be larger); only
        the draws after it are returned.

    Returns
    -------
    Dataset
        Each observable with dims (chain, draw), ``tau_int``, ``ess`` and ``r_hat`` in its attrs;
        ``acceptance_rate`` and other figures of the sampler (chain); coord ``start``.

    Raises
    ------
    InputError
        If an argument breaks its rule, or the result does not fit in memory.
    ChainTooShortError
        If the chains have not converged; the message says how many draws would suffice.
    UnboundedTargetError
        If e^{-S} cannot be normalized, as far as the warm-up can see, or no move is accepted.
    NonFiniteActionError
        If an observable becomes NaN or infinite.
    """
    import xarray as xr

    settings = RunSettings(**how)
    n_draws = check_positive_int("n_draws", settings.n_draws)
    parts, last = [], None
    for block in blocks(sampler, target, block_size=n_draws, **how):
        last = block.checkpoint
        if block.data is not None:
            parts.append(block.data)
    if last is None or not parts:
        raise InputError(f"n_draws must exceed the draws of the checkpoint, got {n_draws}")
    ds = parts[0] if len(parts) == 1 else xr.concat(parts, "draw", combine_attrs="override")
    ds = ds.assign(chain_statistics(last).data_vars)
    return check(ds.assign_attrs(warmup=last.attrs["record"]), quiet=settings.quiet)


@with_settings
def blocks(
    sampler: Sampler,
    target: Target,
    *,
    block_size: int | None = None,
    block_seconds: float = 20.0,
    **how: Unpack[RunKeywords],
) -> Iterator[Block]:
    """Sample in blocks, each with a checkpoint to continue from: `run` for a store.

    Blocks cover the draws only: concatenate them along ``draw``, add the `chain_statistics` of the
    last checkpoint, and test the result with `check`, as `run` does.  Every look of the warm-up
    also yields a block, without data.

    Parameters
    ----------
    sampler, target, n_chains, n_draws, thin, warmup, seed, rng, observables, keep, start, quiet, \
progress, checkpoint
        As for `run`.
    block_size : int, optional
        Draws per block; by default as many as take `block_seconds`.
    block_seconds : float
        Wall time of a block, > 0.

    Returns
    -------
    iterator of Block
        The same draws, bit for bit, for any size of the blocks.

    Raises
    ------
    InputError
        If `block_size` or `block_seconds` is not positive, or `progress` is no function.
    """
    if block_size is not None:
        check_positive_int("block_size", block_size)
    check_positive("block_seconds", block_seconds)
    settings = RunSettings(**how)
    progress, checkpoint = settings.progress, settings.checkpoint
    if progress is not None and not callable(progress):
        raise InputError(f"progress must be a function of a Progress, or None, got {progress!r}")
    plan = make_plan(sampler, target, settings, n_held=block_size)
    now = None if checkpoint is None else Checkpoint.from_dataset(checkpoint, plan.identity)
    return _loop(plan, now, block_size, float(block_seconds), Reporter(progress, plan.n_bytes))


def _loop(
    plan: Plan,
    now: Checkpoint | None,
    block_size: int | None,
    block_seconds: float,
    reporter: Reporter,
) -> Iterator[Block]:
    max_steps = plan.warmup if isinstance(plan.warmup, int) else plan.warmup.max_steps
    if now is None:
        reporter.report("warmup", 0, max_steps, final=True)
        now = first_checkpoint(plan)
    plan.recorder.prepare(now.state)
    if not now.warm:
        looks = warm_checkpoints(
            plan, now, lambda done, total: reporter.report("warmup", done, total)
        )
        for look in looks:
            now = look
            yield Block(None, now.to_dataset())
    bound = tuned(plan.bound, now)
    attrs = plan.attrs() | {f"tuning_{k}": v for k, v in now.tuning.items()}
    failed = plan.quiet and now.record.get("converged") is False
    attrs["warnings"] = "\n".join(now.record["complaints"]) if failed else ""
    symmetries = " ".join(declared(bound.target).symmetries)
    draws, i = plan.rng.child("draws"), now.index
    while i < plan.n_draws:
        first, begun, state, sums = i, time.monotonic(), now.state, now.sums
        last = plan.n_draws if block_size is None else min(first + block_size, plan.n_draws)
        buffer = Buffer(last - first if block_size else None)
        waiting: deque[_Draw] = deque()
        while i < last or waiting:
            if i < last:
                before = state
                with locating(f"at draw {i}", i, before):
                    state, info = bound.step(draws.at(i), state, plan.thin)
                waiting.append(_Draw(i, before, state, info, plan.recorder.measuring(state)))
                i += 1
                if i < last and len(waiting) <= plan.recorder.n_behind:
                    continue
            draw = waiting.popleft()
            values = draw.measured()
            check_finite_values(values, draw.number, draw.before)
            if plan.recorder.keep:
                values[KEPT] = plan.recorder.configurations(draw.after)
            buffer.add(values)
            numbers = {k: v for k, v in values.items() if k != KEPT}
            reporter.record(even_observables(numbers, symmetries))
            sums = add_info(sums, draw.info)
            done = draw.number + 1
            reporter.report("draws", done, plan.n_draws, final=done == plan.n_draws)
            if block_size is None and time.monotonic() - begun > block_seconds:
                last = i
        now = replace(now, state=state, index=i, sums=sums)
        data = plan.recorder.dataset(buffer.arrays(), first, plan.starts)
        yield Block(data.assign_attrs(attrs), now.to_dataset())

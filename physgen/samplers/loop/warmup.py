r"""Warm-up that ends by itself: half of the chains start hot, half cold, until they agree.

Looks at :math:`n_k = n_0 2^k` steps, k = 0, 1, ...; look k tests the last half of all steps so far
(:mod:`physgen.samplers.loop.agreement`), and passes if

* hot and cold starts agree and nothing drifts, in every observable (all tests together reject
  converged chains with probability at most 5 %, which costs a doubling),
* no chain stays beyond all chains of the other start (the few stripes after a quench),
* with fewer than 64 chains also R-hat <= 1.05 and the half is at least 50 tau_int long.

A sampler that tunes itself does so before the first look and again after the first look that
passes, because the first tuning was far from equilibrium; another look must then pass.  Draws of
the warm-up are discarded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physgen.analysis.autocorrelation import MANY_CHAINS, tau_int
from physgen.analysis.convergence import r_hat
from physgen.core.chains import BoundSampler, State, Tunable, traits
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import ChainTooShortError, InputError, UnboundedTargetError
from physgen.core.random import Stream
from physgen.samplers.loop.agreement import chains_apart, drift_p, even_observables, hot_cold_p
from physgen.samplers.loop.checkpoint import add_info
from physgen.samplers.loop.diagnostics import MIN_LENGTH, stuck_chains
from physgen.samplers.loop.recording import check_finite_values, locating
from physgen.samplers.loop.runaway import SNAPSHOTS, Watch

__all__ = ["AutoWarmup", "WarmupLook", "warm_up"]

FIRST_LOOK = 32  # steps
TUNE_STEPS = 200
R_HAT_WARM = 1.05
_POINTS_MANY, _POINTS_FEW = 128, 1024  # measurements per look


@dataclass(frozen=True)
class AutoWarmup:
    """Settings of the automatic warm-up.

    Parameters
    ----------
    max_steps : int
        Steps (sweeps, trajectories) after which it gives up, >= 32.
    false_alarm : float
        Probability that a look rejects chains that have converged, in (0, 1).

    Raises
    ------
    InputError
        If `max_steps` is less than a first look takes, or `false_alarm` not in (0, 1).
    """

    max_steps: int = 1 << 17
    false_alarm: float = 0.05

    def __post_init__(self) -> None:
        check_positive_int("max_steps", self.max_steps, FIRST_LOOK)
        if check_positive("false_alarm", self.false_alarm) >= 1:
            raise InputError(f"false_alarm must be in (0, 1), got {self.false_alarm}")


@dataclass(frozen=True)
class WarmupLook:
    """Where a warm-up is after a look.

    Attributes
    ----------
    bound : BoundSampler
        With the values tuned so far.
    state : State
    look : int
        The next one.
    done : bool
    record : mapping
        ``steps``, ``tuned`` (times) and ``tuning_steps`` before them, ``converged`` (None if not
        tested), ``complaints``.
    """

    bound: BoundSampler
    state: State
    look: int
    done: bool
    record: Mapping[str, Any] = field(default_factory=dict)


def warm_up(
    bound: BoundSampler,
    state: State,
    rng: Stream,
    settings: AutoWarmup | int,
    *,
    measure: Callable[[State], Mapping[str, np.ndarray]],
    starts: np.ndarray,
    symmetries: str = "",
    thin: int = 1,
    quiet: bool = False,
    resume: WarmupLook | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[WarmupLook]:
    """Yield the warm-up look by look; the last one is `done`.

    Parameters
    ----------
    bound, state
        A bound sampler and its first state.
    rng : Stream
        Its children are used.
    settings : AutoWarmup or int
        Automatic, or this many steps without a test.
    measure : callable(state)
        Observables to test.
    starts : ndarray of str, shape (n_chains,)
        "hot", "cold" or "given".
    symmetries : str
        Of the target.
    thin : int
        Steps per draw; errors count in draws.
    quiet : bool
        Give up without an error.
    resume : WarmupLook, optional
        Continue after this look.
    report : callable(done, total)
        Called with the progress, in steps.

    Raises
    ------
    ChainTooShortError
        If the chains do not agree within ``settings.max_steps``.
    UnboundedTargetError
        If the chains run away, or no move is accepted (:mod:`physgen.samplers.loop.runaway`).
    NonFiniteActionError
        If a measured value is not finite.
    """
    if isinstance(settings, int):
        yield from _fixed(bound, state, rng, settings, measure, resume, report, quiet)
        return
    now = resume or WarmupLook(bound, state, 0, False, {"steps": 0, "tuned": 0})
    while not now.done:
        bound, state, k = now.bound, now.state, now.look
        tuned, steps = int(now.record["tuned"]), int(now.record["steps"])
        if k == 0 and (reason := Watch(bound, measure).at_start(state)):
            yield _given_up(now, reason, quiet)
            return
        if isinstance(bound, Tunable) and tuned == 0:
            with locating("in warm-up", -1, state):
                bound, state = bound.tune(rng.child("tune", 0), state, TUNE_STEPS)
            tuned = 1
        n = FIRST_LOOK if k == 0 else steps
        watch = Watch(bound, measure)
        points = _POINTS_MANY if len(starts) >= MANY_CHAINS else _POINTS_FEW
        stride = max(1, n // points)
        n_points = n // stride
        series: dict[str, np.ndarray] = {}
        sums: dict[str, np.ndarray] = {}
        stream = rng.child("look", k)
        for i in range(n_points):
            before = state
            with locating("in warm-up", -1, before):
                state, info = bound.step(stream.at(i), state, stride)
            values = measure(state)
            check_finite_values(values, 0, before, warmup=True)
            sums = add_info(sums, info)
            for name, value in even_observables(values, symmetries).items():
                series.setdefault(name, np.empty((n_points, *value.shape)))[i] = value
            if i % max(1, n_points // SNAPSHOTS) == 0 or i == n_points - 1:
                watch.see(state)
            report(steps + (i + 1) * stride, settings.max_steps)
        steps += n_points * stride
        complaints, tau = _judge(_chains_first(bound, series), starts, settings.false_alarm)
        if "accepted" in sums and n_points * stride >= TUNE_STEPS:
            stuck = stuck_chains(sums["accepted"] / n_points, n_points * stride)
            if len(stuck):
                complaints.append(f"chain {stuck[0]} never moved")
        reason, weak = watch.judge(state, steps, settings.max_steps)
        complaints += weak
        still = "accepted" in sums and watch.stuck(sums["accepted"], n_points * stride)
        if still and not quiet:
            raise ChainTooShortError(still, math.nan, 2 * steps)
        if reason or still:
            seen = {"mode": "auto", "steps": steps, "tuned": tuned}
            yield _given_up(WarmupLook(bound, state, k, False, seen), reason or str(still), quiet)
            return
        passed = not complaints
        if (
            passed
            and isinstance(bound, Tunable)
            and tuned == 1
            and 2 * steps <= settings.max_steps
        ):
            with locating("in warm-up", -1, state):
                bound, state = bound.tune(rng.child("tune", 1), state, TUNE_STEPS)
            tuned, passed = 2, False
        done = passed or 2 * steps > settings.max_steps
        record = {
            "mode": "auto",
            "steps": steps,
            "tuned": tuned,
            "tuning_steps": TUNE_STEPS * tuned,
            "converged": passed,
            "complaints": complaints,
        }
        if done and not passed and not quiet:
            raise ChainTooShortError(
                f"the chains have not converged in {steps} steps of warm-up: "
                f"{'; '.join(complaints)}. Raise AutoWarmup(max_steps={settings.max_steps}), "
                "choose a sampler that decorrelates faster, or pass quiet=True",
                stride * tau / thin,
                math.ceil((2 * steps + MIN_LENGTH * stride * max(tau, 0.5)) / thin),
            )
        now = WarmupLook(bound, state, k + 1, done, record)
        yield now


def _given_up(now: WarmupLook, reason: str, quiet: bool) -> WarmupLook:
    """Return the last look of chains that cannot converge, or say so."""
    if not quiet:
        raise UnboundedTargetError(reason)
    tuned = int(now.record["tuned"])
    record = {
        **now.record,
        "mode": "auto",
        "tuning_steps": TUNE_STEPS * tuned,
        "converged": False,
        "complaints": [reason],
    }
    return WarmupLook(now.bound, now.state, now.look + 1, True, record)


def _fixed(
    bound: BoundSampler,
    state: State,
    rng: Stream,
    n_steps: int,
    measure: Callable[[State], Mapping[str, np.ndarray]],
    resume: WarmupLook | None,
    report: Callable[[int, int], None],
    quiet: bool,
) -> Iterator[WarmupLook]:
    """Tune over the first half of the steps, then run the rest in looks of 256 steps."""
    if resume is None and (reason := Watch(bound, measure).at_start(state)):
        yield _given_up(
            WarmupLook(bound, state, 0, False, {"steps": 0, "tuned": 0}), reason, quiet
        )
        return
    if resume is not None:
        bound, state = resume.bound, resume.state
    k = resume.look if resume else 0
    record = {"mode": "fixed", "steps": 0, "tuned": 0, "converged": None, "complaints": []}
    record |= resume.record if resume else {}
    while record["steps"] < n_steps:
        before, steps = state, int(record["steps"])
        with locating("in warm-up", -1, before):
            if isinstance(bound, Tunable) and not record["tuned"] and n_steps > 1:
                n = n_steps // 2
                bound, state = bound.tune(rng.child("tune", 0), state, n)
                record = record | {"tuned": 1}
            else:
                n = min(256, n_steps - steps)
                state, _ = bound.step(rng.child("look", k), state, n)
        check_finite_values(measure(state), 0, before, warmup=True)
        record = record | {"steps": steps + n}
        k += 1
        report(steps + n, n_steps)
        if record["steps"] < n_steps:
            yield WarmupLook(bound, state, k, False, record)
    yield WarmupLook(bound, state, k, True, record)


def _chains_first(
    bound: BoundSampler, series: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield series of shape (n_chains, n_draws), one for each replica."""
    for name, x in series.items():
        flat = x.reshape(*x.shape[:2], -1)
        for r in range(flat.shape[2]):
            one = flat[:, :, r].T
            yield name, one.mean(axis=0, keepdims=True) if traits(bound).coupled_chains else one


def _judge(
    series: Iterator[tuple[str, np.ndarray]], starts: np.ndarray, false_alarm: float
) -> tuple[list[str], float]:
    """Return what speaks against convergence, and the longest tau_int, in points of the series."""
    rows = list(series)
    threshold = false_alarm / (2 * len(rows))
    complaints, slowest = [], 0.0
    for name, x in rows:
        tau = tau_int(x)
        slowest = max(slowest, tau.value if tau.value > 0 else 0.0)
        if len(x) == len(starts) and set(starts) == {"hot", "cold"}:
            p = hot_cold_p(x, starts == "hot")
            if p < threshold:
                complaints.append(f"hot and cold starts disagree in {name} (p = {p:.1g})")
            elif len(apart := chains_apart(x, starts == "hot")):
                complaints.append(
                    f"{len(apart)} chains stay apart in {name}, the first is {apart[0]}, from a "
                    f"{starts[apart[0]]} start"
                )
        p = drift_p(x)
        if p < threshold:
            complaints.append(f"{name} drifts (p = {p:.1g})")
        if len(x) >= MANY_CHAINS or math.isnan(tau.value):
            continue
        hat = r_hat(x)
        if hat > R_HAT_WARM:
            complaints.append(f"r_hat of {name} is {hat:.3f}")
        if tau.lower_bound or x.shape[1] < MIN_LENGTH * tau.value:
            complaints.append(f"fewer than {MIN_LENGTH} tau_int of {name}")
    return complaints, slowest

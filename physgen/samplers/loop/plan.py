"""The arguments of a run, checked before anything is allocated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.chains import BoundSampler, traits
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream, as_stream
from physgen.samplers.loop.memory import check_memory, format_bytes
from physgen.samplers.loop.recording import KEPT, Recorder, named
from physgen.samplers.loop.settings import RunSettings
from physgen.samplers.loop.warmup import AutoWarmup
from physgen.targets.checked import checked_target
from physgen.targets.fingerprint import digest, fingerprint, sampler_fingerprint

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """The arguments of a run, checked."""

    bound: BoundSampler
    recorder: Recorder
    rng: Stream
    warmup: AutoWarmup | int
    start: str | np.ndarray
    quiet: bool
    n_bytes: int
    identity: dict[str, Any]
    n_chains: int
    n_draws: int
    thin: int

    @property
    def starts(self) -> np.ndarray:
        """How each chain begins: "hot", "cold" or "given"."""
        if not isinstance(self.start, str):
            return np.full(self.n_chains, "given")
        if self.start != "hot/cold":
            return np.full(self.n_chains, self.start)
        if self.bound.exactness == "exact" or traits(self.bound).coupled_chains:
            return np.full(self.n_chains, "hot")
        return np.where(np.arange(self.n_chains) < (self.n_chains + 1) // 2, "hot", "cold")

    def attrs(self) -> dict[str, Any]:
        """Return what a result must record of how it was made."""
        bound = self.bound
        return {
            "sampler": self.identity["sampler"],
            "exactness": bound.exactness,
            "exactness_for": "the target",
            "chains": "coupled" if traits(bound).coupled_chains else "independent",
            "thin": self.thin,
            "seed": self.rng.seed,
            "rng": repr(self.rng),
        }


def make_plan(sampler: Any, target: Any, given: RunSettings, n_held: int | None) -> Plan:
    """Return the plan of a run; `n_held` is the number of draws in memory at once.

    Raises
    ------
    InputError
        If an argument breaks its rule, or the draws held at once do not fit in memory.
    """
    if (given.seed is None) == (given.rng is None):
        raise InputError("seed or rng must be given, and not both, e.g. seed=1")
    stream = as_stream(given.rng if given.rng is not None else given.seed)  # type: ignore[arg-type]
    counts = {name: getattr(given, name) for name in ("n_chains", "n_draws", "thin")}
    counts = {name: check_positive_int(name, value) for name, value in counts.items()}
    target = checked_target(target, bounded=False)  # chains look for themselves
    bound = _checked_sampler(sampler).bind(target)
    recorder = Recorder(bound, given.observables, given.keep)
    _check_start(given.start, target, counts["n_chains"])
    return Plan(
        bound=bound,
        recorder=recorder,
        rng=stream,
        warmup=_warmup_settings(given.warmup),
        start=given.start,
        quiet=bool(given.quiet),
        n_bytes=_check_size(recorder, counts, n_held),
        identity={
            "sampler": named(sampler),
            "target": named(target),
            "fingerprint": fingerprint(target),
            "proposals": sampler_fingerprint(sampler),
            "rng": repr(stream),
            "warmup": repr(given.warmup),
            "n_chains": counts["n_chains"],
            "thin": counts["thin"],
            "start": given.start if isinstance(given.start, str) else digest(given.start),
        },
        **counts,
    )


def _checked_sampler(sampler: Any) -> Any:
    if isinstance(sampler, type):
        raise InputError(
            f"sampler must be an object, got the class {sampler.__name__}; write "
            f"{sampler.__name__}()"
        )
    if not hasattr(sampler, "bind"):
        raise InputError(f"sampler must come first, e.g. HeatBath(), got {sampler!r}")
    return sampler


def _warmup_settings(warmup: Any) -> AutoWarmup | int:
    if isinstance(warmup, AutoWarmup):
        return warmup
    if isinstance(warmup, str):
        check_choice("warmup", warmup, ("auto",))
        return AutoWarmup()
    return check_positive_int("warmup", warmup, 0)


def _check_start(start: Any, target: Target, n_chains: int) -> None:
    if isinstance(start, str):
        check_choice("start", start, ("hot/cold", "hot", "cold"))
    elif np.shape(start) != (n_chains, *target.event_shape):
        raise InputError(
            f"start must be 'hot/cold', 'hot', 'cold' or configurations of shape "
            f"{(n_chains, *target.event_shape)}, got shape {np.shape(start)}"
        )


def _check_size(recorder: Recorder, counts: dict[str, int], n_held: int | None) -> int:
    """Return the bytes of the result; raise if the draws held at once exceed the memory."""
    n_chains, n_draws = counts["n_chains"], counts["n_draws"]
    n_sites = math.prod(recorder.bound.target.event_shape)
    total = n_chains * n_draws * recorder.bytes_per_draw
    held = n_draws if n_held is None else min(n_held, n_draws)
    what = f"n_chains = {n_chains} and n_draws = {n_draws}"
    if recorder.keep:
        what += f" with keep={KEPT!r} ({format_bytes(recorder.bytes_per_draw)} a draw and chain)"
    needed = n_chains * (held * recorder.bytes_per_draw + 8 * n_sites)
    check_memory(needed, what, "lower them, raise thin, or sample in blocks to a file")
    return total

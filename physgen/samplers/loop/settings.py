"""The settings of a run, named once: `run` and `blocks` take them as keywords."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Required, TypedDict, TypeVar

import numpy as np

from physgen.core.random import Stream
from physgen.samplers.loop.progress import Progress
from physgen.samplers.loop.recording import Observables
from physgen.samplers.loop.warmup import AutoWarmup

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RunKeywords", "RunSettings", "with_settings"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The keywords of `run`, which describes them, and their defaults."""

    n_chains: int
    n_draws: int
    thin: int = 1
    warmup: str | int | AutoWarmup = "auto"
    seed: int | None = None
    rng: Stream | int | None = None
    observables: Observables = None
    keep: str | None = None
    start: str | np.ndarray = "hot/cold"
    quiet: bool = False
    progress: Callable[[Progress], None] | None = None
    checkpoint: xr.Dataset | None = None


class RunKeywords(TypedDict, total=False):
    """The same for type checkers, which cannot read them off a dataclass."""

    n_chains: Required[int]
    n_draws: Required[int]
    thin: int
    warmup: str | int | AutoWarmup
    seed: int | None
    rng: Stream | int | None
    observables: Observables
    keep: str | None
    start: str | np.ndarray
    quiet: bool
    progress: Callable[[Progress], None] | None
    checkpoint: xr.Dataset | None


def with_settings(function: F) -> F:
    """Name every setting in the signature of a function (sampler, target, ..., **how)."""
    own = inspect.signature(function)
    parts = list(own.parameters.values())[:-1]
    first = [p for p in parts if p.kind is not p.KEYWORD_ONLY]
    last = [p for p in parts if p.kind is p.KEYWORD_ONLY]
    settings = inspect.signature(RunSettings).parameters.values()
    function.__signature__ = own.replace(parameters=[*first, *settings, *last])  # type: ignore[attr-defined]
    return function

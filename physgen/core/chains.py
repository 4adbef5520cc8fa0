"""Markov chains: the state between two steps, the report of a step, and the samplers.

A :class:`State` is plain arrays, so any run can be written to a file and continued.  Tuned
parameters (a step size) belong to the bound sampler, not to the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.core.structural import Structural

__all__ = [
    "BoundSampler",
    "Info",
    "Sampler",
    "State",
    "Traits",
    "Tunable",
    "check_layout",
    "traits",
]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


class State(NamedTuple):
    """The state of all chains between two steps.

    Attributes
    ----------
    x : ndarray
        Configurations of all chains, in the layout of the bound sampler that made them;
        ``BoundSampler.configurations`` brings them to (n_chains, *event_shape).
    aux : mapping of str to ndarray
        Other arrays that the next step needs (the actions of the chains, lanes of a generator).
    """

    x: np.ndarray
    aux: Mapping[str, np.ndarray] = _EMPTY


class Info(NamedTuple):
    """The report of a step.

    Attributes
    ----------
    accepted : ndarray or None
        Share of the proposals accepted by each chain, shape (n_chains,); None if steps are never
        rejected.
    metrics : mapping of str to ndarray
        More numbers of each chain, shape (n_chains,), e.g. ``cluster_size``, ``delta_action``.
    """

    accepted: np.ndarray | None = None
    metrics: Mapping[str, np.ndarray] = _EMPTY


@runtime_checkable
class BoundSampler(Structural, Protocol):
    """A sampler that knows its target; ``Sampler.bind`` makes it and ``run`` drives it.

    ``exactness`` is "exact" (independent draws), "asymptotic" (the target is the limit of long
    chains) or "approximate" (it is not: ULA).

    Optional members are read by :func:`traits`.  ``measuring(state)``, optional too, begins what
    `measure` does and returns a function that waits for the numbers: a device works on while they
    are on their way.  Entries ``stat.*`` of `State.aux`, shape (n_chains, ...), are reported with
    their final values (round trips).
    """

    @property
    def target(self) -> Target: ...

    @property
    def exactness(self) -> str: ...

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return a first state.

        ``start`` is "hot" (independent sites), "cold" (a ground state, of random sign where the
        target has that symmetry) or configurations of shape (n_chains, *event_shape).
        """
        ...

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the state after `n` steps (sweeps, trajectories) and their averaged report.

        A pure function: `state` is not changed, and equal arguments give equal results.
        """
        ...

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the target's default observables, each of shape (n_chains,), in float64."""
        ...

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations, shape (n_chains, *event_shape)."""
        ...


class Traits(NamedTuple):
    """Optional properties of a bound sampler.

    Attributes
    ----------
    coupled_chains : bool
        The chains are walkers of one ensemble, and are judged as one.
    replicas : mapping of str to ndarray
        The name and values of one more dimension: ``measure`` returns arrays of shape (n_chains,
        n_values).  Empty for most samplers.
    tuning : mapping of str to float
        The tuned values (:class:`Tunable`); empty if there are none.
    """

    coupled_chains: bool = False
    replicas: Mapping[str, np.ndarray] = _EMPTY
    tuning: Mapping[str, float] = _EMPTY


def traits(bound: Any) -> Traits:
    """Return the properties of a bound sampler, with defaults for missing ones."""
    default = Traits()
    return Traits(
        coupled_chains=bool(getattr(bound, "coupled_chains", False)),
        replicas=getattr(bound, "replicas", default.replicas),
        tuning=getattr(bound, "tuning", default.tuning),
    )


@runtime_checkable
class Sampler(Structural, Protocol):
    """A Markov chain Monte Carlo algorithm with its settings; it knows no target yet."""

    def bind(self, target: Target) -> BoundSampler:
        """Return the algorithm for one target.

        `bind` chooses the loop that runs: compiled, NumPy or torch.
        """
        ...


@runtime_checkable
class Tunable(BoundSampler, Protocol):
    """A bound sampler with parameters that warm-up adapts."""

    @property
    def tuning(self) -> Mapping[str, float]:
        """The tuned values by name, e.g. ``step_size``."""
        ...

    def tune(self, rng: Stream, state: State, n: int) -> tuple[Any, State]:
        """Return a bound sampler adapted over `n` steps, and the state after them."""
        ...

    def with_tuning(self, tuning: Mapping[str, float]) -> Any:
        """Return this bound sampler with these tuned values, as a resumed run needs it."""
        ...


def check_layout(state: State, dtype: Any, *shape: int) -> None:
    """Raise InputError unless `state` has the array type and shape that a sampler expects.

    Compiled loops do not check bounds: a state of another layout or lattice would make them write
    beyond its end.

    Parameters
    ----------
    state : State
    dtype : dtype
        Of ``state.x``.
    *shape : int
        ``state.x.shape`` without its first axis; -1 stands for any extent.
    """
    x = state.x
    fits = len(x.shape) == 1 + len(shape) and all(
        want in (-1, got) for want, got in zip(shape, x.shape[1:], strict=True)
    )
    if not fits or x.dtype != dtype:
        wanted = ", ".join(["*", *("*" if n < 0 else str(n) for n in shape)])
        raise InputError(
            f"state must be one of this sampler, {np.dtype(dtype)} of shape ({wanted}), got "
            f"{x.dtype} of shape {tuple(x.shape)}; begin with init(rng, n_chains, configurations)"
        )

"""Markov chains: the state between two steps, what a step reports, and who takes it.

A :class:`State` is plain arrays, so any run can be written to a file and continued; whatever is
tuned (a step size) belongs to the bound sampler, not to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream

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
    """Where the chains are.

    Attributes
    ----------
    x : ndarray
        Configurations of all chains, in the layout of the bound sampler that made them;
        ``BoundSampler.configurations`` brings them to (n_chains, *event_shape).
    aux : mapping of str to ndarray
        Whatever else the next step needs (the actions of the chains, lanes of a generator).
    """

    x: np.ndarray
    aux: Mapping[str, np.ndarray] = _EMPTY


class Info(NamedTuple):
    """What a step did.

    Attributes
    ----------
    accepted : ndarray or None
        Share of the proposals accepted by each chain, shape (n_chains,); None where a step
        rejects nothing.
    metrics : mapping of str to ndarray
        More figures of each chain, shape (n_chains,), e.g. ``cluster_size``, ``delta_action``.
    """

    accepted: np.ndarray | None = None
    metrics: Mapping[str, np.ndarray] = _EMPTY


@runtime_checkable
class BoundSampler(Protocol):
    """A sampler that knows its target; ``Sampler.bind`` makes it and ``run`` drives it.

    ``exactness`` is "exact" (independent draws), "asymptotic" (the target is the limit of long
    chains) or "approximate" (it is not: ULA).

    Whatever it says beside the members below is read by :func:`traits`.  Entries ``stat.*`` of
    `State.aux`, shape (n_chains, ...), are reported as they stand at the end (round trips).
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
        """Return the state after `n` steps (sweeps, trajectories) and what they did, averaged.

        A pure function: `state` is left as it was, and equal arguments give equal results.
        """
        ...

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the target's default observables, each of shape (n_chains,), in float64."""
        ...

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations, shape (n_chains, *event_shape)."""
        ...


class Traits(NamedTuple):
    """What a bound sampler may say of its chains; none of it is demanded.

    Attributes
    ----------
    coupled_chains : bool
        The chains are walkers of one ensemble, and are judged as one.
    replicas : mapping of str to ndarray
        One name and its values: ``measure`` returns (n_chains, n_values) arrays, which get that
        dim.  Empty for most samplers.
    tuning : mapping of str to float
        The tuned values (:class:`Tunable`); empty if there are none.
    """

    coupled_chains: bool = False
    replicas: Mapping[str, np.ndarray] = _EMPTY
    tuning: Mapping[str, float] = _EMPTY


def traits(bound: Any) -> Traits:
    """Return what a bound sampler says of its chains, with defaults for what it leaves out."""
    default = Traits()
    return Traits(
        coupled_chains=bool(getattr(bound, "coupled_chains", False)),
        replicas=getattr(bound, "replicas", default.replicas),
        tuning=getattr(bound, "tuning", default.tuning),
    )


@runtime_checkable
class Sampler(Protocol):
    """A Markov chain Monte Carlo algorithm with its settings; it knows no target yet."""

    def bind(self, target: Target) -> BoundSampler:
        """Return the algorithm for one target.

        Here it is decided which loop runs: compiled, NumPy or torch.
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
        """Return this bound sampler with these values: how a resumed run gets them back."""
        ...


def check_layout(state: State, dtype: Any, *shape: int) -> None:
    """Raise InputError unless `state` is one of the sampler that asks.

    Compiled loops go by the shape of the lattice: the state of another layout or lattice would
    have them write beyond its end.

    Parameters
    ----------
    state : State
    dtype : dtype
        Of ``state.x``.
    *shape : int
        ``state.x.shape`` without its first axis; -1 where any extent will do.
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

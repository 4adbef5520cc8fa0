r"""Parallel tempering: replicas of one system at several couplings exchange configurations.

Neighbouring replicas i and j swap with probability

.. math:: \min(1, e^{A}), \qquad
          A = S_i(x_i) + S_j(x_j) - S_i(x_j) - S_j(x_i)
            = (\beta_i - \beta_j)(E_i - E_j) \;\text{ for } S_i = \beta_i H ,

which leaves :math:`\prod_i e^{-S_i(x_i)}` invariant (Hukushima & Nemoto, J. Phys. Soc. Jpn. 65,
1604 (1996)).  Even and odd pairs take turns, in a fixed order, which carries configurations from
end to end faster than random pairs (Okabe et al. 2001; Syed et al., JRSS B 84, 321 (2022)).  A
configuration that goes from the first coupling to the last and back makes a round trip.  Round
trips, not swap rates, count the fresh starts of the cold end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Protocol

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import Info, Sampler, State, Tunable, traits
from physgen.core.checks import check_finite, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers.exchange import exchange
from physgen.targets.function import Own

__all__ = ["Ladder", "ParallelTempering", "Replicas"]


class Ladder(Protocol):
    """What replicas ask of their settings."""

    @property
    def coupling(self) -> str:
        """Name of what distinguishes the replicas, and of their dimension."""
        ...

    @property
    def betas(self) -> Sequence[float]:
        """Its value for each replica."""
        ...

    @property
    def swap_every(self) -> int:
        """Steps of the sampler between rounds of swaps."""
        ...


@dataclass(frozen=True)
class ParallelTempering:
    """Any sampler, at several values of one coupling at once.

    Parameters
    ----------
    sampler : Sampler
        Moves each replica.
    betas : sequence of float
        Values of the coupling, increasing; one of them is the target's own.
    coupling : str
        Name of the coupling, as ``target.at(beta=...)`` takes it.
    swap_every : int
        Steps of the sampler between swaps; together with one round of swaps they are one step.

    Raises
    ------
    InputError
        If `sampler` is none, `betas` are not increasing numbers, or `swap_every` is not positive.

    Notes
    -----
    Observables come with one more dimension, named after the coupling; configurations are kept at
    the target's own coupling only.  ``run`` reports ``swap_rate`` of every pair and
    ``round_trips`` of all replicas of a chain, warm-up included.

    Examples
    --------
    >>> from physgen.samplers import HeatBath
    >>> from physgen.targets import Ising
    >>> tempering = ParallelTempering(HeatBath(), betas=[0.3, 0.4, 0.5])
    >>> replicas = tempering.bind(Ising(L=8, beta=0.5))
    """

    cites: ClassVar[tuple[str, ...]] = ("Hukushima1996",)

    sampler: Sampler
    betas: Sequence[float]
    coupling: str = "beta"
    swap_every: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.sampler, Sampler):
            raise InputError(
                f"sampler must have a bind(target), e.g. HeatBath(), got {self.sampler!r}"
            )
        if np.ndim(self.betas) != 1:
            raise InputError(f"betas must be a list of numbers, got {self.betas!r}")
        values = tuple(check_finite(f"{self.coupling} of a replica", b) for b in self.betas)
        if not values or any(b <= a for a, b in pairwise(values)):
            raise InputError(f"betas must be increasing, got {list(values)}")
        object.__setattr__(self, "betas", values)
        check_positive_int("swap_every", self.swap_every)

    def bind(self, target: Target) -> Replicas:
        """Return the replicas of this target.

        Raises
        ------
        InputError
            If the target has no other couplings, or its own is not among `betas`.
        """
        own = declared(target).couplings.get(self.coupling)
        if own is None and isinstance(target, Own) and self.coupling == "beta":
            own = target.beta  # of any action: S is multiplied by it
        at = getattr(target, "at", None)
        if own is None or at is None:
            raise InputError(
                f"ParallelTempering needs a target with at({self.coupling}=...), got {target!r}"
            )
        if own not in self.betas:
            raise InputError(
                f"betas must contain the {self.coupling} of the target, {own}, got "
                f"{list(self.betas)}"
            )
        targets = [at(**{self.coupling: value}) for value in self.betas]
        bounds = tuple(self.sampler.bind(t) for t in targets)
        return Replicas(target, bounds, self, self.betas.index(own))


@dataclass(frozen=True)
class Replicas:
    """Chains of replicas: `State.x` has the replica as its first axis.

    Attributes
    ----------
    target : Target
        The target at its own coupling.
    bounds : tuple of BoundSampler
        One per replica.
    settings : ParallelTempering or another Ladder
    own : int
        Number of the replica at the target's coupling.
    """

    target: Any
    bounds: tuple[Any, ...]
    settings: Ladder
    own: int

    @property
    def exactness(self) -> str:
        """Exactness of the inner sampler, but never better than asymptotic."""
        inner = self.bounds[0].exactness
        return "asymptotic" if inner == "exact" else inner

    @property
    def coupled_chains(self) -> bool:
        """Whether the chains of the inner sampler are one ensemble."""
        return traits(self.bounds[0]).coupled_chains

    @property
    def replicas(self) -> Mapping[str, np.ndarray]:
        """Name and values of the dimension that observables have beside chain and draw."""
        return {self.settings.coupling: np.array(self.settings.betas)}

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return replicas of n_chains chains; given configurations start all replicas."""
        states = [b.init(rng.child(k), n_chains, start) for k, b in enumerate(self.bounds)]
        n = len(self.bounds)
        aux = {
            "walker": np.tile(np.arange(n), (n_chains, 1)),
            "visited": np.zeros((n_chains, n), np.int8),
            "turn": np.array(0),
            "stat.round_trips": np.zeros(n_chains, np.int64),
        }
        aux = _count_round_trips(aux)
        return _stack(states, aux)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the replicas after n times `swap_every` steps and a round of swaps."""
        check_positive_int("n", n)
        states, aux = _unstack(state)
        n_chains, n_replicas = aux["walker"].shape
        swaps, accepted = np.zeros((n_chains, n_replicas - 1)), []
        for i in range(n):
            step_rng = rng.child("step", i)
            for k, bound in enumerate(self.bounds):
                states[k], info = bound.step(
                    step_rng.child("replica", k), states[k], self.settings.swap_every
                )
                if info.accepted is not None:
                    accepted.append(info.accepted)
            # Two replicas have one pair, which need not wait for its turn.
            turn = int(aux["turn"]) if n_replicas > 2 else 0
            pairs = list(range(turn, n_replicas - 1, 2))
            log_u = np.log1p(-step_rng.child("swap").numpy().random((n_chains, n_replicas)))
            walker = aux["walker"].copy()
            for k, gain in zip(pairs, self._log_acceptance(states, pairs), strict=True):
                yes = log_u[:, k] <= gain
                both = self.bounds[k], self.bounds[k + 1]
                states[k], states[k + 1] = exchange(both, (states[k], states[k + 1]), yes)
                walker[yes, k], walker[yes, k + 1] = walker[yes, k + 1], walker[yes, k]
                swaps[:, k] += yes
            aux = _count_round_trips({**aux, "walker": walker, "turn": np.array(1 - turn)})
        rate = swaps * (2 if n_replicas > 2 else 1) / n
        mean = np.mean(accepted, axis=0) if accepted else None
        return _stack(states, aux), Info(mean, {"swap_rate": rate})

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of every replica, each of shape (n_chains, n_replicas)."""
        found = [b.measure(s) for b, s in zip(self.bounds, _unstack(state)[0], strict=True)]
        return {name: np.stack([f[name] for f in found], axis=1) for name in found[0]}

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations of the target itself, shape (n_chains, *event_shape)."""
        return self.bounds[self.own].configurations(_unstack(state)[0][self.own])

    @property
    def tuning(self) -> Mapping[str, float]:
        """The tuned values of every replica's sampler, by name and number."""
        each = [traits(b).tuning for b in self.bounds]
        return {f"{name}_{k}": v for k, found in enumerate(each) for name, v in found.items()}

    def with_tuning(self, tuning: Mapping[str, float]) -> Replicas:
        """Return these replicas with these values."""
        bounds = []
        for k, bound in enumerate(self.bounds):
            names = traits(bound).tuning
            values = {name: tuning[f"{name}_{k}"] for name in names}
            bounds.append(bound.with_tuning(values) if names else bound)
        return replace(self, bounds=tuple(bounds))

    def tune(self, rng: Stream, state: State, n: int) -> tuple[Replicas, State]:
        """Tune the inner samplers, each at its own coupling; only step if they cannot be tuned."""
        if not isinstance(self.bounds[0], Tunable):
            return self, self.step(rng, state, n)[0]
        states, aux = _unstack(state)
        bounds = list(self.bounds)
        for k, bound in enumerate(bounds):
            bounds[k], states[k] = bound.tune(rng.child("tune", k), states[k], n)
        return replace(self, bounds=tuple(bounds)), _stack(states, aux)

    def _log_acceptance(self, states: list[State], pairs: Sequence[int]) -> list[np.ndarray]:
        """Return A of every pair (k, k + 1), each of shape (n_chains,)."""
        if self.settings.coupling == "beta" and hasattr(self.target, "energy"):
            E = [b.measure(s)["energy"] for b, s in zip(self.bounds, states, strict=True)]
            betas = self.settings.betas
            return [(betas[k] - betas[k + 1]) * (E[k] - E[k + 1]) for k in pairs]
        gains = []
        for k in pairs:
            x, y = (self.bounds[j].configurations(states[j]) for j in (k, k + 1))
            S, T = (self.bounds[j].target.action for j in (k, k + 1))
            gains.append(to_numpy(S(x) + T(y) - S(y) - T(x)))
        return gains


def _count_round_trips(aux: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Note which walkers are at the ends: `visited` is 1 after the first end, 2 after the last."""
    walker, visited = aux["walker"], aux["visited"].copy()
    chain = np.arange(len(walker))
    first, last = walker[:, 0], walker[:, -1]
    done = visited[chain, first] == 2
    visited[chain, first] = 1
    arrived = visited[chain, last] == 1
    if walker.shape[1] > 1:
        visited[chain[arrived], last[arrived]] = 2
    return {**aux, "visited": visited, "stat.round_trips": aux["stat.round_trips"] + done}


def _stack(states: list[State], aux: Mapping[str, np.ndarray]) -> State:
    """Return one state of all replicas."""
    inner = {f"inner.{name}": np.stack([s.aux[name] for s in states]) for name in states[0].aux}
    return State(np.stack([s.x for s in states]), {**aux, **inner})


def _unstack(state: State) -> tuple[list[State], dict[str, np.ndarray]]:
    """Return the states of the replicas, and the arrays they have in common."""
    inner = {k[len("inner.") :]: v for k, v in state.aux.items() if k.startswith("inner.")}
    states = [State(x, {n: v[k] for n, v in inner.items()}) for k, x in enumerate(state.x)]
    return states, {k: v for k, v in state.aux.items() if not k.startswith("inner.")}

r"""Global proposals from a density, alternating with local moves.

One step is one proposal of :class:`~physgen.samplers.Independence`, then ``n_local`` steps of a
local sampler of the same target.  Both leave :math:`e^{-S}` invariant, and so does their
composition.  Proposals carry the chain between modes; local moves carry it away from
configurations that the density makes too rare, where it would otherwise stick (Gabrié, Rotskoff
and Vanden-Eijnden, PNAS 119, e2109420119 (2022)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from physgen.core.chains import Info, Sampler, State, Tunable, traits
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Density, Target
from physgen.core.random import Stream
from physgen.samplers.independence import Independence, IndependenceChains

__all__ = ["Alternating", "AlternatingChains"]


@dataclass(frozen=True)
class Alternating:
    """Independence Metropolis with local moves between its proposals.

    Parameters
    ----------
    density : Density
        Makes the proposals.
    local : Sampler
        E.g. ``HMC()`` for fields, ``Metropolis()`` for spins.
    n_local : int
        Local steps after each proposal, >= 1.

    Raises
    ------
    InputError
        If `local` is no sampler, or `n_local` is not positive.

    Notes
    -----
    A run reports the acceptance of the proposals as ``acceptance_rate`` and of the local moves as
    ``local_acceptance``.

    Examples
    --------
    >>> from physgen.samplers import HMC
    >>> from physgen.targets import FreeField, Phi4
    >>> chains = Alternating(FreeField(L=4, m2=1.0), HMC()).bind(Phi4.from_unhalved(4, 1.0, 0.1))
    """

    cites: ClassVar[tuple[str, ...]] = ("Gabrie2022",)

    density: Density
    local: Sampler
    n_local: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.local, Sampler):
            raise InputError(f"local must have a bind(target), e.g. HMC(), got {self.local!r}")
        check_positive_int("n_local", self.n_local)

    def bind(self, target: Target) -> AlternatingChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the density or the local sampler does not suit the target.
        """
        proposals = Independence(self.density).bind(target)
        return AlternatingChains(proposals, self.local.bind(target), self.n_local)


@dataclass(frozen=True)
class AlternatingChains:
    """Chains of one target; the state is a state of the independence sampler."""

    proposals: IndependenceChains
    local: Any
    n_local: int

    @property
    def target(self) -> Target:
        """The target of both moves."""
        return self.proposals.target

    @property
    def exactness(self) -> str:
        """The exactness of the local moves, at best asymptotic: ULA is approximate."""
        return "asymptotic" if self.local.exactness == "exact" else self.local.exactness

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return first configurations: "hot" are draws of the density."""
        return self.proposals.init(rng, n_chains, start)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n proposals, each followed by local moves."""
        check_positive_int("n", n)
        accepted, local = np.zeros(len(state.x)), np.zeros(len(state.x))
        rejects = False
        for k in range(n):
            here = rng.child("step", k)
            state, info = self.proposals.step(here.child("proposal"), state, 1)
            accepted += info.accepted  # type: ignore[operator]
            inner = self._inner(here, state)
            inner, info = self.local.step(here.child("local"), inner, self.n_local)
            if info.accepted is not None:
                rejects, local = True, local + info.accepted
            state = self._moved(state, inner)
        metrics = {"local_acceptance": local / n} if rejects else {}
        return state, Info(accepted / n, metrics)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the target's observables and the log weight."""
        return self.proposals.measure(state)

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations, shape (n_chains, *event_shape)."""
        return self.proposals.configurations(state)

    @property
    def tuning(self) -> Mapping[str, float]:
        """The tuned values of the local sampler."""
        return traits(self.local).tuning

    def with_tuning(self, tuning: Mapping[str, float]) -> AlternatingChains:
        """Return these chains with these values."""
        return replace(self, local=self.local.with_tuning(tuning)) if tuning else self

    def tune(self, rng: Stream, state: State, n: int) -> tuple[AlternatingChains, State]:
        """Tune the local sampler, where it has something to tune."""
        if not isinstance(self.local, Tunable):
            return self, self.step(rng, state, n)[0]
        local, inner = self.local.tune(rng.child("tune"), self._inner(rng, state), n)
        return replace(self, local=local), self._moved(state, inner)

    def _inner(self, rng: Stream, state: State) -> State:
        """Return a state of the local sampler at the same configurations."""
        return self.local.init(rng.child("inner"), len(state.x), state.x)

    def _moved(self, state: State, inner: State) -> State:
        """Return the independence sampler's state at the configurations after the local moves."""
        x = self.local.configurations(inner)
        return self.proposals.moved(state, x.astype(state.x.dtype))

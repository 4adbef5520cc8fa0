r"""Independent draws from a small model, by listing all of its configurations.

.. math:: p(x) = e^{-S(x)} / Z, \qquad Z = \sum_x e^{-S(x)}

is tabulated once; a draw inverts the cumulative distribution.  The draws are uncorrelated, which
makes them a reference for every chain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers.plain import default_observables

__all__ = ["ExactDraws", "IndependentDraws"]

MAX_STATES = 2**20
_BATCH = 2**14  # configurations whose actions are computed at once


@dataclass(frozen=True)
class ExactDraws:
    """Independent, exact draws of a target with at most 2^20 configurations.

    Every step draws all chains anew, whatever `n`, `thin` and the start are.

    Examples
    --------
    >>> from physgen.targets.ising import Ising
    >>> draws = ExactDraws().bind(Ising(L=4, beta=0.44))
    >>> round(draws.log_z, 6)
    15.504727
    """

    cites: ClassVar[tuple[str, ...]] = ()
    config_name: ClassVar[str] = "exact"

    def bind(self, target: Target) -> IndependentDraws:
        """List the configurations of this target.

        Raises
        ------
        InputError
            If the target is continuous or has more than 2^20 configurations.
        """
        kind, n_sites = target.support.kind, math.prod(target.event_shape)
        if kind == "reals":
            raise InputError(
                f"ExactDraws needs a target with finitely many configurations, got {target!r}; "
                "a free field draws itself exactly (FreeField.sample)"
            )
        K = 2 if kind == "spins" else int(target.support.K or 0)
        if n_sites * math.log2(K) > math.log2(MAX_STATES):
            raise InputError(
                f"ExactDraws needs a target with at most 2^20 configurations, got {K}^{n_sites}; "
                "take a Markov chain"
            )
        return IndependentDraws(target, K)


@dataclass(frozen=True)
class IndependentDraws:
    """Draws of one target; the state is the number of each chain's configuration."""

    target: Target
    K: int
    exactness: str = "exact"

    @property
    def n_states(self) -> int:
        """Number of configurations, K^n_sites."""
        return self.K ** math.prod(self.target.event_shape)

    @cached_property
    def _actions(self) -> np.ndarray:
        batches = range(0, self.n_states, _BATCH)
        numbers = (np.arange(b, min(b + _BATCH, self.n_states)) for b in batches)
        actions = [to_numpy(self.target.action(self._numbered(k))) for k in numbers]
        return np.concatenate(actions).astype(np.float64)

    @property
    def log_z(self) -> float:
        """Logarithm of the sum of e^{-S} over all configurations."""
        least = self._actions.min()
        return float(np.log(np.sum(np.exp(least - self._actions))) - least)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Probability of every configuration, shape (n_states,), in the order of `State.x`."""
        return np.exp(-self._actions - self.log_z)

    @cached_property
    def _cumulative(self) -> np.ndarray:
        total = np.cumsum(self.probabilities)
        return total / total[-1]

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return exact draws, numbers of shape (n_chains,); `start` makes no difference."""
        u = rng.numpy().random(check_positive_int("n_chains", n_chains))
        return State(np.searchsorted(self._cumulative, u, side="right"))

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return new draws."""
        check_positive_int("n", n)
        return self.init(rng, len(state.x)), Info()

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the target's own observables."""
        return default_observables(self.target, self.configurations(state))

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations, shape (n_chains, *event_shape)."""
        return self._numbered(state.x)

    def _numbered(self, number: np.ndarray) -> np.ndarray:
        """Return configurations by number: site i is digit i of base K, the first the lowest."""
        shape = self.target.event_shape
        digits = (number[:, None] // self.K ** np.arange(math.prod(shape))) % self.K
        spins = self.target.support.kind == "spins"
        x = (2 * digits - 1).astype(np.int8) if spins else digits.astype(np.uint8)
        return x.reshape(-1, *shape)

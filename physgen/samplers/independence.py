r"""Independence Metropolis: proposals from a density, accepted against the target.

A proposal y is drawn from q, independent of the chain's x, and accepted with probability

.. math:: \min\big(1, e^{\ell(y) - \ell(x)}\big), \qquad
          \ell(x) = -S(x) - \log q(x)

(Tierney, Ann. Stat. 22, 1701 (1994)).  So any model with a density becomes an exact sampler, as
long as q is positive wherever e^{-S} is.  The cost shows in the longest run of rejections: a
configuration that q makes e^{10} times too rare is kept for e^{10} steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.protocols import Density, Target
from physgen.core.random import Stream
from physgen.samplers.plain import default_observables, first_configurations

__all__ = ["Independence", "IndependenceChains"]

_PROPOSALS = 2**16  # drawn from the density at once, about
_LONGEST = "stat.longest_rejection_run"  # reported with the chain, not averaged over draws


@dataclass(frozen=True)
class Independence:
    """Independence Metropolis with proposals from a density.

    Parameters
    ----------
    density : Density
        Makes the proposals; only its `sample_and_log_prob` is used, and `log_prob` of the first
        configurations.

    Notes
    -----
    ``measure`` returns, beside the target's observables, the ``log_weight`` of every draw.  `run`
    reports the ``acceptance_rate`` and the ``longest_rejection_run`` of each chain; a run of
    rejections that is not short compared with the chain means that q misses a part of the target.

    Examples
    --------
    >>> from physgen import FreeField, run
    >>> free = FreeField(4, m2=2.0)  # proposals from the target itself are always accepted
    >>> draws = run(Independence(free), free, n_chains=64, n_draws=20, seed=1)
    >>> float(draws.acceptance_rate.mean())
    1.0
    """

    cites: ClassVar[tuple[str, ...]] = ("Tierney1994",)

    density: Density

    def bind(self, target: Target) -> IndependenceChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the density has no log_prob, or other configurations than the target.
        """
        q = self.density
        if not isinstance(q, Density):
            raise InputError(
                f"density must have log_prob, sample and sample_and_log_prob, got "
                f"{type(q).__name__}"
            )
        if tuple(q.event_shape) != tuple(target.event_shape) or q.support != target.support:
            raise InputError(
                f"density must live on the configurations of the target, {target.support.kind} of "
                f"shape {tuple(target.event_shape)}, got {q.support.kind} of shape "
                f"{tuple(q.event_shape)}"
            )
        return IndependenceChains(target, q)


@dataclass(frozen=True)
class IndependenceChains:
    """Chains of one target; the state carries log weights and runs of rejections."""

    target: Target
    density: Density
    exactness: str = "asymptotic"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return first configurations: "hot" are draws of the density."""
        if isinstance(start, str) and start == "hot":
            x, log_q = _drawn(self.density, n_chains, rng)
        else:
            x = first_configurations(self.target, rng, n_chains, start)
            log_q = to_numpy(self.density.log_prob(x))
        zeros = np.zeros(n_chains, np.int64)
        aux = {"log_weight": self._log_weight(x, log_q), "run": zeros, _LONGEST: zeros}
        return State(x, aux)

    def moved(self, state: State, x: np.ndarray) -> State:
        """Return the state after another sampler moved chains to x; moved ones are not stuck."""
        still = (x == state.x).reshape(len(x), -1).all(1)
        log_weight = self._log_weight(x, to_numpy(self.density.log_prob(x)))
        run = np.where(still, state.aux["run"], 0)
        return State(x, {**state.aux, "log_weight": log_weight, "run": run})

    def _log_weight(self, x: np.ndarray, log_q: np.ndarray) -> np.ndarray:
        log_weight = -to_numpy(self.target.action(x)) - log_q
        # A chain would never leave a configuration with q = 0: it leaves at the first proposal.
        return np.where(np.isfinite(log_weight), log_weight, -np.finfo(np.float64).max)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n proposals each."""
        check_positive_int("n", n)
        x, n_chains = state.x.copy(), len(state.x)
        log_weight, run, longest = (state.aux[k].copy() for k in ("log_weight", "run", _LONGEST))
        accepted = np.zeros(n_chains)
        at_once = max(_PROPOSALS // n_chains, 1)
        for first in range(0, n, at_once):
            count = min(at_once, n - first)
            y, log_q = _drawn(self.density, count * n_chains, rng.child("proposals", first))
            proposed = -to_numpy(self.target.action(y)) - log_q
            y, proposed = y.reshape(count, *x.shape), proposed.reshape(count, n_chains)
            _require_numbers(proposed, state)
            log_u = np.log1p(-rng.child("accept", first).numpy().random(proposed.shape))
            for k in range(count):
                yes = log_u[k] <= proposed[k] - log_weight
                x[yes], log_weight[yes] = y[k][yes], proposed[k][yes]
                accepted += yes
                run = np.where(yes, 0, run + 1)
                np.maximum(longest, run, out=longest)
        aux = {"log_weight": log_weight, "run": run, _LONGEST: longest}
        return State(x, aux), Info(accepted / n)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the target's observables and the log weight."""
        own = {"log_weight": state.aux["log_weight"]}
        return {**default_observables(self.target, state.x), **own}

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations, shape (n_chains, *event_shape)."""
        return state.x


def _require_numbers(proposed: np.ndarray, state: State) -> None:
    """Raise NonFiniteActionError for a NaN; an infinite action is a proposal never accepted."""
    bad = np.flatnonzero(np.isnan(proposed).any(axis=0))
    if bad.size:
        raise NonFiniteActionError(
            f"action and log_prob of a proposal must be numbers, got NaN, chain {bad[0]} "
            f"({bad.size} of {proposed.shape[1]} chains)",
            chain=int(bad[0]),
            draw=-1,
            state=state,
        )


def _drawn(density: Any, n: int, rng: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Return n draws and their log_prob as NumPy arrays, log_prob in float64."""
    x, log_q = density.sample_and_log_prob(n, rng)
    return to_numpy(x), to_numpy(log_q).astype(np.float64)

r"""Proposals by the sweeps of a learned machine, accepted against the true action.

A machine with action :math:`S_m` moves a chain from x to y by n block Gibbs sweeps, which are
reversible with respect to :math:`e^{-S_m}`.  So the ratio of the two proposal probabilities is
:math:`e^{-S_m(x) + S_m(y)}`, and y is accepted with probability

.. math:: \min\big(1, e^{\ell(y) - \ell(x)}\big), \qquad \ell(x) = -S(x) + S_m(x)

(Huang and Wang, Phys. Rev. B 95, 035105 (2017); Liu, Qi, Meng and Fu, ibid. 041101).  The chain is
exact whatever the machine has learned; a poor machine is rejected more often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers.plain import default_observables, first_configurations, kernel_name

__all__ = ["SelfLearning", "SelfLearningChains"]


@dataclass(frozen=True)
class SelfLearning:
    """Metropolis with proposals from the block Gibbs sweeps of a machine.

    Parameters
    ----------
    model : RBM
        Learned from configurations of the target, say.
    n_sweeps : int
        Sweeps of a proposal: more of them go further, and are accepted more rarely if the machine
        is poor.

    Raises
    ------
    InputError
        If `n_sweeps` is not positive.

    Notes
    -----
    ``measure`` returns, beside the observables of the target, the ``log_weight`` -S + S_m.
    """

    cites: ClassVar[tuple[str, ...]] = ("Huang2017", "Liu2017")

    model: Any
    n_sweeps: int = 10

    def __post_init__(self) -> None:
        check_positive_int("n_sweeps", self.n_sweeps)

    def bind(self, target: Target) -> SelfLearningChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the model is no restricted Boltzmann machine, or has other configurations than the
            target.
        """
        model = self.model
        if kernel_name(model) != "rbm":
            raise InputError(
                "model must be a restricted Boltzmann machine, whose sweeps are reversible, got "
                f"{type(model).__name__}; for a density take Independence"
            )
        if tuple(model.event_shape) != tuple(target.event_shape) or (
            model.support != target.support
        ):
            raise InputError(
                f"model must have the configurations of the target, {target.support.kind} of "
                f"shape {tuple(target.event_shape)}, got {model.support.kind} of shape "
                f"{tuple(model.event_shape)}"
            )
        return SelfLearningChains(target, model, self.n_sweeps)


@final
@dataclass(frozen=True)
class SelfLearningChains:
    """Chains of one target; the state carries log weights."""

    target: Target
    model: Any
    n_sweeps: int
    exactness: str = "asymptotic"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first configurations of the target."""
        x = first_configurations(self.target, rng, n_chains, start)
        # A chain would never leave a configuration of infinite action: it leaves at once.
        found = self._log_weight(x)
        lowest = -np.finfo(np.float64).max
        return State(x, {"log_weight": np.where(np.isfinite(found), found, lowest)})

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n proposals each."""
        check_positive_int("n", n)
        x, log_weight = state.x.copy(), state.aux["log_weight"].copy()
        accepted = np.zeros(len(x))
        log_u = np.log1p(-rng.child("accept").numpy().random((n, len(x))))
        for t in range(n):
            y = self.model.moved(x, self.n_sweeps, rng.child("sweeps").at(t))
            proposed = self._log_weight(y)
            bad = np.flatnonzero(np.isnan(proposed))
            if bad.size:
                raise NonFiniteActionError(
                    f"the actions of a proposal must be numbers, got NaN, chain {bad[0]} "
                    f"({bad.size} of {len(x)} chains)",
                    chain=int(bad[0]),
                    draw=-1,
                    state=state,
                )
            yes = log_u[t] <= proposed - log_weight
            x[yes], log_weight[yes] = y[yes], proposed[yes]
            accepted += yes
        return State(x, {"log_weight": log_weight}), Info(accepted / n)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the target's observables and the log weight."""
        own = {"log_weight": state.aux["log_weight"]}
        return {**default_observables(self.target, state.x), **own}

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations, shape (n_chains, *event_shape)."""
        return state.x

    def _log_weight(self, x: np.ndarray) -> np.ndarray:
        S, S_m = to_numpy(self.target.action(x)), to_numpy(self.model.action(x))
        return S_m.astype(np.float64) - S

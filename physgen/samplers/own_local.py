r"""Local Metropolis sweeps of any action, without a force: one site after another.

A field moves by d uniform in (-width, width), a spin is flipped, and the move is accepted with
probability :math:`\min(1, e^{-\Delta S})` (Metropolis et al. 1953).  Nothing is known of which
terms of S a site enters, so each site costs the action of all chains: a sweep takes V actions,
where the compiled loops of :class:`~physgen.samplers.Metropolis` take one.  A sweep leaves
:math:`e^{-S}` invariant but is not reversible.  The width is tuned to an acceptance of one half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.kernels.cpu.normals import uniforms
from physgen.samplers.fields.checks import key_words, require_finite
from physgen.samplers.fields.dual_averaging import DualAveraging
from physgen.samplers.plain import default_observables, first_configurations

__all__ = ["OwnLocalChains", "bind_own"]

_TARGET_ACCEPT = 0.5
_MOVE, _ACCEPT = 0, 1


def bind_own(target: Any, ties: str = "fair") -> OwnLocalChains:
    """Return local chains of a target of spins or real fields that is known by its action alone.

    Raises
    ------
    InputError
        If it has neither spins nor real fields.
    """
    if target.support.kind not in ("spins", "reals"):
        raise InputError(f"Metropolis needs spins or real fields, got {target.support.kind}")
    return OwnLocalChains(target, 1.0, ties == "fair")


@final
@dataclass(frozen=True)
class OwnLocalChains:
    """Chains of one target moved site by site; a step is one sweep.

    Parameters
    ----------
    target : Target
    width : float
        Half width of the proposals of a field; spins are flipped.
    fair : bool
        Accept a flip with probability 1/2 where the action does not change.
    """

    target: Any
    width: float
    fair: bool = True
    exactness: str = "asymptotic"

    @property
    def _spins(self) -> bool:
        return self.target.support.kind == "spins"

    @property
    def tuning(self) -> Mapping[str, float]:
        """The width; nothing for spins."""
        return {} if self._spins else {"width": self.width}

    def with_tuning(self, tuning: Mapping[str, float]) -> OwnLocalChains:
        """Return these chains with this width."""
        return replace(self, **{name: float(value) for name, value in tuning.items()})

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return first configurations and their actions."""
        x = first_configurations(self.target, rng, n_chains, start)
        x = x if self._spins else x.astype(np.float64)
        action = self._action(x)
        require_finite(action, None, "at the start")
        return State(x, {"action": action})

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n sweeps."""
        check_positive_int("n", n)
        x, S = state.x.copy(), state.aux["action"]
        flat = x.reshape(len(x), -1)
        n_chains, n_sites = flat.shape
        key, u, taken = key_words(rng), np.empty(n_chains), np.zeros(n_chains)

        def draw(site: int, t: int, what: int) -> np.ndarray:
            zero = np.uint64(0)
            uniforms(np.uint64(site), np.uint64(t), zero, np.uint64(what), key[0], key[1], u)
            return u

        for t in range(n):
            for site in range(n_sites):
                old = flat[:, site].copy()
                if self._spins:
                    flat[:, site] = -old
                else:
                    flat[:, site] = old + self.width * (2 * draw(site, t, _MOVE) - 1)
                with np.errstate(all="ignore"):
                    new = self._action(x)
                    p = np.exp(-np.maximum(new - S, 0.0))
                if self._spins and self.fair:
                    p = np.where(new == S, 0.5, p)
                yes = draw(site, t, _ACCEPT) < p  # NaN is no
                flat[:, site] = np.where(yes, flat[:, site], old)
                S = np.where(yes, new, S)
                taken += yes
        return State(x, {"action": S}), Info(taken / (n * n_sites))

    def tune(self, rng: Stream, state: State, n: int) -> tuple[OwnLocalChains, State]:
        """Adapt the width over n sweeps."""
        if self._spins:
            return self, self.step(rng, state, n)[0]
        chains, adaptation = self, DualAveraging(self.width, _TARGET_ACCEPT)
        for i in range(n):
            chains = replace(chains, width=adaptation.trial)
            state, info = chains.step(rng.at(i), state)
            adaptation.update(float(np.mean(info.accepted)))  # type: ignore[arg-type]
        return replace(chains, width=adaptation.result), state

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return default_observables(self.target, state.x)

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations, shape (n_chains, *event_shape)."""
        return state.x

    def _action(self, x: np.ndarray) -> np.ndarray:
        S = np.asarray(to_numpy(self.target.action(x)), np.float64)
        return np.where(np.isnan(S), math.inf, S)

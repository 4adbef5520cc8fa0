"""Samplers in a few lines of NumPy, with known autocorrelation, to test the loop around them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.signal import lfilter

from physgen.core.chains import Info, State
from physgen.core.protocols import REALS


def ar1(rho: float, n_chains: int, n_draws: int, seed: Any) -> np.ndarray:
    """Stationary x_{i+1} = rho x_i + sqrt(1 - rho^2) eta, unit variance."""
    noise = np.random.default_rng(seed).standard_normal((n_chains, n_draws))
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=1)


def ar1_tau(rho: float) -> float:
    return 0.5 * (1 + rho) / (1 - rho)


@dataclass(frozen=True)
class Gaussian:
    """Independent unit normals."""

    event_shape: tuple[int, ...] = (3,)
    symmetries: frozenset[str] = frozenset()

    @property
    def support(self):
        return REALS

    def action(self, x):
        return 0.5 * np.sum(x**2, axis=tuple(range(-len(self.event_shape), 0)))


@dataclass(frozen=True)
class Chain:
    """AR(1) in every component: the exact law of Gaussian, tau_int of the mean (1+rho)/(1-rho)/2.

    ``fault`` sabotages it: "stuck" never moves, "wells" keeps the sign of the first component,
    "nan" breaks chain 2 once its mean is positive, "shared" uses one noise for all chains.
    """

    rho: float = 0.5
    fault: str = ""

    def bind(self, target):
        return BoundChain(target, self.rho, self.fault)


@dataclass(frozen=True)
class BoundChain:
    target: Any
    rho: float
    fault: str = ""
    exactness: str = "asymptotic"

    def init(self, rng, n_chains, start="hot"):
        if not isinstance(start, str):
            return State(np.array(start, dtype=float), {"age": np.zeros(n_chains, dtype=np.int64)})
        shape = (n_chains, *self.target.event_shape)
        far = 10 * rng.numpy().standard_normal(shape) if start == "hot" else np.zeros(shape)
        return State(far, {"age": np.zeros(n_chains, dtype=np.int64)})

    def step(self, rng, state, n=1):
        x, g = state.x.copy(), rng.numpy()
        for _ in range(n):
            shape = x[:1].shape if self.fault == "shared" else x.shape
            new = self.rho * x + np.sqrt(1 - self.rho**2) * g.standard_normal(shape)
            if self.fault == "stuck":
                new = x
            if self.fault == "wells":
                new[:, 0] = np.where(x[:, 0] > 0, 1, -1) * np.abs(new[:, 0])
            x = new
        if self.fault == "nan" and x[2].mean() > 0:
            x[2] = np.nan
        accepted = np.full(len(x), float(self.fault != "stuck"))
        return State(x, {"age": state.aux["age"] + n}), Info(accepted, {"length": 2 * accepted})

    def measure(self, state):
        axes = tuple(range(1, state.x.ndim))
        return {"action": self.target.action(state.x), "mean": state.x.mean(axis=axes)}

    def configurations(self, state):
        return state.x


@dataclass(frozen=True)
class TunedChain:
    """The same, with rho tuned from 0.99 to 0.5 plus a bit that depends on the stream."""

    def bind(self, target):
        return BoundTunedChain(target, 0.99)


@dataclass(frozen=True)
class BoundTunedChain(BoundChain):
    @property
    def tuning(self):
        return {"rho": self.rho}

    def tune(self, rng, state, n):
        tuned = replace(self, rho=0.5 + 0.01 * rng.numpy().random())
        return tuned, tuned.step(rng.child("walk"), state, n)[0]

    def with_tuning(self, tuning):
        return replace(self, rho=tuning["rho"])

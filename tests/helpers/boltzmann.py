"""A restricted Boltzmann machine of +-1 units in NumPy, with its block-Gibbs chains.

S(v) = -a v - sum_j log 2 cosh(b_j + (v W)_j); everything is exact by enumeration of v.
"""

from dataclasses import dataclass, field

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.protocols import SPINS


def states(n):
    """All 2^n configurations of n spins, int8."""
    return (2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1).astype(np.int8)


@dataclass(frozen=True, eq=False)
class SmallRBM:
    W: np.ndarray
    a: np.ndarray
    b: np.ndarray
    support: object = SPINS
    kernel: tuple = field(default=("none", ()), repr=False)  # it is more than an action

    @classmethod
    def random(cls, n_visible=10, n_hidden=4, scale=0.4, seed=1):
        draw = np.random.default_rng(seed)
        W = scale * draw.standard_normal((n_visible, n_hidden))
        return cls(W, 0.3 * draw.standard_normal(n_visible), 0.3 * draw.standard_normal(n_hidden))

    @property
    def event_shape(self):
        return self.a.shape

    def action(self, v):
        v = np.asarray(v, float)
        x = np.abs(v @ self.W + self.b)
        return -(v @ self.a) - (x + np.log1p(np.exp(-2 * x))).sum(axis=-1)

    def tempered(self, fraction):
        return SmallRBM(fraction * self.W, self.a, fraction * self.b)

    def state_dict(self):
        return {"W": self.W, "a": self.a, "b": self.b}

    def load_state_dict(self, weights):
        for name, value in weights.items():
            object.__setattr__(self, name, value)

    @property
    def log_z(self):
        S = self.action(states(len(self.a)))
        return float(np.log(np.exp(S.min() - S).sum()) - S.min())

    @property
    def probabilities(self):
        return np.exp(-self.action(states(len(self.a))) - self.log_z)

    def draws(self, n, seed):
        k = np.random.default_rng(seed).choice(2 ** len(self.a), n, p=self.probabilities)
        return states(len(self.a))[k]


@dataclass(frozen=True)
class SmallGibbs:
    """Hidden given visible, and back; `heat` makes a saboteur of another temperature."""

    heat: float = 1.0

    def bind(self, target):
        return SmallChains(target, self.heat)


@dataclass(frozen=True)
class SmallChains:
    target: object
    heat: float
    exactness: str = "asymptotic"

    def init(self, rng, n_chains, start="hot"):
        shape = (n_chains, *self.target.event_shape)
        if not isinstance(start, str):
            assert np.shape(start) == shape
            return State(np.array(start, np.int8))
        return State((2 * rng.numpy().integers(0, 2, shape) - 1).astype(np.int8))

    def step(self, rng, state, n=1):
        check_positive_int("n", n)
        rbm, draw, v = self.target, rng.numpy(), state.x.astype(float)
        for _ in range(n):
            h = _spins(2 / self.heat * (v @ rbm.W + rbm.b), draw)
            v = _spins(2 / self.heat * (h @ rbm.W.T + rbm.a), draw)
        return State(v.astype(np.int8)), Info()

    def measure(self, state):
        return {
            "action": self.target.action(state.x),
            "magnetization": state.x.mean(axis=1, dtype=float),
        }

    def configurations(self, state):
        return state.x


def _spins(field, draw):
    return np.where(draw.random(field.shape) < 1 / (1 + np.exp(-field)), 1.0, -1.0)

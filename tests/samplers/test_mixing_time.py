"""Mixing seen from two starts: times that are known, metastable states, verdicts."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from helpers.boltzmann import SmallGibbs, SmallRBM
from helpers.statistics import within

from physgen.core.chains import Info, State
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS
from physgen.samplers.log_z_of import log_z_of
from physgen.samplers.mixing_time import mixing_time
from physgen.targets.free_field import FreeField
from physgen.targets.ising import Ising
from physgen.targets.own import as_target


@dataclass(frozen=True)
class Fair:
    """Independent fair spins: S = field * (spins up), with chains of known memory."""

    event_shape: tuple = (40,)
    support: object = SPINS
    kernel: tuple = ("none", ())

    def action(self, x):
        return 0.3 * np.asarray(x, float).sum(axis=-1)


@dataclass(frozen=True)
class Forgetting:
    """Each spin is drawn afresh with probability 1 - e^{-1/tau} a step."""

    tau: float

    def bind(self, target):
        return ForgettingChains(target, self.tau)


@dataclass(frozen=True)
class ForgettingChains:
    target: Fair
    tau: float
    exactness: str = "asymptotic"

    def init(self, rng, n_chains, start="hot"):
        if not isinstance(start, str):
            return State(np.array(start, np.int8))
        fair = (2 * rng.numpy().integers(0, 2, (n_chains, 40)) - 1).astype(np.int8)
        return State(fair if start == "hot" else np.ones_like(fair))

    def step(self, rng, state, n=1):
        draw, x = rng.numpy(), state.x
        for _ in range(n):
            new = np.where(draw.random(x.shape) < 1 / (1 + math.exp(0.6)), 1, -1)
            fresh = draw.random(x.shape) < -math.expm1(-1 / self.tau)
            x = np.where(fresh, new, x).astype(np.int8)
        return State(x), Info()

    def measure(self, state):
        return {"action": self.target.action(state.x)}

    def configurations(self, state):
        return state.x


def test_a_known_memory_is_found():
    ds = mixing_time(Fair(), 256, move=Forgetting(6.0), max_steps=400, n_measured=200, seed=1)
    # tau_int of e^{-t / tau} is 1/2 coth(1 / 2 tau); measured every 2 steps.
    exact = 0.5 / math.tanh(1 / 6)
    assert abs(ds["tau_int"].item() / 2 - exact) < 4 * ds["tau_int_error"].item() / 2 + 0.1
    # Cold chains begin 2 / 1.29 sites away; 3 errors of 256 chains are 0.02: about tau log 40.
    assert 15 < ds["mixing_time"].item() < 60
    assert ds.attrs["label"] == "equilibrium"
    slow = mixing_time(Fair(), 256, move=Forgetting(25.0), max_steps=2000, seed=1)
    assert slow["mixing_time"] > 2 * ds["mixing_time"]


@pytest.mark.parametrize(
    ("k", "label"), [(200, "equilibrium"), (3, "out of equilibrium for k = 3")]
)
def test_the_verdict_is_for_k(k, label):
    ds = mixing_time(Fair(), 128, k=k, move=Forgetting(6.0), max_steps=400, seed=2)
    assert ds.attrs["label"] == label
    assert (label in ds.attrs["warnings"]) == (k == 3)


def test_chains_that_never_change_mode_are_not_mixed():
    """From one mode of two: starts disagree for ever."""
    W = np.full((12, 6), 0.8)
    deep = SmallRBM(W, np.full(12, 0.01), np.zeros(6))
    how = {"move": SmallGibbs(), "max_steps": 200, "seed": 1}
    ds = mixing_time(deep, data=np.ones((5, 12), np.int8), **how)
    assert ds["mixing_time"].item() == math.inf
    assert ds.attrs["label"] == "not mixed in 200 steps"
    assert "TrajectoryTempering" in ds.attrs["warnings"]
    # With both modes in the data the starts agree at once, but no chain ever changes.
    both = np.repeat([[1], [-1]], 12, axis=1).astype(np.int8)
    ds = mixing_time(deep, data=both, **how)
    assert ds["tau_is_lower_bound"].item()
    assert ds.attrs["label"] == "not mixed in 200 steps"
    shallow = SmallRBM(0.1 * W, deep.a, deep.b)
    ds = mixing_time(shallow, data=both, **how)
    assert ds.attrs["label"] == "equilibrium"


def test_ising_slows_down_at_the_transition():
    times = [
        mixing_time(Ising(L=12, beta=b), seed=3, max_steps=800)["tau_int"] for b in (0.2, 0.43)
    ]
    assert times[1] > 2 * times[0]


def test_samplers_with_a_step_size_are_tuned():
    ds = mixing_time(FreeField(4, m2=1.0), 32, max_steps=50, n_measured=25, seed=1)
    assert ds.attrs["label"] == "equilibrium"
    assert ds["action"].sizes == {"start": 2, "step": 26}
    # Equipartition: <S> = n_sites / 2
    last = ds["action"].isel(step=slice(13, None)).mean().item()
    assert abs(last - 8) < 0.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_chains": 0}, "n_chains must be an integer >= 16, got 0"),
        ({"k": 0}, "k must be a positive integer, got 0"),
        ({"max_steps": 10}, "max_steps must be an integer >= 100, got 10"),
        ({"n_measured": 2}, "n_measured must be an integer >= 8"),
        ({"data": np.ones((4, 9))}, r"data must be configurations of shape"),
        ({"move": "gibbs"}, "move must be a sampler"),
        ({"rng": 1}, "seed or rng must be given"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        mixing_time(Ising(L=4, beta=0.3), **({"seed": 1} | arguments))


# --- log_z_of -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Summable(SmallRBM):
    def log_z_exact(self):
        if self.W.shape[1] > 4:
            raise InputError("n_hidden must be at most 4 to sum, got more")
        return self.log_z


def test_log_z_says_where_it_comes_from():
    small = Summable.random(6, 3)
    ds = log_z_of(small)
    assert ds["log_z"].item() == small.log_z
    assert ds["log_z_error"].item() == 0
    assert ds.attrs["exactness"] == "exact"
    assert "sum over" in ds.attrs["method"]
    large = Summable.random(6, 5)
    ds = log_z_of(large, move=SmallGibbs(), n_chains=128, n_temperatures=30)
    assert ds.attrs["exactness"] == "asymptotic"
    assert "annealed importance sampling" in ds.attrs["method"]
    assert abs(ds["log_z"].item() - large.log_z) < 4 * ds["log_z_error"].item()
    assert log_z_of(Ising(L=4, beta=0.3)).attrs["method"].startswith("enumeration")


def test_log_z_of_a_network_is_kept_affordable():
    network = as_target(
        lambda x: 0.5 * (x**2).sum(axis=1) + 0.1 * (x**4).sum(axis=1), (3,),
        force=lambda x: -x - 0.4 * x**3,
    )  # fmt: skip
    ds = log_z_of(network)
    assert ds.attrs["n_chains"] == 64
    assert ds.attrs["n_temperatures"] <= 200
    x = np.linspace(-8, 8, 4001)
    exact = 3 * np.log(np.trapezoid(np.exp(-0.5 * x**2 - 0.1 * x**4), x))
    assert within(ds["log_z"], exact, ds["log_z_error"], largest=0.1)
    assert log_z_of(network, n_temperatures=5).attrs["n_temperatures"] == 5

"""What every sampler in the registry promises; a new one is tested by being in ``__all__``."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.statistics import within

import physgen.samplers as registry
from physgen.core.chains import BoundSampler, Sampler, State, Tunable, traits
from physgen.core.errors import InputError
from physgen.core.protocols import outcomes
from physgen.core.random import Stream
from physgen.models.energy.rbm import RBM
from physgen.samplers import HMC, ExactDraws, HeatBath, run
from physgen.targets import FreeField, Ising, Phi4

ISING = Ising(L=4, beta=0.3)
PHI4 = Phi4.from_halved(4, m2=1.0, lam=0.1)
MACHINE = RBM((4, 4), "periodic", n_hidden=6)
N = 40  # walkers enough for an ensemble in 16 dimensions

# Samplers that need an argument; all others must work as they are.
MADE = {
    "Alternating": lambda cls: cls(FreeField(4, m2=1.0), HMC()),
    "Independence": lambda cls: cls(FreeField(4, m2=1.0)),
    "ParallelTempering": lambda cls: cls(HeatBath(), betas=[0.2, 0.3]),
    "SelfLearning": lambda cls: cls(MACHINE, n_sweeps=2),
    "TrajectoryTempering": lambda cls: cls(HeatBath(), [Ising(L=4, beta=0.2), ISING]),
}
NAMES = [name for name in registry.__all__ if hasattr(getattr(registry, name), "bind")]


def made(name):
    cls = getattr(registry, name)
    return MADE.get(name, lambda cls: cls())(cls)


def bindings(name):
    """Bind to every target that the sampler takes; to a machine only what takes nothing else."""
    found = []
    for target in (ISING, PHI4, MACHINE):
        if target is MACHINE and found:
            continue
        try:
            found.append(made(name).bind(target))
        except InputError:
            continue
    assert found, f"{name} takes no Ising model, no phi^4 field and no Boltzmann machine"
    return found


CASES = [
    pytest.param(bound, id=f"{name}-{type(bound.target).__name__}")
    for name in NAMES
    for bound in bindings(name)
]


def flat(state):
    return {"x": state.x, **state.aux}


def copied(state):
    return State(state.x.copy(), {name: a.copy() for name, a in state.aux.items()})


def assert_equal_states(a, b):
    for name, value in flat(a).items():
        np.testing.assert_array_equal(value, flat(b)[name], err_msg=name)


def test_registry():
    assert len(NAMES) >= 8
    assert sorted(set(registry.__all__)) == sorted(registry.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_does_and_who_found_it(name):
    cls = getattr(registry, name)
    assert isinstance(made(name), Sampler)
    assert inspect.getdoc(cls)
    assert inspect.getdoc(cls.bind)
    text = (inspect.getmodule(cls).__doc__ or "") + (cls.__doc__ or "")
    assert name == "ExactDraws" or re.search(r"\b(19|20)\d\d\b", text), "no reference"
    assert repr(made(name)) == repr(made(name))  # identifies a run: no memory address
    assert " at 0x" not in repr(made(name))


@pytest.mark.parametrize("bound", CASES)
def test_keeps_the_contract(bound):
    target = bound.target
    assert isinstance(bound, BoundSampler)
    assert bound.exactness in ("exact", "asymptotic", "approximate")
    state = bound.init(Stream(1), N)
    x = bound.configurations(state)
    assert x.shape == (N, *target.event_shape)
    assert x.dtype.kind == ("f" if target is PHI4 else "i")
    assert np.isfinite(x).all()
    if target is not PHI4:
        assert set(np.unique(x)) == {-1, 1}

    before = copied(state)
    once, info = bound.step(Stream(2), state, 3)
    assert_equal_states(state, before)  # the state it was given is left as it was
    again, _ = bound.step(Stream(2), state, 3)
    assert_equal_states(once, again)
    other, _ = bound.step(Stream(3), state, 3)
    assert not np.array_equal(bound.configurations(once), bound.configurations(other))
    assert all(isinstance(a, np.ndarray) for a in flat(once).values())
    assert {k: a.dtype for k, a in flat(once).items()} == {
        k: a.dtype for k, a in flat(state).items()
    }
    for value in (*info.metrics.values(), *([] if info.accepted is None else [info.accepted])):
        assert np.shape(value)[0] == N
    if info.accepted is not None:
        assert np.all((info.accepted >= 0) & (info.accepted <= 1))


@pytest.mark.parametrize("bound", CASES)
def test_no_steps_are_refused(bound):
    state = bound.init(Stream(1), N)
    for n in (0, -1):
        with pytest.raises(InputError, match=f"n must be a positive integer, got {n}"):
            bound.step(Stream(2), state, n)


@pytest.mark.parametrize("bound", CASES)
def test_measures_the_observables_of_the_target(bound):
    state, _ = bound.step(Stream(2), bound.init(Stream(1), N), 3)
    measured = bound.measure(state)
    x = bound.configurations(state)
    replicas = traits(bound).replicas
    own = [bound.own for _ in replicas]  # the replica of the target itself
    for name, observable in bound.target.observables.items():
        value = measured[name][(slice(None), *own)]
        assert value.dtype == np.float64
        tolerance = 1e-12 if x.dtype.kind == "i" or x.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(
            value, observable(x.astype(np.float64)), rtol=tolerance, atol=16 * tolerance
        )


@pytest.mark.parametrize("bound", CASES)
def test_starts(bound):
    """Given configurations are taken as they are; cold starts lie lower than hot ones."""
    if bound.exactness == "exact":
        assert isinstance(bound.target, Ising)
        return
    hot, cold = (bound.configurations(bound.init(Stream(1), N, s)) for s in ("hot", "cold"))
    if not traits(bound).coupled_chains and bound.target is ISING:
        S = bound.target.action
        assert np.mean(S(cold)) < np.mean(S(hot))
    given = bound.configurations(bound.init(Stream(1), N, hot))
    np.testing.assert_array_equal(given, hot)


@pytest.mark.parametrize("bound", [c for c in CASES if isinstance(c.values[0], Tunable)])
def test_tuning_survives_as_numbers(bound):
    state = bound.init(Stream(1), N)
    before = copied(state)
    tuned, after = bound.tune(Stream(4), state, 40)
    assert_equal_states(state, before)
    assert all(isinstance(v, float) for v in tuned.tuning.values())
    again = bound.with_tuning(dict(tuned.tuning))
    assert dict(again.tuning) == dict(tuned.tuning)
    assert_equal_states(tuned.step(Stream(5), after, 2)[0], again.step(Stream(5), after, 2)[0])


@pytest.mark.parametrize("name", NAMES)
def test_refuses_a_foreign_target(name):
    class Outcomes:
        event_shape = (40,)
        support = outcomes(3)

        def action(self, x):
            return 0.0

    with pytest.raises(InputError):
        made(name).bind(Outcomes())


def test_threads_do_not_change_the_draws():
    """Two threads, then one: the same bits from every sampler."""
    code = (
        "import sys, hashlib, numba; sys.path.insert(0, sys.argv[1])\n"
        "from samplers.test_contract import NAMES, bindings, N\n"
        "from physgen.core.random import Stream\n"
        "def digest(bound):\n"
        "    s = bound.init(Stream(1), 16 * N)\n"
        "    s, _ = bound.step(Stream(2), s, 60)\n"
        "    return hashlib.sha256(s.x.tobytes()).hexdigest()\n"
        "bound = [(name, b) for name in NAMES for b in bindings(name)]\n"
        "two = [digest(b) for _, b in bound]\n"
        "numba.set_num_threads(1)\n"
        "numba.config.NUMBA_NUM_THREADS = 1\n"
        "print([name for (name, b), d in zip(bound, two) if digest(b) != d])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(Path(__file__).parents[1])],
        env={**os.environ, "NUMBA_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_exact_draws_and_a_chain_agree():
    """The loop treats both kinds alike; 4x4 at beta = 0.3 from one table and from sweeps."""
    a, b = (run(s, ISING, n_chains=256, n_draws=30, seed=1) for s in (ExactDraws(), HeatBath()))
    means = [ds["energy"].mean("draw").values for ds in (a, b)]
    error = np.hypot(*(m.std(ddof=1) / 16 for m in means))
    assert within(means[0].mean(), means[1].mean(), error, largest=0.3)
    assert a["energy"].attrs["tau_int"] < b["energy"].attrs["tau_int"]

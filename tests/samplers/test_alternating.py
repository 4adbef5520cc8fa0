"""Proposals of a density and local moves in turn: stationary, and better than either alone."""

import numpy as np
import pytest
from helpers.statistics import within

from physgen import HMC, FreeField, Independence, Ising, Metropolis, Phi4, run
from physgen.core.chains import BoundSampler, Tunable
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers import Alternating, ExactDraws, estimates
from physgen.samplers.independence import IndependenceChains

PHI4 = Phi4.from_unhalved(L=4, m2=1.0, lam=0.5)
GAUSS = FreeField(L=4, m2=3.0)  # narrower than the target: its tails are found too rarely


def differences():
    """Differences from HMC, and their errors; short trajectories, so weights matter."""
    how = {"n_chains": 512, "n_draws": 400, "warmup": 50, "quiet": True}
    local = HMC(step_size=0.07, n_leapfrog=2)
    mixed = estimates(run(Alternating(FreeField(L=4, m2=1.2), local), PHI4, seed=1, **how))
    reference = estimates(run(HMC(), PHI4, seed=2, n_chains=512, n_draws=150, quiet=True))
    pairs = [
        (e.sel(quantity=name) for e in (mixed, reference)) for name in ("action_per_site", "phi2")
    ]
    return [(float(a.value - b.value), np.hypot(float(a.error), float(b.error))) for a, b in pairs]


@pytest.mark.slow
def test_observables_are_those_of_the_target():
    assert all(within(off, 0, error, largest=0.0008) for off, error in differences())


def test_without_weights_of_where_the_local_moves_led_it_is_another_target(monkeypatch):
    """The saboteur: a state that keeps the weight of the configuration it has left."""
    monkeypatch.setattr(
        IndependenceChains, "moved", lambda self, state, x: type(state)(x, dict(state.aux))
    )
    assert max(abs(off) / error for off, error in differences()) > 6


@pytest.mark.slow
def test_local_moves_free_chains_that_proposals_leave_stuck():
    longest = {}
    for name, sampler in (
        ("proposals", Independence(GAUSS)),
        ("both", Alternating(GAUSS, HMC(step_size=0.2, n_leapfrog=4))),
    ):
        ds = run(sampler, PHI4, n_chains=32, n_draws=200, seed=3, quiet=True)
        longest[name] = int(ds["longest_rejection_run"].max())
    assert longest["both"] < longest["proposals"]


def test_the_local_sampler_is_tuned_and_its_tuning_comes_back():
    bound = Alternating(FreeField(L=4, m2=1.0), HMC()).bind(PHI4)
    assert isinstance(bound, BoundSampler)
    assert isinstance(bound, Tunable)
    state = bound.init(Stream(1), 16)
    tuned, _ = bound.tune(Stream(2), state, 40)
    assert tuned.tuning["step_size"] != bound.tuning["step_size"]
    assert bound.with_tuning(tuned.tuning).tuning == tuned.tuning


@pytest.mark.slow
def test_steps_are_pure_and_spins_work_as_well():
    target = Ising(L=4, beta=0.3)

    class Fair:
        event_shape, support = (4, 4), target.support

        def log_prob(self, x):
            return np.full(x.shape[:-2], -16 * np.log(2))

        def sample(self, n, rng):
            return self.sample_and_log_prob(n, rng)[0]

        def sample_and_log_prob(self, n, rng):
            x = 2 * rng.numpy().integers(0, 2, size=(n, 4, 4)).astype(np.int8) - 1
            return x, self.log_prob(x)

    bound = Alternating(Fair(), Metropolis(), n_local=2).bind(target)
    state = bound.init(Stream(1), 64)
    first, info = bound.step(Stream(2), state, 3)
    again, _ = bound.step(Stream(2), state, 3)
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_allclose(
        first.aux["log_weight"], -target.action(first.x) + 16 * np.log(2), atol=1e-12
    )
    assert 0 < info.accepted.mean() < 1
    exact = estimates(run(ExactDraws(), target, n_chains=16, n_draws=500, seed=1, quiet=True))
    found = estimates(
        run(
            Alternating(Fair(), Metropolis()), target, n_chains=64, n_draws=300, seed=4, quiet=True
        )
    )
    a, b = (e.sel(quantity="energy_per_site") for e in (found, exact))
    assert within(a.value, b.value, np.hypot(a.error, b.error), largest=0.013)


def test_bad_input():
    with pytest.raises(InputError, match="local must have a bind"):
        Alternating(GAUSS, 3)
    with pytest.raises(InputError, match="n_local must be a positive integer"):
        Alternating(GAUSS, HMC(), n_local=0)
    with pytest.raises(InputError, match="configurations of the target"):
        Alternating(FreeField(L=6, m2=1.0), HMC()).bind(PHI4)

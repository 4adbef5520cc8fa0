"""Independence Metropolis: exact on an enumerable target, and honest about a poor density."""

from dataclasses import dataclass

import numpy as np
import pytest
from helpers.clusters import states
from helpers.statistics import accepts, chi_square_p

from physgen.core.chains import BoundSampler
from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.protocols import REALS, SPINS, Density
from physgen.core.random import Stream, as_stream
from physgen.samplers.independence import Independence
from physgen.samplers.run import run
from physgen.targets import as_target
from physgen.targets.ising import Ising


@dataclass(frozen=True)
class Biased:
    """Independent spins, up with probability p; `lie` is added to what log_prob should be."""

    shape: tuple[int, ...]
    p: float = 0.6
    lie: float = 0.0

    support = SPINS

    @property
    def event_shape(self):
        return self.shape

    def log_prob(self, x):
        ups = np.sum(x > 0, axis=tuple(range(-len(self.shape), 0)))
        downs = int(np.prod(self.shape)) - ups
        return ups * (np.log(self.p) + self.lie) + downs * np.log1p(-self.p)

    def sample(self, n, rng):
        return self.sample_and_log_prob(n, rng)[0]

    def sample_and_log_prob(self, n, rng):
        u = as_stream(rng).numpy().random((n, *self.shape))
        x = np.where(u < self.p, 1, -1).astype(np.int8)
        return x, self.log_prob(x)


TARGET = Ising(L=3, beta=0.3, h=0.2)


@pytest.mark.statistical
def test_exact_starts_stay_exact():
    x = states(9).reshape(-1, 3, 3)
    p = np.exp(-TARGET.action(x))
    p /= p.sum()

    def p_value(density):
        def test(n, seed):
            rng = Stream(seed)
            chains = Independence(density).bind(TARGET)
            start = x[np.searchsorted(np.cumsum(p), rng.child("start").numpy().random(n))]
            state, info = chains.step(rng, chains.init(rng, n, start), 5)
            assert 0.1 < info.accepted.mean() < 0.9
            index = (state.x.reshape(n, 9) > 0) @ (1 << np.arange(9))
            return chi_square_p(np.bincount(index, minlength=512), p)

        return test

    assert isinstance(Biased((3, 3)), Density)
    assert accepts(p_value(Biased((3, 3))), 20_000)
    assert not accepts(p_value(Biased((3, 3), lie=0.05)), 20_000)


def test_a_perfect_density_is_always_accepted():
    chains = Independence(Biased((4,), p=0.6)).bind(
        Ising(L=(4,), beta=1.0, J=0.0, h=0.5 * np.log(0.6 / 0.4))
    )
    assert isinstance(chains, BoundSampler)
    state, info = chains.step(Stream(1), chains.init(Stream(1), 50), 20)
    assert np.all(info.accepted == 1)
    assert np.ptp(chains.measure(state)["log_weight"]) < 1e-12
    assert np.all(state.aux["stat.longest_rejection_run"] == 0)


def test_rejections_are_counted_and_the_start_is_left_alone():
    chains = Independence(Biased((3, 3), p=0.05)).bind(TARGET)
    state = chains.init(Stream(1), 30, "cold")
    kept = state.x.copy()
    a, info = chains.step(Stream(2), state, 200)
    np.testing.assert_array_equal(state.x, kept)
    np.testing.assert_allclose(
        a.aux["log_weight"], -TARGET.action(a.x) - chains.density.log_prob(a.x)
    )
    assert np.all(a.aux["stat.longest_rejection_run"] >= a.aux["run"])
    assert a.aux["stat.longest_rejection_run"].max() > 50
    assert info.accepted.mean() < 0.2


def test_run_reports_acceptance():
    ds = run(Independence(Biased((3, 3))), TARGET, n_chains=64, n_draws=100, seed=1, warmup=20)
    assert ds.attrs["exactness"] == "asymptotic"
    assert "log_weight" in ds
    assert 0.1 < float(ds["acceptance_rate"].mean()) < 0.9


def test_densities_of_something_else_are_refused():
    with pytest.raises(InputError, match="density must have log_prob"):
        Independence(TARGET).bind(TARGET)
    with pytest.raises(InputError, match=r"of shape \(3, 3\), got spins of shape \(4, 3\)"):
        Independence(Biased((4, 3))).bind(TARGET)
    field = Biased((3, 3))
    object.__setattr__(field, "support", REALS)
    with pytest.raises(InputError, match="spins of shape"):
        Independence(field).bind(TARGET)


def test_an_action_that_is_no_number_names_the_chain():
    def action(x):
        return np.where(x.sum(axis=(1, 2)) == 9, np.nan, 0.0)

    target = as_target(action, (3, 3), support=SPINS)
    chains = Independence(Biased((3, 3), p=0.9)).bind(target)
    state = chains.init(Stream(1), 5, states(9)[:5].reshape(-1, 3, 3))
    with pytest.raises(NonFiniteActionError, match=r"got NaN, chain \d") as caught:
        chains.step(Stream(2), state, 20)
    assert caught.value.state is state

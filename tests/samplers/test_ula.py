"""ULA has a bias, and exactly the one that theory gives."""

import numpy as np
import pytest
from helpers.statistics import accepts, joint_p

from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.random import Stream
from physgen.samplers import ULA, run
from physgen.targets import FreeField, Phi4, as_target

FREE = FreeField(L=(4, 6), m2=1.0)
EPS = 0.1
KINDS = np.unique(np.round(FREE.spectrum, 9), return_inverse=True)[1].ravel()


def powers(target, n, seed, dtype, rng="philox"):
    """Power of every mode of n independent chains after 120 steps, by kind."""
    stream = Stream(seed)
    chains = ULA(step_size=EPS, dtype=dtype, rng=rng).bind(target)
    state = chains.init(stream, n, FREE.sample(n, stream.child("start")))
    state, info = chains.step(stream.child("steps"), state, 120)
    assert info.accepted is None
    power = (np.abs(np.fft.fft2(chains.configurations(state))) ** 2 / 24).reshape(n, -1)
    return np.stack([power[:, k == KINDS].mean(axis=1) for k in range(KINDS.max() + 1)])


@pytest.mark.statistical
@pytest.mark.parametrize("case", ["float32", "float64", "fast", "numpy"])
def test_free_field_is_that_of_the_discretised_equation(case):
    target = as_target(FREE.action, (4, 6), force=FREE.force) if case == "numpy" else FREE
    dtype, rng = (None if "float" not in case else case), ("fast" if case == "fast" else "philox")
    spectrum = np.array([FREE.spectrum.ravel()[k == KINDS][0] for k in range(KINDS.max() + 1)])

    def p(n, seed, exact):
        found = powers(target, n, seed, dtype, rng)
        return joint_p((found.mean(axis=1) - exact) / (found.std(axis=1) / np.sqrt(n)))

    discretised = 1 / (spectrum * (1 - EPS * spectrum / 2))
    assert accepts(lambda n, seed: p(n, seed, discretised), 4000)
    assert not accepts(lambda n, seed: p(n, seed, 1 / spectrum), 4000)


def test_results_are_labelled_approximate():
    ds = run(ULA(step_size=0.1), FREE, n_chains=64, n_draws=200, seed=1)
    assert ds.attrs["exactness"] == "approximate"


@pytest.mark.parametrize("wrap", [False, True])
def test_a_chain_that_runs_away_is_named(wrap):
    target = Phi4.from_halved(L=4, m2=1.0, lam=1.0)
    if wrap:
        target = as_target(target.action, (4, 4), force=target.force)
    chains = ULA(step_size=1.0).bind(target)
    state = chains.init(Stream(1), 8)
    with pytest.raises(NonFiniteActionError, match="step_size") as caught:
        chains.step(Stream(2), state, 50)
    assert caught.value.state is state
    assert 0 <= caught.value.chain < 8


def test_settings_are_checked():
    with pytest.raises(InputError, match="step_size"):
        ULA(step_size=-0.1)
    with pytest.raises(InputError, match="force"):
        ULA().bind(as_target(lambda x: np.sum(x**2, axis=1), 3))

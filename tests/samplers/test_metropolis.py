"""Metropolis of Ising chains: what ties do to ergodicity, exact starts, acceptance, Kaufman."""

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.ising import RULES, distribution, flip_probabilities, states, sweep_matrix
from helpers.statistics import ALPHA_RETEST, accepts, chi_square_p, joint_p, normal_p
from scipy.sparse.csgraph import connected_components

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact.kaufman import energy_per_site
from physgen.lattice import Hypercubic
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.metropolis import Metropolis
from physgen.targets.ising import Ising

KC = math.log(1 + math.sqrt(2)) / 2
COUPLINGS = Stream(3).numpy()
CASES = {
    "torus": Ising(L=3, beta=0.4),
    "ring": Ising(L=(7,), beta=0.5),
    "glass": Ising.spin_glass(L=(2, 4), beta=0.7, rng=Stream(1)),
    "open, in a field": Ising(lattice=Hypercubic((3, 3), "open"), beta=0.5, h=0.2),
    "field at a tie": Ising(L=3, beta=0.5, h=2.0),
    "couplings": Ising(L=3, beta=0.5, J=COUPLINGS.normal(size=18)),
}
BIT_SLICED = [name for name in CASES if name != "couplings"]


def number(x):
    return (x.reshape(len(x), -1) > 0) @ (1 << np.arange(x[0].size))


def exact_draws(target, n, seed):
    p = distribution(target)
    index = np.searchsorted(np.cumsum(p), Stream(seed, ("start",)).numpy().random(n))
    return states(target.n_sites)[index].reshape(-1, *target.event_shape)


@pytest.mark.parametrize("ties", ["fair", "accept"])
@pytest.mark.parametrize("name", BIT_SLICED)
def test_pi_is_invariant_under_the_transition_matrix(name, ties):
    P, pi = sweep_matrix(CASES[name], RULES[ties]), distribution(CASES[name])
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(pi @ P, pi, atol=1e-12)


def n_classes(target, ties):
    """Number of classes of states that do not communicate."""
    P = sweep_matrix(target, RULES[ties])
    return connected_components(P > 0, connection="strong")[0]


def test_accepting_ties_in_sequential_order_is_not_ergodic():
    assert n_classes(Ising(L=3, beta=0.0), "accept") == 256  # a state and its mirror
    assert n_classes(Ising(L=3, beta=0.4), "accept") == 5
    assert n_classes(Ising(L=(7,), beta=0.5), "accept") == 4


@pytest.mark.parametrize("name", BIT_SLICED)
def test_fair_ties_are_ergodic(name):
    assert n_classes(CASES[name], "fair") == 1
    assert n_classes(CASES[name].at(beta=0.0), "fair") == 1


def test_accepted_ties_at_infinite_temperature_undo_themselves():
    target = Ising(L=4, beta=0.0)
    for ties, same in (("accept", True), ("fair", False)):
        chains = Metropolis(ties=ties).bind(target)
        state = chains.init(Stream(1), 600)
        after, info = chains.step(Stream(2), state, 2)
        assert np.array_equal(after.x, state.x) is same
        if same:
            np.testing.assert_array_equal(info.accepted, 1.0)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("name", "rng"),
    [
        ("torus", "fast"),
        *((n, "philox") for n in ("torus", "glass", "couplings", "open, in a field")),
    ],
)
def test_exact_starts_stay_exact(name, rng):
    target, sampler = CASES[name], Metropolis(rng=rng)

    def p_value(moved, n, seed):
        chains = sampler.bind(moved)
        state = chains.init(Stream(seed), n, exact_draws(target, n, seed))
        state, _ = chains.step(Stream(seed).child("step"), state, 3)
        counts = np.bincount(number(chains.configurations(state)), minlength=2**target.n_sites)
        return chi_square_p(counts, distribution(target))

    hotter = target.at(beta=0.95 * target.beta)
    assert accepts(lambda n, seed: p_value(target, n, seed), 60_000)
    assert not accepts(lambda n, seed: p_value(hotter, n, seed), 60_000)


@pytest.mark.statistical
@pytest.mark.parametrize("layout", ["chains", "int8"])
def test_fair_spins_stay_fair_at_infinite_temperature(layout):
    target = Ising(L=3, beta=0.0)
    chains = Metropolis(layout=layout).bind(target)

    def p_value(chains):
        def test(n, seed):
            state = chains.init(Stream(seed, ("hot",)), n)
            x = chains.configurations(chains.step(Stream(seed), state, 2)[0]).reshape(n, 9) > 0
            return chi_square_p(
                np.bincount(x @ (1 << np.arange(9)), minlength=512), np.full(512, 1 / 512)
            )

        return test

    assert accepts(p_value(chains), 20_000)
    if layout == "chains":  # saboteur: a favoured spin where nothing favours one
        assert not accepts(p_value(replace(chains, model=HeatBath().bind(target).model)), 20_000)


@pytest.mark.statistical
@pytest.mark.parametrize("layout", ["chains", "int8"])
def test_ring_from_a_hot_start(layout):
    # The textbook rule misses this energy by a hundred errors.
    th = math.tanh(0.5)
    exact = -7 * (th + th**6) / (1 + th**7)

    def p_value(ties, n, seed):
        chains = Metropolis(ties=ties, layout=layout).bind(CASES["ring"])
        state = chains.init(Stream(seed), n)
        state, _ = chains.step(Stream(seed).child("sweeps"), state, 100)
        e = chains.measure(state)["energy"]
        return normal_p((e.mean() - exact) / (e.std(ddof=1) / math.sqrt(n)))

    assert accepts(lambda n, seed: p_value("fair", n, seed), 5_000)
    if layout == "chains":
        assert not accepts(lambda n, seed: p_value("accept", n, seed), 5_000)


@pytest.mark.statistical
def test_kaufman_energies():
    def p_value(n, seed):
        pulls = []
        for L, n_sweeps in ((8, 1000), (16, 4000)):
            for K in (0.3, 0.4, KC, 0.6):
                chains = Metropolis().bind(Ising(L=L, beta=K))
                rng = Stream(seed, (L, str(K)))
                state = chains.init(rng, n, "cold")
                state, _ = chains.step(rng.child("sweeps"), state, n_sweeps)
                e = chains.measure(state)["energy"] / L**2
                exact = float(energy_per_site(K, (L, L)))
                pulls.append((e.mean() - exact) / (e.std(ddof=1) / math.sqrt(n)))
        return joint_p(np.array(pulls))

    assert accepts(p_value, 700)


@pytest.mark.statistical
@pytest.mark.parametrize("layout", ["chains", "int8"])
def test_acceptance_rate_is_that_of_the_matrices(layout):
    target = CASES["torus"]
    # The distribution stays pi after every site.
    exact = (distribution(target) @ flip_probabilities(target, RULES["fair"])).mean()

    def p_value(n, seed):
        chains = Metropolis(layout=layout).bind(target)
        state = chains.init(Stream(seed), n, exact_draws(target, n, seed))
        _, info = chains.step(Stream(seed).child("step"), state, 5)
        a = info.accepted
        assert a is not None
        assert a.shape == (n,)
        return normal_p((a.mean() - exact) / (a.std(ddof=1) / math.sqrt(n)))

    assert accepts(p_value, 10_000)


def test_acceptance_of_the_lattice_layout():
    target = Ising(L=(16, 128), beta=0.3)
    rates = []
    for layout, n in (("lattice", 40), ("chains", 40)):
        chains = Metropolis(layout=layout).bind(target)
        state, _ = chains.step(Stream(1), chains.init(Stream(1), n), 50)
        rates.append(chains.step(Stream(2), state, 50)[1].accepted)
    error = math.hypot(*(r.std(ddof=1) / math.sqrt(40) for r in rates))
    assert normal_p((rates[0].mean() - rates[1].mean()) / error) > ALPHA_RETEST


def test_bad_input():
    with pytest.raises(InputError, match="ties must be one of"):
        Metropolis(ties="never")

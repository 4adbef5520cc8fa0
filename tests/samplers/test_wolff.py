"""Wolff: a fixed number of clusters, its choice in warm-up, the biased protocol, the ghost."""

import numpy as np
import pytest
from helpers.clusters import states
from helpers.statistics import accepts, chi_square_p, normal_p

from physgen.core.chains import State, Tunable
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.wolff import Wolff
from physgen.targets.ising import Ising


def fixed(chains, rng, state):
    """Four clusters."""
    return chains.step(rng, state, 4)[0]


def until_flipped(chains, rng, state):
    """Clusters until as many spins have flipped as there are: the protocol that is biased."""
    x, n_sites = state.x.copy(), state.x.shape[1]
    flipped = np.zeros(len(x))
    k = 0
    while np.any(flipped < n_sites):
        on = flipped < n_sites
        moved, info = chains.step(rng.child(k), State(x[on]))
        x[on], flipped[on] = moved.x, flipped[on] + info.metrics["cluster_size"]
        k += 1
    return State(x)


@pytest.mark.statistical
def test_records_after_a_share_of_spins_has_flipped_are_biased():
    target = Ising(L=3, beta=0.25)
    chains = Wolff(n_clusters=1).bind(target)
    x = states(9).reshape(-1, 3, 3)
    p = np.exp(-target.action(x))
    p /= p.sum()

    def p_value(protocol):
        def test(n, seed):
            rng = Stream(seed)
            start = x[np.searchsorted(np.cumsum(p), rng.child("start").numpy().random(n))]
            state = chains.init(rng, n, start)
            for k in range(4):
                state = protocol(chains, rng.child("record", k), state)
            index = (state.x > 0) @ (1 << np.arange(9))
            return chi_square_p(np.bincount(index, minlength=512), p)

        return test

    assert accepts(p_value(fixed), 20_000)
    assert not accepts(p_value(until_flipped), 20_000)


def test_warm_up_chooses_how_many_clusters_flip_the_lattice_once():
    target = Ising(L=32, beta=0.3)
    chains = Wolff().bind(target)
    assert isinstance(chains, Tunable)
    assert chains.tuning == {"n_clusters": 1.0}
    state = chains.init(Stream(1), 20, "cold")
    tuned, state = chains.tune(Stream(1), state, 400)
    _, info = tuned.step(Stream(2), state, 20)
    flips = tuned.n_clusters * info.metrics["cluster_size"].mean()
    assert 0.8 < flips / 1024 < 1.25
    assert chains.with_tuning(tuned.tuning) == tuned
    given, _ = Wolff(n_clusters=3).bind(target).tune(Stream(1), state, 8)
    assert given.n_clusters == 3


@pytest.mark.statistical
def test_cluster_size_is_the_improved_estimator_of_m2():
    chains = Wolff(n_clusters=40).bind(Ising(L=8, beta=0.35))
    rng, n_chains = Stream(3), 400
    state, _ = chains.step(rng, chains.init(rng, n_chains), 20)
    total = np.zeros((2, n_chains))
    for k in range(20):
        state, info = chains.step(rng.child("draws").at(k), state)
        total += [64 * chains.measure(state)["magnetization"] ** 2, info.metrics["cluster_size"]]
    difference = total[0] - total[1]
    assert normal_p(difference.mean() / difference.std(ddof=1) * n_chains**0.5) > 1e-3


def test_clusters_held_by_the_ghost_are_not_flipped():
    strong = Wolff(1).bind(Ising(L=4, beta=1.0, h=20.0))
    up = np.ones((50, 4, 4), np.int8)
    state, info = strong.step(Stream(1), strong.init(Stream(1), 50, up), 10)
    np.testing.assert_array_equal(strong.configurations(state), up)
    assert np.all(info.accepted == 0)
    down, info = strong.step(Stream(1), strong.init(Stream(1), 50, -up), 1)
    assert np.all(info.accepted == 1)
    assert np.all(strong.configurations(down).sum((1, 2)) > -16)


def test_numbers_of_clusters_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="n_clusters must be a positive integer, got 0"):
        Wolff(n_clusters=0)
    with pytest.raises(InputError, match="n_clusters must be a number or 'auto', got 'many'"):
        Wolff(n_clusters="many")

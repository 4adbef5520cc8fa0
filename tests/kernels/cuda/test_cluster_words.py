"""Cluster sweeps of CUDA devices, without one: their law, and threads in any order.

`helpers.keyed_clusters` does what the kernels do, one bond after the other; in on_device they
agree bit for bit.
"""

import importlib.util
import random
import re
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import keyed_clusters as keyed
from helpers.clusters import number, states, transition_matrix
from helpers.statistics import accepts, chi_square_p

from physgen.core.random import Stream
from physgen.kernels.cuda.cluster_sweeps import MOST_SITES, lanes, scratch_words
from physgen.lattice import Hypercubic
from physgen.samplers.cuda_clusters import bonds_of_fields, bonds_of_spins


def hypercubic(shape, boundary="periodic", K=0.35, H=0.0):
    neighbours = Hypercubic(shape, boundary).neighbours
    couplings = np.where(neighbours >= 0, float(K), 0.0)
    return neighbours, couplings, np.full(len(neighbours), float(H))


SYSTEMS = {
    "open with field": hypercubic((2, 2), "open", 0.5, 0.3),
    "torus with double bonds": hypercubic((2, 2), "periodic", 0.25),
    "antiferromagnet in a negative field": hypercubic((4,), "open", -0.6, -0.2),
    "ring": hypercubic((5,), "periodic", 0.7),
    "fields of both signs": (*hypercubic((3,), "open", 0.4)[:2], np.array([0.5, 0.0, -0.3])),
}


def follows(step, x0, P):
    """Whether counts of transitions from every state x0 follow the matrix P."""

    def p(n, seed):
        x = step(np.repeat(x0, n, axis=0), Stream(seed).philox_key()[0])
        counts = np.zeros_like(P)
        np.add.at(counts, (np.repeat(np.arange(len(x0)), n), number(x)), 1)
        return chi_square_p(counts.ravel(), P.ravel() / len(P))

    return accepts(p, 6000)


@pytest.mark.statistical
@pytest.mark.parametrize("name", SYSTEMS)
def test_sweeps_follow_the_transition_matrix(name):
    system = SYSTEMS[name]
    bonds, x0 = keyed.bonds_of(*system), states(len(system[0]))

    def step(x, key):
        return keyed.swept(x, bonds, key)[0]

    assert follows(step, x0, transition_matrix(*system, "swendsen-wang"))
    assert not follows(step, x0, transition_matrix(*system, "swendsen-wang", factor=1.8))


@pytest.mark.statistical
@pytest.mark.parametrize("hop", [0.3, -0.3])
def test_signs_of_fields_follow_the_matrix_of_their_couplings(hop):
    neighbours = Hypercubic((2, 2), "open").neighbours
    size = np.array([0.5, 1.2, 0.9, 2.0])
    K = np.where(neighbours >= 0, hop * size[:, None] * size[neighbours], 0.0)
    bonds, x0 = keyed.bonds_of(neighbours, np.full(neighbours.shape, hop), 0.0), states(4)

    def step(x, key):
        return keyed.swept(x * size, bonds, key, occupied=keyed.between_fields)[0]

    assert follows(step, x0, transition_matrix(neighbours, K, np.zeros(4), "swendsen-wang"))
    wrong = transition_matrix(neighbours, K, np.zeros(4), "swendsen-wang", factor=1.8)
    assert not follows(step, x0, wrong)


@pytest.mark.parametrize("name", SYSTEMS)
def test_bonds_are_those_of_the_table(name):
    neighbours, K, H = SYSTEMS[name]
    first, second, K_of = keyed.bonds_of(neighbours, K, H)
    found = bonds_of_spins(neighbours, K, H)
    np.testing.assert_array_equal(found.first, first)
    np.testing.assert_array_equal(found.second, second)
    np.testing.assert_array_equal(found.signs[found.kinds], np.sign(K_of))
    p = found.strengths[found.kinds] / 2.0**64
    np.testing.assert_allclose(p, 1 - np.exp(-2 * np.abs(K_of)), rtol=1e-12)
    assert {a.dtype for a in found[:3]} == {np.dtype(np.uint32)}
    fields = bonds_of_fields(neighbours, 0.3)
    np.testing.assert_array_equal(fields.first, first[second > 0])
    np.testing.assert_array_equal(fields.second, second[second > 0])
    assert fields.strengths == np.float32(0.6)


def test_a_lattice_without_bonds_has_one_that_does_nothing():
    for found in (
        bonds_of_spins(np.full((1, 2), -1), np.zeros((1, 2)), np.zeros(1)),
        bonds_of_fields(np.full((1, 2), -1), 0.3),
    ):
        assert found.first.tolist() == found.second.tolist() == [1]
        assert found.strengths.tolist() == [0]


def test_labels_stay_in_shared_memory_where_they_fit():
    assert lanes(256, 64) == 32
    assert lanes(1024, 64) == 8
    assert lanes(256, 1) == lanes(11_911, 1) == lanes(11_911, 64) == 1
    assert lanes(11_912, 1) == lanes(MOST_SITES, 64) == 0
    for n_sites in (1, 256, 1024, 5000, 11_911):
        w = lanes(n_sites, 32)
        assert 4 * w * scratch_words(n_sites) <= 49152
        assert w == 32 or 8 * w * scratch_words(n_sites) > 49152
    assert scratch_words(127) == 128 + 4
    assert scratch_words(128) == 129 + 8


# --- threads in any order -----------------------------------------------------------------------


def forest(atomic_min):
    """The functions of the forest as Python, with this atomic minimum."""
    origin = importlib.util.find_spec("physgen.kernels.cuda.cluster_forest").origin
    with open(origin) as file:
        source = re.sub("from physgen.kernels.cuda.*", "", file.read())
    cuda = SimpleNamespace(
        jit=lambda device: lambda function: function, atomic=SimpleNamespace(min=atomic_min)
    )
    names = {"cuda": cuda, "__name__": "forest"}
    exec(compile(source, "forest", "exec"), names)
    return SimpleNamespace(**names)


class Baton:
    """Labels that one thread at a time may read or write; after each access chance says who."""

    def __init__(self, n_nodes, n_threads, seed):
        self.labels, self.chance = [np.uint32(i) for i in range(n_nodes)], random.Random(seed)
        self.turns = [threading.Semaphore(0) for _ in range(n_threads)]
        self.alive, self.own = set(range(n_threads)), threading.local()

    def wait(self):
        self.turns[self.own.thread].acquire()

    def pass_on(self):
        if self.alive:
            self.turns[self.chance.choice(sorted(self.alive))].release()

    def access(self, do):
        self.wait()
        try:
            return do()
        finally:
            self.pass_on()

    def __getitem__(self, i):
        return self.access(lambda: self.labels[i])

    def __setitem__(self, i, value):
        self.access(lambda: self.labels.__setitem__(i, value))


def in_one_step(parent, i, value):
    def do():
        old = parent.labels[i]
        parent.labels[i] = min(old, value)
        return old

    return parent.access(do)


def in_two_steps(parent, i, value):
    old = parent[i]
    parent[i] = min(old, value)
    return old


def components(pairs, n_nodes, n_threads, seed, atomic_min):
    """Join pairs by threads in a random order; return the root of each node."""
    parent, functions = Baton(n_nodes, n_threads, seed), forest(atomic_min)

    def work(k):
        parent.own.thread = k
        for a, b in pairs[k::n_threads]:
            functions.join(parent, np.uint32(a), np.uint32(b), 1, 0)
        parent.wait()
        parent.alive.discard(k)
        parent.pass_on()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(n_threads)]
    for thread in threads:
        thread.start()
    parent.turns[0].release()
    for thread in threads:
        thread.join()
    labels = parent.labels
    assert all(label <= i for i, label in enumerate(labels))
    return [int(functions.root(list(labels), np.uint32(i), 1, 0)) for i in range(n_nodes)]


@pytest.mark.parametrize("n_threads", [2, 3, 5])
def test_joins_in_any_order_give_the_clusters(n_threads):
    for seed in range(60):
        draw = random.Random(seed)
        pairs = [(draw.randrange(10), draw.randrange(10)) for _ in range(9)]
        first, second = np.array(pairs).T
        expected = keyed.spread(first, second, np.ones((1, 9), bool), 10)[0]
        assert components(pairs, 10, n_threads, seed, in_one_step) == expected.tolist()


def test_a_minimum_in_two_steps_loses_joins():
    """The saboteur of the test above: another thread comes between reading and writing."""
    pairs = [(9, k) for k in range(9)]
    found = [components(pairs, 10, 3, seed, in_two_steps) for seed in range(40)]
    assert any(roots != [0] * 10 for roots in found)

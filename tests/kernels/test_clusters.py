"""Cluster kernels against their transition matrices, written out over every bond configuration."""

import math

import numpy as np
import pytest
from helpers.clusters import boltzmann, number, states, transition_matrix
from helpers.statistics import accepts, chi_square_p, normal_p
from numba import njit

from physgen.core.random import Stream
from physgen.kernels.cpu.clusters_graph import grow_clusters, sweep_graph
from physgen.kernels.cpu.clusters_rows import row_moments, sweep_rows
from physgen.kernels.cpu.clusters_words import biased_bits, join, popcount, seed_chain
from physgen.lattice import Hypercubic
from physgen.samplers.spins.clusters import thresholds

ALL = np.uint64(2**64 - 1)
ALONE = (0, 1)  # one call does all chains


def tables(neighbours, K, H):
    """What the graph kernels take."""
    signs = np.sign(K).astype(np.int8), np.sign(H).astype(np.int8)
    return neighbours, thresholds(K), signs[0], thresholds(H), signs[1]


def hypercubic(shape, boundary="periodic", K=0.35, H=0.0):
    neighbours = Hypercubic(shape, boundary).neighbours
    couplings = np.where(neighbours >= 0, float(K), 0.0)
    return neighbours, couplings, np.full(len(neighbours), float(H))


def triangle(signs, H=0.0):
    """Three spins; signs of the bonds 01, 12, 20."""
    neighbours = np.array([[1, 2], [2, 0], [0, 1]], np.int32)
    a, b, c = 0.4 * np.asarray(signs)
    return neighbours, np.array([[a, c], [b, a], [c, b]]), np.full(3, H)


SYSTEMS = {
    "open with field": hypercubic((2, 2), "open", 0.5, 0.3),
    "torus with double bonds": hypercubic((2, 2), "periodic", 0.25),
    "antiferromagnet in a negative field": hypercubic((4,), "open", -0.6, -0.2),
    "ring": hypercubic((5,), "periodic", 0.7),
    "Mattis triangle": triangle((1, -1, -1)),
    "fields of both signs": (*hypercubic((3,), "open", 0.4)[:2], np.array([0.5, 0.0, -0.3])),
}


@pytest.mark.parametrize("algorithm", ["wolff", "swendsen-wang"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_distribution_is_stationary(name, algorithm):
    system = SYSTEMS[name]
    P, pi = transition_matrix(*system, algorithm), boltzmann(*system)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(pi @ P, pi, atol=1e-12)
    flux = pi[:, None] * P
    np.testing.assert_allclose(flux, flux.T, atol=1e-12)  # one cluster move obeys detailed balance
    wrong = transition_matrix(*system, algorithm, factor=1.0)
    assert np.abs(pi @ wrong - pi).max() > 1e-3


def run_graph(kernel):
    def step(system, x, rng):
        x = x.copy()
        kernel(ALONE, x, *tables(*system), 1, rng.philox_key(), np.empty((2, len(x))))
        return x

    return step


def run_rows(system, x, rng):
    """One sweep of a row of spins, or of a square of four."""
    neighbours, K, H = system
    L = 2 if neighbours.shape[1] == 4 else len(neighbours)
    bits = ((x > 0).reshape(len(x), -1, L) @ (1 << np.arange(L)))[..., None].astype(np.uint64)
    ahead = neighbours[:, ::2]
    forward = np.where(ahead[::L, :-1] >= 0, ahead[::L, :-1] // L, -1).astype(np.int32)
    anti = np.where(K.flat[np.abs(K).argmax()] < 0, ALL, np.uint64(0))
    axes = ahead.shape[1]
    strength = thresholds(np.full(axes, np.abs(K).max()))
    up = ALL if H[0] > 0 else np.uint64(0)
    wraps = bool(ahead[L - 1, -1] >= 0)
    sweep_rows(
        ALONE, bits, L, np.ascontiguousarray(forward), wraps, strength, np.full(axes, anti),
        thresholds(H)[0], up, 1, rng.philox_key(), np.empty((2, len(x))),
    )  # fmt: skip
    spins = (bits >> np.arange(L, dtype=np.uint64)) & np.uint64(1)
    return (2 * spins.astype(np.int8) - 1).reshape(len(x), -1)


UNIFORM = list(SYSTEMS)[:4]
CASES = [
    *[("wolff", run_graph(grow_clusters), name) for name in SYSTEMS],
    *[("swendsen-wang", run_graph(sweep_graph), name) for name in SYSTEMS],
    *[("swendsen-wang", run_rows, name) for name in UNIFORM],
]


@pytest.mark.statistical
@pytest.mark.parametrize(("algorithm", "step", "name"), CASES)
def test_compiled_steps_follow_the_transition_matrix(algorithm, step, name):
    system = SYSTEMS[name]
    x0 = states(len(system[0]))

    def p_value(P):
        def p(n, seed):
            x = step(system, np.repeat(x0, n, axis=0), Stream(seed))
            counts = np.zeros_like(P)
            np.add.at(counts, (np.repeat(np.arange(len(x0)), n), number(x)), 1)
            return chi_square_p(counts.ravel(), P.ravel() / len(P))

        return p

    assert accepts(p_value(transition_matrix(*system, algorithm)), 3000)
    assert not accepts(p_value(transition_matrix(*system, algorithm, factor=1.8)), 3000)


def strip_energy(n, m, K):
    """Mean of sum s s' on the n x m torus, by the transfer matrix."""
    x = states(m).astype(float)

    def log_z(K):
        ring = np.exp(K * np.sum(x * np.roll(x, -1, 1), 1) / 2)
        T = ring[:, None] * np.exp(K * x @ x.T) * ring
        w = np.linalg.eigvalsh(T)
        return n * np.log(w[-1]) + np.log(np.sum((w / w[-1]) ** n))

    h = 1e-4
    return (log_z(K + h) - log_z(K - h)) / (2 * h)


@pytest.mark.statistical
@pytest.mark.parametrize(("L", "rows"), [(3, 4), (64, 3), (70, 3), (129, 3)])
def test_rows_of_several_words_against_the_transfer_matrix(L, rows):
    K, n_chains = 0.42, 200
    forward = ((np.arange(rows, dtype=np.int32) + 1) % rows)[:, None]
    none = np.zeros(2, np.uint64)
    exact = strip_energy(L, rows, K)

    def p_value(K):
        def p(n, seed):
            words = (L + 63) // 64
            x = np.zeros((n_chains, rows, words), np.uint64)  # all down; 60 sweeps forget it
            products, ups = np.empty((n_chains, 2), np.int64), np.empty(n_chains, np.int64)
            total = np.zeros(n_chains)
            for k in range(n + 1):
                key, out = Stream(seed).at(k).philox_key(), np.empty((2, n_chains))
                sweeps = 2 if k else 60
                sweep_rows(
                    ALONE, x, L, forward, True, thresholds(np.full(2, K)), none, none[0], none[0],
                    sweeps, key, out,
                )  # fmt: skip
                row_moments(ALONE, x, L, forward, True, products, ups)
                total += products.sum(1) if k else 0
            mean = total / n
            return normal_p((mean.mean() - exact) / (mean.std(ddof=1) / math.sqrt(n_chains)))

        return p

    assert accepts(p_value(K), 40)
    assert not accepts(p_value(0.97 * K), 40)


def test_moments_of_rows_count_bonds_and_spins():
    L, rows = 70, 4
    x = 2 * Stream(3).numpy().integers(0, 2, (5, rows, L)) - 1
    bits = np.packbits(x > 0, axis=-1, bitorder="little")
    words = np.pad(bits, ((0, 0), (0, 0), (0, 16 - bits.shape[-1]))).view(np.uint64)
    products, ups = np.empty((5, 2), np.int64), np.empty(5, np.int64)
    forward = np.array([[1], [2], [3], [-1]], np.int32)  # open between the last row and the first
    for wraps in (True, False):
        row_moments(ALONE, words, L, forward, wraps, products, ups)
        along = (x * np.roll(x, -1, 2))[:, :, : L if wraps else L - 1]
        np.testing.assert_array_equal(products[:, 1], along.sum((1, 2)))
        np.testing.assert_array_equal(products[:, 0], (x[:, 1:] * x[:, :-1]).sum((1, 2)))
        np.testing.assert_array_equal(ups, (x > 0).sum((1, 2)))


def test_mean_cluster_size_of_certain_bonds():
    """With all satisfied bonds occupied the clusters are the domains."""
    L = 8
    x = np.ones((1, L * L), np.int8)
    x[0, :12] = -1  # domains of 12 and 52 sites
    neighbours, K, H = hypercubic((L, L), K=50.0)
    out = np.empty((2, 1))
    sweep_graph(ALONE, x.copy(), *tables(neighbours, K, H), 1, Stream(1).philox_key(), out)
    assert out[:, 0].tolist() == [2, (12**2 + 52**2) / 64]
    words = np.packbits(x.reshape(1, L, L) > 0, axis=-1, bitorder="little").astype(np.uint64)
    forward = ((np.arange(L, dtype=np.int32) + 1) % L)[:, None]
    none = np.zeros(2, np.uint64)
    sweep_rows(ALONE, words, L, forward, True, np.full(2, ALL), none, none[0], none[0], 1,
               Stream(1).philox_key(), out)  # fmt: skip
    assert out[:, 0].tolist() == [2, (12**2 + 52**2) / 64]


@pytest.mark.parametrize("kernel", [sweep_graph, grow_clusters])
def test_a_chain_does_not_depend_on_its_neighbours(kernel):
    system = hypercubic((4, 4))
    x = np.ones((7, 16), np.int8)
    alone = x[:3].copy()
    for first in range(2):
        kernel((first, 2), x, *tables(*system), 5, Stream(1).philox_key(), np.empty((2, 7)))
    kernel(ALONE, alone, *tables(*system), 5, Stream(1).philox_key(), np.empty((2, 3)))
    np.testing.assert_array_equal(x[:3], alone)
    assert len(np.unique(x, axis=0)) > 1


@njit
def draw_bits(threshold, mask, n, key):
    s0, s1, s2, s3 = seed_chain(key, 0)
    counts = np.zeros(65, np.int64)
    bits = np.uint64(0)
    for _ in range(n):
        bits, s0, s1, s2, s3 = biased_bits(threshold, mask, s0, s1, s2, s3)
        counts[popcount(bits)] += 1
    return counts, bits


@pytest.mark.statistical
@pytest.mark.parametrize("p", [0.5, 0.585786, 1e-3])
def test_biased_bits_are_binomial(p):
    from scipy.stats import binom

    def p_value(q):
        def test(n, seed):
            key, T = Stream(seed).philox_key(), np.uint64(int(q * 2**64))
            return chi_square_p(draw_bits(T, ALL, n, key)[0], binom.pmf(np.arange(65), 64, p))

        return test

    assert accepts(p_value(p), 20_000)
    assert not accepts(p_value(1.1 * p), 20_000)


def test_biased_bits_stay_within_the_mask_and_take_any_threshold():
    mask = np.uint64(0x00FF00FF00FF00FF)
    key = Stream(1).philox_key()
    assert draw_bits(ALL, mask, 1, key)[1] == mask
    assert draw_bits(np.uint64(0), mask, 10, key)[0][0] == 10


def test_joined_trees_have_one_root_and_parents_come_first():
    parent = np.arange(200, dtype=np.int32)
    pairs = Stream(5).numpy().integers(0, 200, (150, 2))
    label = np.arange(200)
    for a, b in pairs:
        join.py_func(parent, a, b)
        label[label == label[a]] = label[b]
    assert np.all(parent <= np.arange(200))
    root = parent.copy()
    for i in range(200):
        root[i] = root[parent[i]] if parent[i] != i else i
    same = root[:, None] == root
    np.testing.assert_array_equal(same, label[:, None] == label)

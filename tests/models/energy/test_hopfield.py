"""Hopfield networks: Hebb's rule, recall below the capacity, and no recall above it."""

import numpy as np
import pytest
import torch

from physgen import models
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.energy.hopfield import Hopfield
from physgen.models.io import from_dataset, to_dataset
from physgen.targets import Ising


def patterns_of(n, N, seed=1):
    return 2 * np.random.default_rng(seed).integers(0, 2, (n, N)) - 1


def noisy(patterns, share=0.15):
    flips = np.random.default_rng(2).random(patterns.shape) < share
    return np.where(flips, -patterns, patterns)


def test_hebb_gives_the_couplings_of_the_patterns():
    xi = patterns_of(3, 8)
    network = Hopfield.of_patterns(xi, beta=0.7).double()
    x = network.hot(1, 40)
    m = x @ xi.T / 8
    S = network.action(x)
    exact = -0.5 * 0.7 * 8 * (m**2).sum(1)
    np.testing.assert_allclose(S - S[0], exact - exact[0], atol=1e-6)
    np.testing.assert_allclose(network.overlaps(x), m, atol=1e-6)
    np.testing.assert_allclose(network.action(-x), S, atol=1e-12)


def test_recalls_below_capacity_and_not_above():
    N = 400
    few, many = patterns_of(20, N), patterns_of(120, N)  # 0.05 N and 0.3 N; capacity 0.138 N

    def overlap(xi):
        network = Hopfield.of_patterns(xi)
        found = network.recall(noisy(xi)[:20])
        # Zero temperature: S never rises, and a settled state stays.
        assert np.all(network.action(found) <= network.action(noisy(xi)[:20]) + 1e-9)
        np.testing.assert_array_equal(network.recall(found, max_sweeps=1), found)
        return np.einsum("pi,pi->p", found, xi[:20]) / N

    assert overlap(few).min() > 0.97
    assert overlap(many).mean() < 0.7


@pytest.mark.statistical
def test_is_a_machine_that_chains_move():
    """Below the temperature where a pattern is stable, chains stay near it; above they leave."""
    xi = patterns_of(2, 200)
    start = np.repeat(xi[:1], 64, 0).astype(np.int8)
    kept, lost = (
        Hopfield.of_patterns(xi, beta=beta).moved(start, 60, Stream(1)) @ xi[0] / 200
        for beta in (2.0, 0.5)
    )
    assert kept.mean() == pytest.approx(0.9575, abs=0.02)  # m = tanh(2 m)
    assert abs(lost.mean()) < 0.05


def test_contract():
    network = Hopfield.for_target(Ising(L=4, beta=0.3, h=0.1), n_hidden=5)
    assert network.config["family"] == "hopfield"
    assert (network.hidden, network.even, network.n_hidden) == ("gaussian", True, 5)
    again = from_dataset(to_dataset(network))
    assert again.fingerprint == network.fingerprint
    assert type(network.tempered(0.5)) is Hopfield
    assert models.build(network.config).config == network.config
    brute = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T
    small = Hopfield.of_patterns(patterns_of(2, 8)).double()
    assert small.log_z_exact() == pytest.approx(
        np.logaddexp.reduce(-small.action(brute)), abs=1e-10
    )
    for bad in (np.zeros((2, 8)), np.ones(8), np.ones((0, 8))):
        with pytest.raises(InputError, match="patterns must be spins"):
            Hopfield.of_patterns(bad)
    with pytest.raises(InputError, match="beta must be a positive number"):
        Hopfield.of_patterns(np.ones((2, 8)), beta=0.0)
    with pytest.raises(InputError, match="spins must settle within max_sweeps"):
        Hopfield.of_patterns(patterns_of(30, 100)).recall(network_start(), max_sweeps=1)
    still = Hopfield((4,), n_hidden=1)
    with torch.no_grad():
        still.W.zero_()
    np.testing.assert_array_equal(still.recall(-np.ones((1, 4))), [[-1, -1, -1, -1]])


def network_start():
    return noisy(patterns_of(30, 100), 0.5)

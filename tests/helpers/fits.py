"""Small models, and strings whose entropy is known."""

import numpy as np
import torch

from physgen import models

L, K, N = 3, 3, 4000


def coupled_strings(n=N, seed=1):
    """A Markov chain of outcomes with known entropy: repeat the last one with probability 0.8."""
    rng = np.random.default_rng(seed)
    x = np.empty((n, L), dtype=np.uint8)
    x[:, 0] = rng.integers(0, K, n)
    for i in range(1, L):
        fresh = (x[:, i - 1] + rng.integers(1, K, n)) % K
        x[:, i] = np.where(rng.random(n) < 0.8, x[:, i - 1], fresh)
    return x


ENTROPY = np.log(K) - (L - 1) * (0.8 * np.log(0.8) + 0.2 * np.log(0.1))


def small_model(rng=1):
    return models.GRU(L, K, hidden=8, layers=1, rng=rng)


def assert_same_weights(a, b):
    for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        assert torch.equal(p, q)

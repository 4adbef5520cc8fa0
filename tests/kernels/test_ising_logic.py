"""The Boolean algebra of a spin on NumPy words: every case of it, exactly."""

import numpy as np
import pytest
from helpers.ising import class_probabilities

from physgen.kernels.cpu import ising_logic as logic
from physgen.kernels.cpu.ising_tables import (
    HEAT_BATH,
    METROPOLIS,
    METROPOLIS_ACCEPT_TIES,
    tables,
)

ALL = np.uint64(2**64 - 1)


def truth_table(n):
    """n words whose bits run through all 2^n cases (n <= 9), and the cases."""
    case = np.arange(max(2**n, 64))
    bits = [np.packbits((case >> i & 1).astype(bool), bitorder="little") for i in range(n)]
    return [b.view(np.uint64) for b in bits], case % 2**n


def bits_of(words):
    return np.unpackbits(words.view(np.uint8), bitorder="little")


@pytest.mark.parametrize("z", [1, 2, 3, 4, 5, 6, 8])
def test_neighbours_are_counted(z):
    words, case = truth_table(z)
    digits = logic.counted(words)
    total = sum(bits_of(d).astype(int) << i for i, d in enumerate(digits))
    np.testing.assert_array_equal(total, np.bitwise_count(case))


@pytest.mark.parametrize("z", [2, 3, 4, 6])
def test_leaf_of_the_count_is_selected(z):
    words, case = truth_table(z)
    rng = np.random.default_rng(z)
    leaves = [rng.integers(0, 2**64, words[0].shape, dtype=np.uint64) for _ in range(z + 1)]
    chosen = bits_of(logic.selected(logic.counted(words), leaves))
    bits = np.array([bits_of(leaf) for leaf in leaves])
    np.testing.assert_array_equal(chosen, bits[np.bitwise_count(case), np.arange(chosen.size)])


@pytest.mark.parametrize("t", [0, 1, 37, 127, 128, 255])
def test_eight_words_compare_with_a_threshold(t):
    words, _ = truth_table(8)  # all 256 values of eight random bits, once each
    threshold = [np.array(ALL if t >> k & 1 else 0, dtype=np.uint64) for k in range(8)]
    assert bits_of(logic.compare(words, threshold)).sum() == t


@pytest.mark.parametrize("rule", [HEAT_BATH, METROPOLIS, METROPOLIS_ACCEPT_TIES])
@pytest.mark.parametrize("K", [0.0, 1e-9, 0.1, 0.44, 1.0, 8.0])
@pytest.mark.parametrize("field", [0.0, 0.3, -1.7])
def test_bits_and_rare_events_make_the_probability(K, field, rule):
    degrees, fields = np.array([4, 3, 1]), np.array([field, -field, field])
    table = tables(degrees, K, fields, 4, False, rule)
    p, favoured = class_probabilities(table)
    b = K * (2 * np.arange(5) - degrees[:, None]) + fields[:, None]
    b[np.abs(b) < 1e-15] = 0  # a tie, but for rounding
    weight = np.exp(-2 * np.abs(b))
    if rule == HEAT_BATH:
        weight = weight / (1 + weight)
    elif rule == METROPOLIS:
        weight = np.where(b == 0, 0.5, weight)
    np.testing.assert_allclose(p, weight, atol=1e-15, rtol=1e-10)
    np.testing.assert_array_equal(favoured, b > 0)


def test_large_couplings_keep_their_tail():
    # e^{-8K} at K = 4 is 1e-14: 24-bit uniforms would call it 0.
    p, _ = class_probabilities(tables(np.array([4]), 4.0, np.zeros(1), 4, True, METROPOLIS))
    np.testing.assert_allclose(p[0], np.exp([-32.0, -16.0]), rtol=1e-3)

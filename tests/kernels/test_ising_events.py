import numpy as np
import pytest
from helpers.statistics import accepts, chi_square_p
from numba import njit
from scipy import stats

from physgen.kernels.cpu import ising_events as events
from physgen.kernels.cpu.ising_tables import poisson_table

RATE = 0.004  # points a cell


@njit
def masks(words, counts, kept, kinds, n_rows, out):
    for lane in range(8):
        events.scatter(
            words, np.uint64(lane), counts[lane], kept, kinds, n_rows, out, np.uint64(2)
        )


@njit
def numbers(words, table, out):
    for i in range(words.size):
        out[i] = events.number_of_points(words[i], table)


@pytest.mark.parametrize("mean", [0.0, 0.01, 9.0, 32.0])
def test_table_is_the_poisson_distribution(mean):
    table = poisson_table(mean).astype(float) / 2.0**64
    np.testing.assert_allclose(table, stats.poisson.cdf(np.arange(128), mean), atol=1e-14)


def test_number_of_points_inverts_the_table():
    table = poisson_table(9.0)
    edges = table[:40]  # beyond, the table is constant at 64 bits
    words = np.concatenate([edges - np.uint64(1), edges])
    out = np.empty(80, dtype=np.int64)
    numbers(words, table, out)
    np.testing.assert_array_equal(out, np.searchsorted(table, words, side="right"))


def test_poisson_draws():
    def p_value(n, seed):
        words = np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)
        out = np.empty(n, dtype=np.int64)
        numbers(words, poisson_table(9.0), out)
        cells = np.bincount(out, minlength=128)[:128]
        return chi_square_p(cells, stats.poisson.pmf(np.arange(128), 9.0))

    assert accepts(p_value, 100_000)


@pytest.mark.statistical
@pytest.mark.parametrize("wrong", [False, True])
def test_every_cell_holds_an_event_with_its_probability(wrong):
    # Two kinds of sites and two classes; the last four rows lie beyond the lattice.
    mu = np.array([[RATE, RATE / 3], [RATE / 2, 0.0]])
    kept = np.round(mu / RATE * 2.0**52).astype(np.uint64).reshape(-1)
    kinds = np.arange(60) % 2

    def p_value(n, seed):
        rng = np.random.default_rng(seed)
        table = poisson_table(4096 * RATE * (1.1 if wrong else 1.0))
        counts, set_bits = np.empty(8, dtype=np.uint64), np.zeros((60, 2), dtype=np.int64)
        for _ in range(n):
            words = rng.integers(0, 2**64, 1088, dtype=np.uint64)
            numbers(words[:8], table, counts)
            out = np.zeros(64 * 2 * 8, dtype=np.uint64)
            masks(words, counts, kept, kinds, np.uint64(60), out)
            assert not out[60 * 16 :].any()
            rows = np.bitwise_count(out.reshape(64, 2, 8)[:60]).sum(axis=2)
            set_bits += rows.astype(np.int64)
        total = 512 * n * 30
        found = np.array([set_bits[k::2, c].sum() for k in range(2) for c in range(2)])
        expected = -np.expm1(-mu.reshape(-1))
        pulls = (found - total * expected)[:3] / np.sqrt(total * expected * (1 - expected))[:3]
        assert found[3] == 0
        # Classes share their points, so the pulls are correlated: judge the largest.
        return min(1.0, 6 * stats.norm.sf(abs(pulls).max()))

    assert accepts(p_value, 100) is not wrong

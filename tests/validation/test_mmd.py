"""MMD^2 and the energy distance against double loops, closed forms and exhaustive permutations."""

from itertools import combinations

import numpy as np
import pytest
from helpers.statistics import ALPHA_FIRST, within
from scipy import stats

from physgen.core.errors import InputError
from physgen.validation import (
    energy_distance,
    energy_distance_test,
    median_width,
    mmd2,
    mmd2_of_kernel,
    mmd2_test,
)
from physgen.validation.permutation import (
    assignments,
    block_length,
    pair_statistics,
    permutation_p,
)


def normals(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def by_loops(x, y, k):
    """The estimate as the textbook writes it."""
    n, m = len(x), len(y)
    a = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    b = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return a + b - 2 * sum(k(u, v) for u in x for v in y) / (n * m)


@pytest.fixture(scope="module")
def pair():
    return normals(1, 20, 3, 2), 0.3 + normals(2, 30, 3, 2)


def test_the_value_is_that_of_a_double_loop(pair):
    x, y = pair
    found = mmd2(x, y, 8.0, n_widths=4)
    for value, w in zip(found, (8.0, 4.0, 2.0, 1.0)):
        expected = by_loops(x, y, lambda a, b, w=w: np.exp(-((a - b) ** 2).sum() / (2 * w)))
        assert value == pytest.approx(expected, abs=1e-12)
        # Saboteur: the statistic of tests, scaled by n m / (n + m), is another number.
        assert abs(value - expected * 12) > 0.01
    distance = by_loops(x, y, lambda a, b: -np.sqrt(((a - b) ** 2).sum()))
    assert energy_distance(x, y) == pytest.approx(distance, abs=1e-12)


def test_the_compiled_pass_agrees_with_float64_beyond_a_block_and_far_from_the_origin():
    x, y = 100 + normals(3, 1203, 16), 100 + 1.1 * normals(4, 1101, 16)
    width = median_width(y)
    fast = mmd2(x.astype(np.float32), y.astype(np.float32), width)
    np.testing.assert_allclose(fast, mmd2(x, y, width), atol=2e-6)
    tests = [
        mmd2_test(a, b, width, n_permutations=20, rng=1)
        for a, b in ((x, y), (x.astype(np.float32), y.astype(np.float32)))
    ]
    assert tests[0].value == pytest.approx(mmd2(x, y, width).sum(), abs=1e-12)
    assert tests[1].value == pytest.approx(tests[0].value, abs=5e-6)


def test_the_diagonal_is_not_used(pair):
    x, y = (a.reshape(len(a), -1) for a in pair)
    points = np.concatenate([x, y])
    k = np.exp(-((points[:, None] - points) ** 2).sum(-1) / 8)
    expected = mmd2(x, y, 4.0, n_widths=1)[0]
    other = k.copy()
    np.fill_diagonal(other, 7.0)
    for matrix in (k, other):
        assert mmd2_of_kernel(matrix, 20) == pytest.approx(expected, abs=1e-12)
    labels = assignments(20, 30, 5, 1)
    seen = [pair_statistics(lambda r, c, m=m: m[None, r, c].copy(), labels) for m in (k, other)]
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-12)
    # Saboteur: with the diagonal the estimate is biased.
    assert abs(k[:20, :20].mean() + k[20:, 20:].mean() - 2 * k[:20, 20:].mean() - expected) > 0.01


@pytest.mark.statistical
def test_the_estimate_is_unbiased_and_takes_both_signs():
    """Two normals a distance a apart: E k = s e^{-a^2 s^2 / (2 w)} with s^2 = w / (w + 2)."""
    w = 4.0
    for shift in (0.0, 0.5):
        found = np.array(
            [
                mmd2(normals(i, 40, 1), shift + normals(1000 + i, 60, 1), w, n_widths=1)[0]
                for i in range(400)
            ]
        )
        s = np.sqrt(w / (w + 2))
        exact = 2 * s * (1 - np.exp(-(shift**2) / (2 * (w + 2))))
        error = found.std() / 20
        assert within(found.mean(), exact, error, largest=0.003)
        if not shift:
            assert 0.3 < np.mean(found < 0) < 0.8
            # Saboteur: values clipped at zero have another mean.
            assert not within(np.maximum(found, 0).mean(), exact, error, largest=0.003)


def test_permutations_of_tiny_samples_are_those_of_all_assignments():
    x, y = normals(5, 4, 2) + 1.5, normals(6, 4, 2)
    points = np.concatenate([x, y])
    k = np.exp(-((points[:, None] - points) ** 2).sum(-1) / 2)
    rows = np.zeros((70, 8), np.float32)
    for row, chosen in zip(rows, combinations(range(8), 4)):
        row[list(chosen)] = 1
    every = pair_statistics(lambda r, c: k[None, r, c].copy(), rows)[:, 0]
    loops = [
        by_loops(np.flatnonzero(row), np.flatnonzero(row == 0), lambda i, j: k[i, j])
        for row in rows
    ]
    np.testing.assert_allclose(every, loops, atol=1e-12)
    exact = np.mean(every >= every[0] - 1e-12)
    labels = np.concatenate([rows[:1], rows[np.random.default_rng(1).integers(70, size=4000)]])
    p = permutation_p(pair_statistics(lambda r, c: k[None, r, c].copy(), labels)[:, 0])
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact / 4000))


def test_pairs_that_are_near_in_time_count_in_no_mean():
    x, y = normals(1, 12, 2), normals(2, 18, 2)
    points = np.concatenate([x, y])
    k = np.exp(-((points[:, None] - points) ** 2).sum(-1) / 2)
    labels = assignments(12, 18, 6, 1, block=3)
    found = pair_statistics(lambda r, c: k[None, r, c].copy(), labels, 3)[:, 0]
    block, sample = np.arange(30) // 3, np.arange(30) < 12
    near = (np.abs(block[:, None] - block) <= 1) & (sample[:, None] == sample)
    for row, value in zip(labels.astype(bool), found):
        a, b = row[:, None] & row & ~near, ~row[:, None] & ~row & ~near
        across = row[:, None] & ~row & ~near
        expected = k[a].mean() + k[b].mean() - 2 * k[across].mean()
        assert value == pytest.approx(expected, abs=1e-12)
    assert (block_length(0.5, 1000), block_length(5.0, 10_000)) == (1, 100)


def test_blocks_stay_together():
    labels = assignments(12, 18, 50, 1, block=3)
    assert (labels.reshape(51, 10, 3) == labels.reshape(51, 10, 3)[..., :1]).all()
    assert (labels.sum(axis=1) == 12).all()
    np.testing.assert_array_equal(labels[0], np.repeat([1, 0], [12, 18]))


def chain(seed, n, a):
    """An autoregressive series of unit variance, tau_int = (1 + a) / (1 - a) / 2."""
    noise = normals(seed, n)
    x = np.empty(n)
    x[0] = noise[0]
    for i in range(1, n):
        x[i] = a * x[i - 1] + np.sqrt(1 - a * a) * noise[i]
    return x[:, None]


def rejected(test, n, level=0.05):
    """p-value that a test rejects a true hypothesis as rarely as its level says."""
    p = np.array([test(seed) for seed in range(n)])
    return stats.binomtest(int(np.sum(p <= level)), n, level, alternative="greater").pvalue


@pytest.mark.slow
@pytest.mark.statistical
def test_false_alarms_of_chains_need_blocks():
    def p(seed, block):
        x, y = chain(seed, 200, 0.8), chain(10_000 + seed, 200, 0.8)
        return mmd2_test(x, y, 4.0, n_permutations=99, block=block, rng=seed).p_value

    assert rejected(lambda seed: p(seed, 20), 100) > ALPHA_FIRST
    # Saboteur: single draws of a chain are no independent points.
    assert rejected(lambda seed: p(seed, 1), 100) < ALPHA_FIRST


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("test", [mmd2_test, energy_distance_test])
def test_false_alarms_are_as_stated(test):
    def p(seed):
        x, y = normals(seed, 100, 4), normals(10_000 + seed, 100, 4)
        return test(x, y, n_permutations=99, rng=seed).p_value

    assert rejected(p, 300, 0.01) > ALPHA_FIRST
    assert rejected(p, 300, 0.1) > ALPHA_FIRST


def test_differences_are_found_and_moves_change_nothing():
    x, y = normals(7, 200, 4) * 1.4, normals(8, 220, 4)
    for test in (mmd2_test, energy_distance_test):
        found = test(x, y, n_permutations=99, rng=1)
        assert found.p_value == 0.01
        assert found.z > 5
        again = test(x + 7, y + 7, n_permutations=99, rng=1)
        assert again.value == pytest.approx(found.value, abs=1e-10)
        assert test(x, y, n_permutations=99, rng=1) == found


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((1, 3)), np.ones((5, 3)), "at least 2 points"),
        (np.ones((5, 3)), np.ones((5, 4)), "3 and 4 components"),
        (np.ones((5, 3)), np.ones((5, 3)), "duplicated or constant"),
        (np.full((5, 3), np.nan), np.ones((5, 3)), "finite"),
    ],
)
def test_bad_points(x, y, message):
    with pytest.raises(InputError, match=message):
        mmd2(x, y)


def test_too_few_blocks():
    with pytest.raises(InputError, match="at least 10 blocks of 30 draws"):
        mmd2_test(normals(1, 100, 2), normals(2, 100, 2), block=30, rng=1)
    with pytest.raises(InputError, match="multiples of the block"):
        assignments(10, 11, 9, 1, block=2)

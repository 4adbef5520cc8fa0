"""Wasserstein distances against closed forms, brute force and invariances."""

from itertools import permutations

import numpy as np
import pytest
from helpers.statistics import ALPHA_FIRST
from scipy import optimize, stats

from physgen.core.errors import InputError, PhysgenError
from physgen.core.random import Stream
from physgen.validation import (
    energy_distance,
    mmd2,
    null_sliced_w2,
    sliced_w2,
    sliced_w2_test,
    two_sample,
    wasserstein2,
)
from physgen.validation.wasserstein import _directions


def normals(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_exact_distance_is_the_best_of_all_assignments():
    x, y = normals(1, 6, 2), normals(2, 6, 2)
    costs = ((x[:, None] - y) ** 2).sum(-1)
    best = min(costs[np.arange(6), list(p)].mean() for p in permutations(range(6)))
    assert wasserstein2(x, y) == pytest.approx(np.sqrt(best), abs=1e-12)
    weights = np.full(6, 1 / 6)
    found = wasserstein2(x, y, weights_x=weights, weights_y=weights)
    assert found == pytest.approx(np.sqrt(best), abs=1e-9)
    # Saboteur: pairs in the order in which they come.
    assert np.sqrt(costs.trace() / 6) > np.sqrt(best) + 0.05


def test_a_shift_moves_every_point():
    x = normals(3, 200, 4)
    shift = np.array([3.0, 0.0, 4.0, 0.0])
    assert wasserstein2(x, x + shift) == pytest.approx(5, abs=1e-9)
    assert wasserstein2(x, x) == 0
    theta = _directions(x, 100, Stream(1))
    expected = np.sqrt(((theta @ shift) ** 2).mean())
    assert sliced_w2(x, x + shift, n_projections=100, rng=1) == pytest.approx(expected, abs=1e-9)
    # In the mean over directions |shift|^2 / d.
    many = sliced_w2(x, x + shift, n_projections=20_000, rng=2)
    assert many == pytest.approx(2.5, rel=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sliced_distance_is_that_of_scipy_line_by_line(dtype):
    """Unequal numbers: repeat the points of both up to a common number."""
    x, y = normals(4, 30, 3).astype(dtype), normals(5, 20, 3).astype(dtype) * 1.3
    theta = _directions(x, 15, Stream(2)).astype(np.float64)
    lines = [
        np.mean((np.sort(np.repeat(x @ t, 2)) - np.sort(np.repeat(y @ t, 3))) ** 2) for t in theta
    ]
    expected = np.sqrt(np.mean(lines))
    rel = 1e-12 if dtype == np.float64 else 1e-5
    assert sliced_w2(x, y, n_projections=15, rng=2) == pytest.approx(expected, rel=rel)
    test = sliced_w2_test(x, y, n_projections=15, n_permutations=9, rng=2)
    assert test.value == pytest.approx(
        sliced_w2(x, y, n_projections=15, rng=Stream(2).child("sliced w2")), rel=1e-5
    )
    first = np.abs(np.sort(x[:20], axis=0) - np.sort(y, axis=0))
    one = sliced_w2(x[:20, :1], y[:, :1], n_projections=3, rng=1)
    assert one == pytest.approx(np.sqrt((first[:, 0] ** 2).mean()), rel=rel)


def test_weights_go_along_with_their_points():
    x, y = normals(6, 40, 2), normals(7, 30, 2)
    w = np.random.default_rng(8).random(40)
    order = np.random.default_rng(9).permutation(40)
    for distance in (
        lambda a, v: sliced_w2(a, y, weights_x=v, n_projections=20, rng=1),
        lambda a, v: wasserstein2(a, y, weights_x=v),
    ):
        value = distance(x, w)
        assert distance(x[order], w[order]) == pytest.approx(value, abs=1e-12)
        # Saboteur: weights that stay behind.
        assert abs(distance(x[order], w) - value) > 1e-3
        small = (w / w.sum()).astype(np.float32)
        assert abs(small.sum() - 1) < 1e-6
        assert distance(x, small) == pytest.approx(value, abs=1e-6)
    # A weight of two is a point that is there twice.
    twice = np.concatenate([x, x[:1]])
    v = np.ones(40)
    v[0] = 2
    assert wasserstein2(x, y, weights_x=v) == pytest.approx(wasserstein2(twice, y), abs=1e-9)
    assert sliced_w2(x, y, weights_x=v, rng=1) == pytest.approx(
        sliced_w2(twice, y, rng=1), abs=1e-9
    )


def test_a_solver_that_stopped_early_is_an_error(monkeypatch):
    x, y = normals(1, 8, 2), normals(2, 6, 2)
    right = optimize.linprog

    def early(*arguments, **how):
        return right(*arguments, **how, options={"maxiter": 1, "presolve": False})

    def half(*arguments, **how):
        found = right(*arguments, **how)
        found.x = found.x / 2
        return found

    monkeypatch.setattr(optimize, "linprog", early)
    with pytest.raises(PhysgenError, match="solved to the end"):
        wasserstein2(x, y)
    monkeypatch.setattr(optimize, "linprog", half)
    with pytest.raises(PhysgenError, match="weights as its sums"):
        wasserstein2(x, y)
    monkeypatch.setattr(
        optimize, "linear_sum_assignment", lambda c: (np.arange(8), np.zeros(8, int))
    )
    with pytest.raises(PhysgenError, match="every point once"):
        wasserstein2(x, normals(3, 8, 2))


def test_the_distance_of_equal_distributions_is_large_in_many_dimensions():
    """The number in the docstring: most of sqrt(2 d), and almost no lower with more points."""
    x, y = normals(1, 100, 1024), normals(2, 100, 1024)
    assert 42.5 < wasserstein2(x, y) < np.sqrt(2 * 1024)
    low = wasserstein2(normals(1, 500, 2), normals(2, 500, 2))
    assert low < 0.3
    null = null_sliced_w2(np.concatenate([x, y]), rng=1)
    assert null == pytest.approx(sliced_w2(x, y, rng=3), rel=0.2)


def test_distances_are_least_at_the_right_width_and_an_entropic_one_is_not():
    """N(0, 1) against N(0, s^2), each by its quantiles: a biased distance prefers a smaller s."""
    widths = np.array([0.8, 0.9, 0.97, 0.98, 1.0, 1.02, 1.03, 1.1])
    z = stats.norm.ppf((np.arange(400) + 0.5) / 400)[:, None]
    for distance in (
        wasserstein2,
        lambda a, b: sliced_w2(a, b, n_projections=3, rng=1),
        energy_distance,
        lambda a, b: mmd2(a, b, 2.0).sum(),
    ):
        assert distance(z, z) <= 1e-6
        best = widths[np.argmin([distance(z, s * z) for s in widths])]
        assert best == pytest.approx(1, abs=0.02)

    def entropic(s):
        """The least of <cost> + KL(plan || product), from its dual, without debiasing."""
        K = np.exp(-((z[::8] - s * z[::8].T) ** 2))
        v = np.ones((50, 1))
        for _ in range(200):
            u = 1 / (K @ v / 50)
            v = 1 / (K.T @ u / 50)
        return np.log(u).mean() + np.log(v).mean()

    assert widths[np.argmin([entropic(s) for s in widths])] < 0.95
    for name in ("sinkhorn", "sinkhorn-divergence"):
        with pytest.raises(InputError, match="tests must be one of"):
            two_sample(z, z + 1, tests=(name,), rng=1)


def test_a_difference_is_found_and_the_null_is_quoted():
    x, y = normals(10, 150, 3) * 1.5, normals(11, 170, 3)
    found = sliced_w2_test(x, y, n_permutations=99, rng=1)
    assert found.p_value == 0.01
    assert found.null_mean < found.value / 2
    same = sliced_w2_test(normals(12, 150, 3), y, n_permutations=99, rng=1)
    assert same.p_value > 0.05
    assert same.value == pytest.approx(same.null_mean, abs=4 * same.null_std)


@pytest.mark.slow
@pytest.mark.statistical
def test_false_alarms_are_as_stated():
    p = np.array(
        [
            sliced_w2_test(
                normals(i, 80, 3), normals(9000 + i, 80, 3), n_permutations=99, rng=i
            ).p_value
            for i in range(300)
        ]
    )
    for level in (0.01, 0.1):
        alarms = int((p <= level).sum())
        assert stats.binomtest(alarms, 300, level, alternative="greater").pvalue > ALPHA_FIRST


def test_bad_input():
    x = normals(1, 10, 2)
    with pytest.raises(InputError, match=r"one a point, shape \(10,\)"):
        sliced_w2(x, x, weights_x=np.ones(9), rng=1)
    with pytest.raises(InputError, match="not all 0"):
        wasserstein2(x, x, weights_y=np.zeros(10))
    with pytest.raises(InputError, match="at most 2000 points"):
        wasserstein2(np.zeros((2001, 1)), np.zeros((2001, 1)))
    with pytest.raises(InputError, match="at most 90000 pairs"):
        wasserstein2(np.zeros((400, 1)), np.zeros((300, 1)))
    with pytest.raises(InputError, match="2 and 3 components"):
        wasserstein2(x, normals(1, 10, 3))

"""Correlators along axes against sums over slices; the effective mass against single states."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.observables import (
    correlator,
    effective_mass,
    magnetization,
    propagator,
    structure_factor,
    two_point,
)


def field(shape, n=3):
    return np.random.default_rng(1).standard_normal((n, *shape))


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (6,), (2, 4, 4), (7, 7)])
def test_slices_at_zero_momentum(shape):
    """G(t) is the two-point function summed over the other axes, of the longest axes alone."""
    x, dim, T = field(shape), len(shape), max(shape)
    G, whole = correlator(x, dim), two_point(x, dim)
    longest = [1 + axis for axis, n in enumerate(shape) if n == T]
    sums = [whole.sum(tuple(set(range(1, dim + 1)) - {axis})) for axis in longest]
    assert G.shape == (3, T // 2 + 1)
    np.testing.assert_allclose(G, np.mean(sums, axis=0)[:, : T // 2 + 1], atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (6,), (2, 4, 4), (7, 7)])
def test_the_propagator_is_the_structure_factor_on_the_axes(shape):
    x, dim, T = field(shape), len(shape), max(shape)
    S, found = structure_factor(x, dim), propagator(x, dim)
    lines = [
        np.moveaxis(S, 1 + axis, -1)[(slice(None), *(0,) * (dim - 1))]
        for axis, n in enumerate(shape)
        if n == T
    ]
    np.testing.assert_allclose(found, np.mean(lines, axis=0)[:, : T // 2 + 1], atol=1e-12)
    np.testing.assert_allclose(found[:, 0], np.prod(shape) * magnetization(x, dim) ** 2)
    # sum rule: all of G(t), each distance but 0 and T/2 counted twice
    weight = np.full(T // 2 + 1, 2.0)
    weight[0] = 1
    weight[-1] -= T % 2 == 0
    np.testing.assert_allclose(correlator(x, dim) @ weight, found[:, 0])


def test_translations_and_reflections_change_nothing():
    x = field((4, 6))
    for moved in (np.roll(x, (1, 2), (1, 2)), x[:, ::-1], x[:, :, ::-1], -x):
        np.testing.assert_allclose(correlator(moved, 2), correlator(x, 2), atol=1e-13)


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
def test_torch_and_numpy_agree(dtype):
    x = (3 * field((4, 6))).astype(dtype)
    for function in (correlator, propagator):
        mine, theirs = function(torch.from_numpy(x), 2), function(x, 2)
        assert mine.dtype == torch.float64
        assert theirs.dtype == np.float64
        np.testing.assert_allclose(mine.numpy(), theirs, atol=1e-12)


def test_no_distance_and_too_many_axes():
    for function in (correlator, propagator):
        with pytest.raises(InputError, match=r"extent of at least 2, got shape \(1,\)"):
            function(np.ones((3, 1)), 1)
        with pytest.raises(InputError, match="at most the 2 of x, got 3"):
            function(np.ones((3, 2)), 3)
        with pytest.raises(InputError, match="number of lattice axes"):
            function(np.ones((3, 2)), 0)


@pytest.mark.parametrize("T", [2, 3, 8, 9, 64])
@pytest.mark.parametrize("m", [1e-4, 0.3, 2.0, 40.0])
def test_one_state_has_its_mass_at_every_distance(T, m):
    t = np.arange(T // 2 + 1)
    G = np.exp(-m * t) + np.exp(-m * (T - t))  # 2 e^{-mT/2} cosh m (T/2 - t)
    for k in range(T // 2):
        if G[k + 1] > 1e-300:
            # Where the curve is flat, at small m, its slope holds few digits.
            assert effective_mass(G[k], G[k + 1], k, T) == pytest.approx(m, rel=2e-6)


def test_the_solution_solves_and_excited_states_add_to_the_mass():
    T, t = 16, np.arange(9)
    G = np.cosh(0.4 * (8 - t)) + 1e-4 * np.cosh(1.5 * (8 - t))
    m = np.array([effective_mass(G[k], G[k + 1], k, T) for k in range(8)])
    a = 8 - t[:-1]
    np.testing.assert_allclose(np.cosh(m * a) / np.cosh(m * (a - 1)), G[:-1] / G[1:])
    assert np.all(np.diff(m) < 0)
    assert 0.4 < m[-1] < 0.401
    # saboteur: the logarithm, which ignores the way around the torus, is no plateau
    assert np.log(G[-2] / G[-1]) < 0.1


def test_no_mass_where_a_correlator_grows_or_vanishes():
    G = np.array([1.0, 1.0, 2.0, -1.0, 1.0, np.inf, np.nan])
    after = np.array([2.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    found = effective_mass(G, after, 0, 8)
    assert np.isnan(found).tolist() == [True, False, False, True, True, True, True]
    assert found[1] == pytest.approx(0, abs=1e-12)
    assert found[2] > 0
    assert isinstance(effective_mass(2.0, 1.0, 0, 8), float)


def test_distances_beyond_the_middle():
    for t, T in ((-1, 8), (4, 8), (4, 9)):
        with pytest.raises(InputError, match=rf"t must be in 0\.\.3.*got {t}"):
            effective_mass(2.0, 1.0, t, T)
    effective_mass(2.0, 1.0, 3, 9)

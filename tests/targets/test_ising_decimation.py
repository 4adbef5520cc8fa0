"""Odd spins summed exactly: weights, conditional expectations and draws against enumeration."""

from itertools import product

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice import Graph, Hypercubic
from physgen.targets import Ising

DRAW = np.random.default_rng(2)


def glass(lattice):
    J, h = DRAW.standard_normal(lattice.n_bonds), DRAW.standard_normal(lattice.n_sites)
    return Ising(lattice, 0.8, J=J, h=h)


MODELS = [
    Ising(L=2, beta=0.3),
    Ising(L=(2, 4), beta=0.44),
    glass(Hypercubic((2, 4))),
    glass(Hypercubic((3, 3), "open")),
    glass(Hypercubic((2, 2, 2))),
    glass(Graph(5, [(1, 0), (1, 2), (1, 3), (3, 4)])),
]


def spins(n):
    return np.array(list(product([-1, 1], repeat=n)), dtype=np.int8)


def joint(model, even, odd):
    """Action of every pair of even and odd configurations, shape (len(even), len(odd))."""
    e = np.repeat(even, len(odd), axis=0)
    o = np.tile(odd, (len(even), 1))
    return model.action(model.lattice.merge(e, o)).reshape(len(even), len(odd))


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_sum_over_odd_spins(model):
    even, odd = spins(model.lattice.n_even), spins(model.lattice.n_odd)
    weights = np.exp(-joint(model, even, odd))
    S_even = model.action_even(even)
    np.testing.assert_allclose(S_even, -np.log(weights.sum(axis=1)), atol=1e-12)
    mean = weights @ odd / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.expect_odd(even), mean, atol=1e-12)
    t = torch.from_numpy(even)
    np.testing.assert_allclose(model.action_even(t).numpy(), S_even, atol=1e-12)
    np.testing.assert_allclose(model.expect_odd(t).numpy(), mean, atol=1e-12)


def draw_p(model, drawn_from, library):
    """p-value of odd spins of `drawn_from` under the conditional distribution of `model`."""
    even, odd = spins(model.lattice.n_even)[3], spins(model.lattice.n_odd)
    weights = np.exp(-joint(model, even[None], odd)[0])

    def p(n, seed):
        x_even = library(np.tile(even, (n, 1)))
        drawn = np.asarray(drawn_from.draw_odd(x_even, Stream(seed)))
        code = ((drawn > 0) @ (1 << np.arange(len(odd[0]))[::-1])).astype(int)
        return chi_square_p(np.bincount(code, minlength=len(odd)), weights / weights.sum())

    return p


@pytest.mark.statistical
@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_draws_follow_the_conditional_distribution(library):
    model = glass(Hypercubic((2, 4)))
    assert accepts(draw_p(model, model, library), 20_000)
    warmer = model.at(beta=0.9 * model.beta)
    assert not accepts(draw_p(model, warmer, library), 20_000)


def test_draws_are_spins_like_those_given():
    model = Ising(L=4, beta=0.4)
    even, _ = model.lattice.split(model.hot(1, 6).reshape(2, 3, 4, 4))
    odd = model.draw_odd(even, Stream(2))
    assert odd.dtype == np.int8
    assert odd.shape == (2, 3, 8)
    np.testing.assert_array_equal(odd, model.draw_odd(even, Stream(2)))
    tensor = model.draw_odd(torch.from_numpy(even).float(), Stream(2))
    assert tensor.dtype == torch.float32
    # Ordered neighbours at a very low temperature decide for sure, whatever their sign.
    cold = Ising(L=4, beta=500.0)
    for sign in (1, -1):
        up = np.full((1, 8), sign, dtype=np.int8)
        assert np.all(cold.draw_odd(up, Stream(1)) == sign)
        assert np.all(np.isfinite(cold.action_even(up)))


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_rao_blackwell_is_the_conditional_expectation(model):
    even, odd = spins(model.lattice.n_even), spins(model.lattice.n_odd)
    weights = np.exp(-joint(model, even, odd))
    weights /= weights.sum(axis=1, keepdims=True)
    pairs = np.repeat(even, len(odd), axis=0), np.tile(odd, (len(even), 1))
    x = model.lattice.merge(*pairs)
    given = model.rao_blackwell(even)
    by_torch = model.rao_blackwell(torch.from_numpy(even))
    assert set(given) == set(model.observables)
    for name, observable in model.observables.items():
        expected = (weights * observable(x).reshape(weights.shape)).sum(axis=1)
        np.testing.assert_allclose(given[name], expected, atol=1e-12)
        np.testing.assert_allclose(by_torch[name].numpy(), expected, atol=1e-12)


def test_relaxed_spins_are_differentiable():
    model = MODELS[2]
    x = torch.from_numpy(spins(4)[5].astype(float)).requires_grad_(True)
    assert torch.autograd.gradcheck(model.action_even, (x,))


def test_lattices_that_cannot_be_decimated():
    model = Ising(L=3, beta=0.4)
    for method in (model.action_even, model.expect_odd):
        with pytest.raises(InputError, match="even periodic extents"):
            method(np.ones((1, 4)))
    with pytest.raises(InputError, match=r"x_even must have shape \(\.\.\., 8\), got \(1, 16\)"):
        Ising(L=4, beta=0.4).action_even(np.ones((1, 16)))

"""Draws of autoregressive models as maps of uniform numbers: exact, monotone, and replayed."""

import itertools

import numpy as np
import pytest
import torch
from helpers.flows import generator, stirred

from physgen import models
from physgen.core.errors import InputError

STRINGS = {
    "gru": {"family": "gru", "L": 3, "K": 3, "hidden": 5},
    "convolution": {"family": "convolution", "L": 3, "K": 3, "hidden": 5},
    "transformer": {"family": "transformer", "L": 3, "K": 3, "hidden": 6, "layers": 1},
}
SQUARE = {"shape": [2, 2]}
SPINS = {
    "coloured-net": {"family": "coloured-net", "hidden": 4} | SQUARE,
    "coloured-net, not odd": {"family": "coloured-net", "hidden": 4, "odd": False} | SQUARE,
    "masked-net": {"family": "masked-net", "hidden": 3} | SQUARE,
    "masked-net, not odd": {"family": "masked-net", "hidden": 3, "odd": False} | SQUARE,
    "pixel-net": {"family": "pixel-net", "hidden": 4, "kernel": 3} | SQUARE,
    "recurrent-2d": {"family": "recurrent-2d", "hidden": 5} | SQUARE,
    "spin-gru": {"family": "spin-gru", "hidden": 5} | SQUARE,
    "spin-gru, not odd": {"family": "spin-gru", "hidden": 5, "odd": False} | SQUARE,
}
DISCRETE = STRINGS | SPINS


def make(config):
    model = models.build(config, rng=3)
    rng = generator(8)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.7 * torch.randn(p.shape, generator=rng))
    return model


def numbers(n, model, seed=1):
    return 1 - np.random.default_rng(seed).random((n, *model.uniform_shape))


def by_enumeration(model, u):
    """F_i^-1(u_i | x_1 ... x_{i-1}) in C order, from the probabilities of all configurations."""
    K, n = model.support.K, int(np.prod(model.event_shape))
    values = np.arange(K) if K else np.array([-1, 1])
    states = np.array(list(itertools.product(values, repeat=n)))
    dtype = np.uint8 if K else np.int8
    p = np.exp(model.log_prob(states.reshape(-1, *model.event_shape).astype(dtype)))
    p = p.reshape([len(values)] * n)
    drawn = []
    for row in u.reshape(len(u), -1):
        rest, x = p, []
        for number in row:
            shares = rest.reshape(len(values), -1).sum(1)
            i = min(int((np.cumsum(shares / shares.sum()) < number).sum()), len(values) - 1)
            x.append(values[i])
            rest = rest[i]
        drawn.append(x)
    return np.array(drawn).reshape(u.shape)


@pytest.mark.parametrize("name", DISCRETE)
def test_a_draw_is_the_quantile_of_every_conditional(name):
    model = make(DISCRETE[name])
    u = numbers(400, model)
    x = model.sample(u=u)
    expected = by_enumeration(model, u)
    assert x.dtype == (torch.uint8 if name in STRINGS else torch.int8)
    # A number within rounding of an edge may fall on either side.
    wrong = (x.numpy() != expected).reshape(len(u), -1).any(1)
    assert wrong.mean() < 0.01
    turned = (model.sample(u=1 - u).numpy() != expected).reshape(len(u), -1).any(1)
    assert turned.mean() > 0.5  # Saboteur: the share of up read as the share of down.
    again = model.sample(u=torch.from_numpy(u))
    assert torch.equal(again, x)


@pytest.mark.parametrize("name", ["gru", "coloured-net", "spin-gru"])
def test_common_numbers_show_a_small_change_of_the_weights(name):
    model, other = make(DISCRETE[name]), make(DISCRETE[name])
    rng = generator(9)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=rng))
    u, v = numbers(2000, model), numbers(2000, model, seed=2)
    x, y, z = model.sample(u=u), other.sample(u=u), other.sample(u=v)
    changed, independent = ((x != each).float().mean() for each in (y, z))
    assert 0 < changed < 0.05 < 0.2 < independent


@pytest.mark.parametrize("law", ["gaussian", "logistic"])
def test_a_field_is_the_quantile_by_quadrature(law):
    config = {"family": "mixture-net", "shape": [2, 2], "halved": True, "law": law}
    model = stirred(models.build(config | {"n_components": 4}, rng=3).double(), 0.3)
    u = numbers(6, model)
    x = model.sample(u=u)
    m = 801
    grid = torch.linspace(-12, 12, m, dtype=torch.float64)
    q = np.exp(model.log_prob(torch.cartesian_prod(grid, grid).numpy())).reshape(m, m)
    first = np.cumsum(q.sum(1)) / q.sum()
    dx = float(grid[1] - grid[0])
    at = x[:, 0].numpy()
    np.testing.assert_allclose(np.interp(at - dx / 2, grid, first), u[:, 0], atol=3e-4)
    for (a, b), (_, level) in zip(x.numpy(), u):
        line = np.exp(model.log_prob(np.stack([np.full(m, a), grid.numpy()], 1)))
        second = np.cumsum(line) / line.sum()
        assert np.interp(b - dx / 2, grid, second) == pytest.approx(level, abs=3e-4)
    assert abs(np.interp(at[0], grid, first) - u[0, 1]) > 0.01


def test_bad_input():
    model = make(SPINS["coloured-net"])
    for given, text in [
        ({}, "n and rng, or u"),
        ({"n": 3}, "n and rng, or u"),
        ({"n": 3, "rng": 1, "u": np.full((3, 2, 2), 0.5)}, "got both"),
        ({"u": np.full((3, 4), 0.5)}, r"shape \(n, 2, 2\), got \(3, 4\)"),
        ({"u": np.full((2, 2), 0.5)}, r"got \(2, 2\)"),
        ({"u": np.zeros((3, 2, 2))}, "between 0 and 1"),
        ({"u": np.full((3, 2, 2), 1.0)}, "between 0 and 1"),
        ({"u": np.full((3, 2, 2), np.nan)}, "between 0 and 1"),
        ({"u": np.empty((0, 2, 2))}, "at least 1 draw"),
    ]:
        with pytest.raises(InputError, match=text):
            model.sample(**given)

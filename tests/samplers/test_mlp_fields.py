"""Compiled chains of a dense energy: those of torch on the same words, and its law."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen.core.random import Stream
from physgen.kernels.cpu.field_layout import unpack
from physgen.models.energy.mlp import MlpEnergy
from physgen.samplers import MALA, ULA
from physgen.samplers.fields.arrays import ArrayFields
from physgen.samplers.fields.mlp import MlpFields
from physgen.samplers.fields.moves import fields_of

SHAPES = {
    "one layer": {"shape": (5,), "hidden": 7, "layers": 1},
    "one layer, even": {"shape": (5,), "hidden": 7, "layers": 1, "even": True},
    "two layers": {"shape": (4, 3), "hidden": 16, "layers": 2},
    "three layers, even": {"shape": (13,), "hidden": 21, "layers": 3, "even": True},
}


def energy(**arguments):
    model = MlpEnergy(**arguments, scale=1.3, rng=1)
    with torch.no_grad():
        model.out.mul_(60)  # far from the well alone
        model.log_curvature.fill_(0.4)
    return model


def both(model, n=20):
    x = model.hot(Stream(1), n)
    fields = MlpFields(model), ArrayFields(model, "float32")
    return fields, [f.init(Stream(1), n, x) for f in fields]


@pytest.mark.parametrize("name", SHAPES)
def test_action_and_force_are_those_of_torch(name):
    model = energy(**SHAPES[name])
    (fields, _), (state, _) = both(model)
    x = fields.configurations(state)
    np.testing.assert_allclose(fields.actions(state), model.action(x), atol=1e-5)
    force = fields.mala(Stream(1), state, np.empty(0))[0].aux["force"]
    np.testing.assert_allclose(unpack(force, 20), model.force(x).reshape(20, -1), atol=1e-5)
    together = model.action_and_force(x)
    np.testing.assert_allclose(together[0], model.action(x), rtol=1e-12)
    np.testing.assert_array_equal(together[1], model.force(x))


@pytest.mark.parametrize("name", SHAPES)
def test_the_chains_are_those_of_torch(name):
    fields, states = both(energy(**SHAPES[name]))
    steps = np.full(4, 0.5)
    moves = {
        "langevin": lambda f, s: (f.langevin(Stream(2), s, 0.02, 4), None),
        "mala": lambda f, s: f.mala(Stream(2), s, steps),
        "hmc": lambda f, s: f.trajectories(Stream(2), s, steps, 3),
    }
    for move in moves.values():
        (one, a), (two, b) = (move(f, s) for f, s in zip(fields, states, strict=True))
        x, y = fields[0].configurations(one), fields[1].configurations(two)
        np.testing.assert_allclose(x, y, atol=2e-5)
        if a is not None:
            np.testing.assert_array_equal(a[0], b[0])
            np.testing.assert_allclose(a[1:], b[1:], atol=1e-4)


def test_who_moves_a_dense_energy():
    model = energy(**SHAPES["two layers"])
    assert isinstance(fields_of(model, "MALA", None, "philox"), MlpFields)
    assert isinstance(fields_of(model, "MALA", "float64", "philox"), ArrayFields)
    noisy = MlpEnergy((5,), noise_range=(0.1, 1.0), rng=1)
    assert isinstance(fields_of(noisy, "MALA", None, "philox"), ArrayFields)


def test_weights_that_change_are_read_again():
    model = energy(**SHAPES["two layers"])
    (fields, _), (state, _) = both(model)
    with torch.no_grad():
        model.weights[0].mul_(0.5)
    again = fields.init(Stream(1), 20, fields.configurations(state))
    x = fields.configurations(state)
    np.testing.assert_allclose(fields.actions(again), model.action(x), atol=1e-5)


@pytest.mark.statistical
def test_mala_has_the_law_of_the_energy():
    """One number: <x^2> by quadrature; of ULA at this large a step it is another."""
    model = energy(shape=(1,), hidden=6, layers=2)
    grid = np.linspace(-6, 6, 1201)[:, None]
    weight = np.exp(-model.action(grid))
    exact, n = float(np.sum(weight * grid[:, 0] ** 2) / weight.sum()), 8192

    def square(sampler):
        chains = sampler.bind(model)
        state, _ = chains.step(Stream(2), chains.init(Stream(1), n), 60)
        return chains.configurations(state)[:, 0].astype(float) ** 2

    right, wrong = square(MALA(step_size=0.5)), square(ULA(step_size=0.5))
    largest = 2.5 * exact / np.sqrt(n)
    assert within(right.mean(), exact, right.std() / np.sqrt(n), largest=largest)
    assert not within(wrong.mean(), exact, wrong.std() / np.sqrt(n), largest=largest)

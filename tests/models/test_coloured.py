"""Autoregressive spins in colours: normalised, odd, and drawn as they are scored."""

import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p, within

from physgen import Hypercubic, Ising, Phi4, models
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.models import ColouredNet, Decimated

CASES = {
    "even": {"shape": [4, 4], "halved": True, "hidden": 5},
    "all sites": {"shape": [3, 3], "hidden": 5},
    "raster": {"shape": [4, 4], "halved": True, "order": "raster", "hidden": 4},
    "linear": {"shape": [3, 3], "hidden": 0},
    "not odd": {"shape": [3, 3], "hidden": 4, "odd": False},
    "open": {"shape": [2, 4], "boundary": "open", "hidden": 4},
}
every_net = pytest.mark.parametrize("name", CASES)


def make(name, size=0.5, **options):
    model = models.build({"family": "coloured-net", **CASES.get(name, {}), **options}, rng=3)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))
    return model


def states(model):
    n = int(np.prod(model.event_shape))
    spins = np.array(list(itertools.product((-1, 1), repeat=n)), dtype=np.int8)
    return spins.reshape(-1, *model.event_shape)


@every_net
def test_it_sums_to_one_and_is_odd(name):
    model = make(name)
    assert isinstance(model, Density)
    x = states(model)
    log_q = model.log_prob(x)
    assert np.exp(log_q).sum() == pytest.approx(1, abs=2e-6)
    assert log_q.std() > 0.1
    if name == "not odd":
        assert np.abs(log_q[::-1] - log_q).max() > 0.01
    else:  # the last state is the first one flipped
        np.testing.assert_allclose(log_q[::-1], log_q, atol=1e-5)


@every_net
def test_draws_are_scored_alike_and_do_not_depend_on_their_number(name):
    model = make(name)
    x, log_q = model.sample_and_log_prob(50, rng=1)
    assert x.dtype == torch.int8
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-5)
    assert torch.equal(model.sample(7, rng=1), x[:7])


def p_value(n, seed, model, probabilities):
    x = model.sample(n, rng=seed).reshape(n, -1).numpy()
    code = ((x > 0) @ (1 << np.arange(x.shape[1])[::-1])).astype(int)
    return chi_square_p(np.bincount(code, minlength=len(probabilities)), probabilities)


@pytest.mark.parametrize("name", ["even", "not odd"])
def test_frequencies_are_the_probabilities_and_those_of_others_are_not(name):
    model = make(name)
    right = np.exp(model.log_prob(states(model)))
    wrong = np.exp(make(name, hidden=3).log_prob(states(model)))
    assert accepts(lambda n, seed: p_value(n, seed, model, right), 20_000)
    assert p_value(20_000, 1, model, wrong) < 1e-9


def test_a_finer_lattice_in_colours_is_normalised():
    """8 x 8 has 32 single sites; of 16 x 16 colours are drawn at once, from the same sums."""
    model = make("big", size=0.15, shape=[16, 16], halved=True, hidden=3)
    x, log_q = model.sample_and_log_prob(4000, rng=2)
    # E_q[q(s') / q(s)] over flips of one site in a colour of many is 1 for a normalised q.
    site = int(model.colours[-1].sites[3])
    flipped = x.clone()
    flipped[:, site] *= -1
    ratio = np.exp(model.log_prob(flipped.numpy()) - log_q.numpy())
    assert within(ratio.mean(), 1, ratio.std() / np.sqrt(len(ratio)), largest=0.08)


def test_weights_and_architecture_come_back():
    model = make("even")
    again = models.from_dataset(models.to_dataset(model))
    x = model.sample(6, rng=1)
    assert torch.equal(again.log_prob(x), model.log_prob(x))


def test_a_target_gets_the_net_of_its_symmetries():
    model = ColouredNet.for_target(Ising(L=8, beta=0.4))
    assert isinstance(model, Decimated)
    assert model.even.config["odd"]
    x, log_q = model.sample_and_log_prob(30, rng=1)
    assert x.shape == (30, 8, 8)
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-4)
    field = ColouredNet.for_target(Ising(L=3, beta=0.4, h=0.1))
    assert field.event_shape == (3, 3)
    assert not field.config["odd"]
    boundary = ColouredNet.for_target(Ising(lattice=Hypercubic((4, 4), "open"), beta=0.4))
    assert boundary.event_shape == (4, 4)


def test_bad_input():
    with pytest.raises(InputError, match="must hold spins -1 and 1"):
        make("linear").log_prob(np.zeros((2, 3, 3)))
    with pytest.raises(InputError, match="target of spins with a Hypercubic lattice"):
        ColouredNet.for_target(Phi4.from_hopping(L=4, kappa=0.2, lam=0.1))

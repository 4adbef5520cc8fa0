"""Boltzmann machines of all pairs: log Z, moments and sweeps against all configurations."""

import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p

from physgen import models
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.energy.boltzmann import BoltzmannMachine
from physgen.models.io import from_dataset, to_dataset
from physgen.samplers import HeatBath, Metropolis
from physgen.samplers.found_start import default_move
from physgen.targets import Ising

STATES = np.array(list(itertools.product((-1, 1), repeat=6)), np.int8)


def make(even=False, size=0.4):
    model = BoltzmannMachine((2, 3), "open", even=even)
    draw = np.random.default_rng(4)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(size * draw.standard_normal(p.shape)))
    return model.double()


def law(model):
    S = model.action(STATES.reshape(-1, 2, 3))
    log_z = np.logaddexp.reduce(-S)
    return np.exp(-S - log_z), log_z


@pytest.mark.parametrize("even", [False, True])
def test_action_and_log_z(even):
    model = make(even)
    p, log_z = law(model)
    J, h = model.J.detach().numpy(), model.h.numpy(force=True)
    for s, S in zip(STATES[::7], model.action(STATES[::7].reshape(-1, 2, 3)), strict=True):
        pairs = sum(J[i, j] * s[i] * s[j] for i in range(6) for j in range(i + 1, 6))
        assert pytest.approx(-pairs - h @ s, abs=1e-12) == S
    assert model.log_z_exact() == pytest.approx(log_z, abs=1e-12)
    assert model.tempered(0.0).log_z_exact() == pytest.approx(6 * np.log(2), abs=1e-12)
    assert ("z2" in model.symmetries) == even
    assert np.array_equal(p, p[::-1]) or not even


def test_slope_of_the_likelihood_is_a_difference_of_moments():
    """The slope of S(data) + log Z, by finite differences, against <s s>_data - <s s>_model."""
    model = make()
    p, _ = law(model)
    data = STATES[np.random.default_rng(1).integers(64, size=40)].reshape(-1, 2, 3)
    first, second = np.triu_indices(6, 1)
    exact = p @ (STATES[:, first] * STATES[:, second]).astype(float)
    means, products = model.moments(data)
    slopes = {"pairs": exact - products, "h": p @ STATES.astype(float) - means}
    model(torch.from_numpy(data).double()).mean().backward()
    np.testing.assert_allclose(model.pairs.grad.numpy(), -products, atol=1e-12)
    np.testing.assert_allclose(model.h.grad.numpy(), -means, atol=1e-12)
    for name, slope in slopes.items():
        weights = getattr(model, name).data
        for k in (0, len(weights) - 1):
            loss = []
            for step in (1e-5, -1e-5):
                weights[k] += step
                loss.append(model.action(data).mean() + model.log_z_exact())
                weights[k] -= step
            assert (loss[0] - loss[1]) / 2e-5 == pytest.approx(slope[k], abs=1e-8)


@pytest.mark.statistical
@pytest.mark.parametrize("sampler", [HeatBath(), Metropolis(), None])
def test_exact_starts_stay_exact(sampler):
    p, _ = law(make())

    def p_value(model):
        def test(n, seed):
            rng = Stream(seed)
            start = STATES[rng.child("start").numpy().choice(64, n, p=p)].reshape(-1, 2, 3)
            if sampler is None:
                x = model.moved(start, 2, rng)
            else:
                chains = sampler.bind(model)
                state, _ = chains.step(rng, chains.init(rng, n, start), 2)
                x = chains.configurations(state)
            index = (x.reshape(n, 6) > 0) @ (1 << np.arange(5, -1, -1))
            return chi_square_p(np.bincount(index, minlength=64), p)

        return test

    assert accepts(p_value(make()), 20_000)
    assert not accepts(p_value(make().tempered(0.9)), 20_000)


def test_moved_keeps_kind_and_type_and_is_pure():
    model = make()
    x = torch.from_numpy(model.hot(1, 20)).float()
    y = model.moved(x, 3, Stream(2))
    assert y.dtype == torch.float32
    assert torch.equal(model.moved(x, 3, Stream(2)), y)
    assert not torch.equal(model.moved(x, 3, Stream(3)), y)
    assert isinstance(default_move(model), HeatBath)
    with pytest.raises(InputError, match="layout 'chains' cannot take couplings of all pairs"):
        HeatBath(layout="chains").bind(model)


def test_from_sources_and_files():
    fresh = BoltzmannMachine.for_target(Ising(L=4, beta=0.3))
    assert fresh.even
    assert fresh.config["family"] == "boltzmann-machine"
    np.testing.assert_array_equal(fresh.action(fresh.hot(1, 5)), 0)
    model = make().float()
    again = from_dataset(to_dataset(model))
    assert again.fingerprint == model.fingerprint
    assert models.build(model.config).config == model.config
    with pytest.raises(InputError, match="summed over at most 25 spins, got 36"):
        BoltzmannMachine((6, 6)).log_z_exact()
    with torch.no_grad():
        model.pairs[0] = np.nan
    with pytest.raises(InputError, match="weights must be finite"):
        HeatBath().bind(model).step(Stream(1), HeatBath().bind(model).init(Stream(1), 3), 1)


def test_is_the_ising_model_whose_couplings_it_has():
    ising = Ising(L=4, beta=0.3, h=0.2)
    model = BoltzmannMachine((4, 4), "periodic").double()
    _, (neighbours, K, H) = ising.kernel
    J = np.zeros((16, 16))
    np.add.at(J, (np.repeat(np.arange(16), neighbours.shape[1]), neighbours.ravel()), K.ravel())
    with torch.no_grad():
        model.pairs.copy_(torch.from_numpy(J[np.triu_indices(16, 1)]))
        model.h.copy_(torch.from_numpy(np.asarray(H)))
    x = model.hot(1, 30)
    np.testing.assert_allclose(model.action(x), ising.action(x), atol=1e-12)

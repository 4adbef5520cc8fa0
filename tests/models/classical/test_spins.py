"""Mean field, the empirical distribution and the inverse Ising problem, against exact sums."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from physgen import Configurations, Ising, Phi4, ReverseKL, fit, models
from physgen.core.errors import InputError
from physgen.exact.enumeration import probabilities, spins_of
from physgen.models import MeanField, inverse_ising
from physgen.models.classical.inverse_ising import METHODS
from physgen.models.energy.boltzmann import BoltzmannMachine
from physgen.training import ForwardKL, MaximumLikelihood, recipe


def states(n):
    return np.array(list(itertools.product((-1, 1), repeat=n)), dtype=np.int8)


def draws(n, seed=1, shape=(2, 2), biases=(0.3, -0.5, 0.1, 0.8)):
    g = np.random.default_rng(seed)
    up = g.random((n, len(biases))) < 1 / (1 + np.exp(-2 * np.array(biases)))
    return np.where(up, 1, -1).astype(np.int8).reshape(n, *shape)


@pytest.mark.parametrize("family", ["mean-field", "empirical"])
def test_it_sums_to_one_and_comes_back(family):
    x = draws(200)
    model = models.build({"family": family, "shape": [2, 2]}, rng=1)
    found = fit(model, MaximumLikelihood(Configurations(x)), rng=1)
    assert found.stopped_by == "solution"
    every = states(4).reshape(-1, 2, 2)
    assert np.exp(model.log_prob(every)).sum() == pytest.approx(1, abs=1e-6)
    drawn, log_q = model.sample_and_log_prob(50, rng=1)
    assert drawn.dtype == torch.int8
    np.testing.assert_allclose(model.log_prob(drawn.numpy()), log_q, atol=1e-6)
    assert torch.equal(model.sample(7, rng=1), drawn[:7])
    again = models.from_dataset(models.to_dataset(model))
    np.testing.assert_array_equal(again.log_prob(every), model.log_prob(every))


def test_mean_field_of_data_has_their_means_and_the_empirical_one_their_frequencies():
    x = draws(300)
    kept = x[:270]
    field = models.build({"family": "mean-field", "shape": [2, 2]}, rng=1)
    seen = models.build({"family": "empirical", "shape": [2, 2], "n_points": 16}, rng=1)
    for model in (field, seen):
        fit(model, MaximumLikelihood(Configurations(x)), rng=1)
    np.testing.assert_allclose(torch.tanh(field.b.detach()), kept.mean(0).ravel(), atol=1e-6)
    every = states(4).reshape(-1, 2, 2)
    counts = [(kept == s).all((1, 2)).mean() for s in every]
    np.testing.assert_allclose(np.exp(seen.log_prob(every)), counts, atol=1e-6)
    # No model has a larger likelihood of the data, and none a smaller one of what was not seen.
    assert seen.log_prob(kept).mean() > field.log_prob(kept).mean()
    one = models.build({"family": "empirical", "shape": [2, 2]}, rng=1)
    one.estimate(kept[:1], None)
    assert one.log_prob(-kept[:1])[0] == -math.inf
    with pytest.raises(InputError, match=r"at least the 1\d different"):
        models.build({"family": "empirical", "shape": [2, 2], "n_points": 5}).estimate(kept, None)
    # A spin that never turned has a finite field.
    field.estimate(np.ones((100, 2, 2), dtype=np.int8), None)
    np.testing.assert_allclose(torch.tanh(field.b.detach()), 0.99, atol=1e-5)


def test_the_variational_mean_field_of_an_action_is_its_self_consistent_solution():
    """M = tanh(beta (4 m + h)) on the square lattice, and F_q = beta U(m) - entropy above F."""
    target = Ising(L=4, beta=0.4, h=0.1)
    model = MeanField.for_target(target, decimate=False, rng=1)
    from dataclasses import replace

    settings = replace(recipe("mean-field"), n_epochs=12, batch_size=256, learning_rate=0.05)
    objective = ReverseKL(target, draws_per_epoch=2560, n_validation=4000, rng=1)
    fit(model, objective, settings, rng=1)
    m = brentq(lambda m: m - math.tanh(0.4 * (4 * m + 0.1)), 0.1, 1)
    np.testing.assert_allclose(torch.tanh(model.b.detach()), m, atol=0.02)
    p = (1 + m) / 2
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    best = 16 * (-0.4 * (2 * m * m + 0.1 * m) - entropy)
    assert objective.evaluate(model).mean() * 16 == pytest.approx(best, abs=0.15)
    exact = -np.logaddexp.reduce(-target.action(states(16).reshape(-1, 4, 4)))
    assert best > exact + 0.1  # the bound, by what correlations are worth


def machine(J, h, shape=(5,)):
    model = BoltzmannMachine(shape)
    with torch.no_grad():
        model.pairs.copy_(torch.as_tensor(J))
        model.h.copy_(torch.as_tensor(h))
    return model


def exact_draws(model, n, seed):
    every = states(model.n_sites)
    p = np.exp(-model.action(every) - model.log_z_exact())
    return every[np.random.default_rng(seed).choice(len(every), n, p=p / p.sum())]


def test_couplings_of_all_pairs_come_back():
    g = np.random.default_rng(2)
    J, h = 0.25 * g.normal(size=10), 0.3 * g.normal(size=5)
    true = machine(J, h)
    x = exact_draws(true, 40_000, 3)
    error = {}
    for method in METHODS:
        found = inverse_ising(x, method)
        error[method] = np.abs(found.pairs.detach().numpy() - J).max()
    assert error["exact"] < 0.025
    assert error["pseudo-likelihood"] < 0.025
    assert error["tap"] < 0.12
    assert error["mean-field"] < 0.12
    # The largest entropy with these moments: the moments of the model are those of the data.
    found = inverse_ising(x, "exact")
    every = states(5)
    p = np.exp(-found.action(every) - found.log_z_exact())
    assert p.sum() == pytest.approx(1)
    for a, b in zip(found.moments(x), (p @ every, p @ pairs_of(every))):
        np.testing.assert_allclose(a, b, atol=1e-6)
    # Saboteur: couplings with the other sign have other moments.
    turned = machine(-found.pairs.detach(), found.h.detach())
    q = np.exp(-turned.action(every) - turned.log_z_exact())
    assert np.abs(q @ pairs_of(every) - found.moments(x)[1]).max() > 0.1


def pairs_of(spins):
    first, second = np.triu_indices(spins.shape[1], 1)
    return (spins[:, first] * spins[:, second]).astype(float)


def test_the_couplings_of_an_ising_ring_are_its_bonds():
    """An even model of exact draws: beta on bonds, 0 elsewhere, no fields."""
    target = Ising(L=3, beta=0.3)
    p = probabilities(target)
    every = spins_of(np.arange(2**9), (3, 3))
    x = every[np.random.default_rng(1).choice(512, 30_000, p=np.ravel(p))]
    for method in ("exact", "pseudo-likelihood"):
        found = inverse_ising(Configurations(x), method, even=True)
        J = found.J.detach().numpy()
        bonds = target.action(np.ones((3, 3), dtype=np.int8)) / -0.3
        assert float(J.sum() / 2) == pytest.approx(0.3 * bonds, rel=0.05)
        assert np.abs(J[0, 4]) < 0.04  # no neighbours
        assert J[0, 1] == pytest.approx(0.3, abs=0.04)
        assert float(found.h.abs().max()) == 0


def test_small_correlations_tell_mean_field_from_tap():
    """To second order in J the expansion of TAP is right where mean field is not."""
    true = machine([0.12, 0.1, -0.08], [0.6, -0.5, 0.4], (3,))
    every = states(3)
    p = np.exp(-true.action(every) - true.log_z_exact())
    x = np.repeat(every, np.round(p * 200_000).astype(int), axis=0)
    off = {
        method: np.abs(
            inverse_ising(x, method).pairs.detach().numpy() - true.pairs.detach().numpy()
        ).max()
        for method in METHODS
    }
    assert off["exact"] < 2e-4
    assert off["pseudo-likelihood"] < 2e-4
    assert off["tap"] < 0.3 * off["mean-field"]
    fields = inverse_ising(x, "tap").h.detach() - true.h.detach()
    assert float(fields.abs().max()) < 5e-3


def test_bad_input():
    x = draws(100)
    for data, options, text in [
        (x > 0, {}, "spins -1 and \\+1"),
        (np.ones((50, 3), dtype=np.int8), {}, "spin 0 always the same"),
        (np.repeat(draws(50)[:, 0, :1], 2, axis=1), {}, "determine each other"),
        (draws(40, shape=(13,), biases=np.zeros(13)), {"method": "exact"}, "at most 12 spins"),
        (x, {"method": "maxent"}, "method must be one of"),
        (np.array([[1, 1], [1, -1], [-1, -1]]), {}, "no finite optimum"),
    ]:
        with pytest.raises(InputError, match=text):
            inverse_ising(data, **options)
    with pytest.raises(InputError, match="needs a target of spins"):
        MeanField.for_target(Phi4.from_hopping(L=4, kappa=0.2, lam=0.1))
    assert isinstance(models.for_target(Ising(L=4, beta=0.3), "mean-field"), models.Decimated)
    target = Ising(L=2, beta=0.2)
    small = models.for_target(target, "empirical", n_points=3)
    with pytest.raises(InputError, match="n_points must be at least"):
        fit(small, ForwardKL(target, draws(60)), rng=1)

"""Energy discrepancy: its minimum is the law of the data, for any width and number."""

import math

import numpy as np
import pytest
import torch
from helpers.energies import Gaussian, Potts, Quartic, Ring, gradients
from helpers.statistics import within

from physgen.core.errors import InputError
from physgen.core.protocols import SPINS, outcomes
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training import EnergyDiscrepancy, FitSettings, ScoreMatching, fit
from physgen.training import energy_discrepancy as module


def pull(objective, model, n=60):
    """Return the mean gradient over parts of the data, 0, and its error."""
    each = [
        gradients(objective, model, part, Stream(1).at(k), {})
        for k, part in enumerate(np.array_split(np.arange(objective.n_train), n))
    ]
    return np.mean(each, 0), 0.0, np.std(each, axis=0, ddof=1) / n**0.5


def data_of(model, n=20_000):
    if model.support == SPINS:
        return Configurations(model.draws(n, Stream(3)).numpy().astype(np.int8))
    pick = Stream(3).numpy().choice(len(model.states), n, p=model.probabilities.numpy())
    return model.states[torch.from_numpy(pick)].numpy()


@pytest.mark.parametrize("M", [1, 8])
@pytest.mark.parametrize("width", [0.2, 0.5])
@pytest.mark.parametrize("cls", [Ring, Potts])
def test_the_gradient_vanishes_at_the_law_of_the_data(cls, width, M):
    model, wrong = cls(3), cls(3)
    with torch.no_grad():
        for p in wrong.parameters():
            p *= 1.4
    objective = EnergyDiscrepancy(data_of(model), width, M, 0.01, augment=False)
    assert within(*pull(objective, model), largest=0.02)
    assert not within(*pull(objective, wrong), largest=0.02)


def test_perturbations_of_the_item_itself_are_seen(monkeypatch):
    """Saboteur: x' is drawn from around x and not from around y; then nothing is exchangeable."""
    one = module.perturbed
    monkeypatch.setattr(module, "perturbed", lambda x, *a: x if len(x) < 1000 else one(x, *a))
    objective = EnergyDiscrepancy(data_of(Ring(3)), 0.2, 8, 0.01, augment=False)
    assert not within(*pull(objective, Ring(3)), largest=0.02)


@pytest.mark.parametrize("M", [1, 4])
def test_small_noise_is_score_matching(M):
    """log(1 + 1/M) + t M / (M + 1) J, as the module says: in value and gradient."""
    x = np.random.default_rng(1).standard_normal((40_000, 1))
    t, model = 0.01, Gaussian([[2.0]])
    objective = EnergyDiscrepancy(Configurations(x), t**0.5, M, 0.01, augment=False)
    exact = ScoreMatching(Configurations(x), 0.01, "exact", augment=False)
    wanted = gradients(exact, model, np.arange(exact.n_train), Stream(1))
    mean, _, error = pull(objective, model)
    scale = t * M / (M + 1)  # without the 1 in the sum it would be t, and half the slope at M = 1
    assert within(mean / scale, wanted, error / scale, largest=0.15, rounding=0.05)
    with torch.no_grad():
        loss = float(objective.loss(model, np.arange(objective.n_train), Stream(2), {}).value)
    J = float(exact.loss(model, np.arange(exact.n_train), Stream(2), {}).value.detach())
    assert loss - math.log(1 + 1 / M) == pytest.approx(scale * J, abs=0.002)


def test_one_perturbation_against_quadrature():
    """At M = 1 only x' - x enters, a normal deviate of variance 2 t."""
    h, w = np.polynomial.hermite_e.hermegauss(60)
    x, step = np.meshgrid(h, h, indexing="ij")
    weight, a, b = np.outer(w, w) / w.sum() ** 2, 0.4, 0.1

    def slope(t):
        y = x + (2 * t) ** 0.5 * step
        odds = 1 / (1 + np.exp(np.clip(a * (y**2 - x**2) + b * (y**4 - x**4), -700, 700)))
        return np.array([(weight * odds * (x**n - y**n)).sum() for n in (2, 4)])

    data = Configurations(np.random.default_rng(1).standard_normal((40_000, 1)))
    objective = EnergyDiscrepancy(data, 0.2, 1, 0.01, augment=False)
    mean, _, error = pull(objective, Quartic((1,), a, b))
    assert within(mean, slope(0.04), error, largest=0.02)
    # Its limit is the slope of J: 4 a + 24 b - 2 and 24 a + 240 b - 12 for normal x.
    np.testing.assert_allclose(slope(3e-4) / 1.5e-4, [2.0, 21.6], rtol=0.03)


def test_wide_noise_tends_to_the_likelihood():
    """At width 1/2 the flips forget x: log sum_j e^{-S} estimates log Z with M uniform draws."""
    data, model = data_of(Ring(3), 2000), Ring(3, 0.7, -0.3)
    objective = EnergyDiscrepancy(data, 0.5, 2000, 0.5, augment=False)
    index = np.arange(objective.n_train)
    found = gradients(objective, model, index, Stream(1), {})
    model.zero_grad()
    model.nll(objective.samples.train).backward()
    exact = np.array([float(model.J.grad), float(model.h.grad)])
    np.testing.assert_allclose(found, exact, atol=0.02)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_fit_of_fields(temperature):
    covariance = np.array([[1.0, 0.5], [0.5, 2.0]])
    x = np.random.default_rng(1).multivariate_normal([0, 0], covariance, 4000)
    objective = EnergyDiscrepancy(Configurations(x), temperature=temperature)
    settings = FitSettings(n_epochs=20, batch_size=100, learning_rate=2e-2, clip_norm=None)
    K = fit(Gaussian(np.eye(2)), objective, settings, rng=1).model.K.detach().numpy()
    wanted = temperature * np.linalg.inv(covariance)
    np.testing.assert_allclose((K + K.T) / 2, wanted, atol=0.15 * temperature)


def test_kernels_are_symmetric_and_change_what_they_say():
    generator = Stream(1).torch()
    x = torch.arange(3).repeat(30_000, 1).to(torch.uint8)
    y = module.perturbed(x, 0.3, outcomes(3), generator)
    assert y.dtype == torch.uint8
    for old in range(3):
        share = np.bincount(y[:, old].numpy(), minlength=3) / len(y)
        wanted = np.where(np.arange(3) == old, 0.7, 0.15)
        assert within(share, wanted, np.sqrt(wanted * (1 - wanted) / len(y)), largest=0.004)
    spins = module.perturbed(torch.ones(30_000, 1), 0.3, SPINS, generator)
    assert within(float((spins < 0).float().mean()), 0.3, 0.0027, largest=0.003)


def test_the_width_has_a_default_and_bounds():
    x = np.random.default_rng(1).standard_normal((50, 4, 4)) * 3
    assert EnergyDiscrepancy(Configurations(x)).width == pytest.approx(2 * 3 / 4, rel=0.1)
    assert EnergyDiscrepancy(data_of(Ring(3), 100)).width == 0.5
    with pytest.raises(InputError, match=r"probability of at most 1/2 for spins, got 0\.6"):
        EnergyDiscrepancy(data_of(Ring(3), 100), 0.6)
    with pytest.raises(InputError, match="n_perturbed must be a positive integer"):
        EnergyDiscrepancy(data_of(Ring(3), 100), n_perturbed=0)

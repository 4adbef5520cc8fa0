"""Noise-contrastive estimation: log Z of Gaussians and of enumerated spins, in log space."""

import math

import numpy as np
import pytest
import torch
from helpers.energies import Gaussian, Potts, Ring, gradients
from helpers.statistics import within

from physgen.core.protocols import REALS, SPINS, outcomes
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training import FitSettings, NoiseContrastive, fit
from physgen.training.noise_contrastive import IndependentSites

COVARIANCE = np.array([[1.0, 0.5], [0.5, 2.0]])
LOG_Z = math.log(2 * math.pi) + 0.5 * math.log(np.linalg.det(COVARIANCE))


def correlated(n=4000):
    x = np.random.default_rng(1).multivariate_normal([0.3, 0.0], COVARIANCE, n)
    return Configurations(x - [0.3, 0.0])


def rings(n=4000):
    return Configurations(Ring(4).draws(n, Stream(3)).numpy().astype(np.int8))


@pytest.mark.parametrize("ratio", [1, 4])
def test_log_z_of_a_gaussian(ratio, monkeypatch):
    objective = NoiseContrastive(correlated(), ratio)
    found = objective.log_z(Gaussian(np.linalg.inv(COVARIANCE)), rng=2)
    assert within(found.value, LOG_Z, found.error, largest=0.02)
    # Saboteur: the density of the noise at a temperature that is off by 5 %.
    honest = objective.noise.log_prob
    monkeypatch.setattr(objective.noise, "log_prob", lambda x: honest(x) / 1.05)
    wrong = objective.log_z(Gaussian(np.linalg.inv(COVARIANCE)), rng=2)
    assert not within(wrong.value, LOG_Z, wrong.error, largest=0.02)


def test_log_z_of_spins_and_its_error_over_many_noises():
    model = Ring(4)
    exact = float(torch.logsumexp(-model(model.states), 0).detach())
    pulls = []
    for seed in range(30):
        data = Configurations(model.draws(500, Stream(seed)).numpy().astype(np.int8))
        found = NoiseContrastive(data, 2, 0.02).log_z(model, rng=seed)
        pulls.append((found.value - exact) / found.error)
    assert abs(np.mean(pulls)) < 4 / 30**0.5
    assert 0.6 < np.std(pulls) < 1.5


def test_a_fit_learns_energy_and_log_z_together():
    objective = NoiseContrastive(correlated())
    settings = FitSettings(n_epochs=20, batch_size=100, learning_rate=2e-2, clip_norm=None)
    result = fit(Gaussian(np.eye(2)), objective, settings, rng=1)
    K = result.model.K.detach().numpy()
    np.testing.assert_allclose((K + K.T) / 2, np.linalg.inv(COVARIANCE), atol=0.08)
    log_z = math.log(2 * math.pi) - 0.5 * math.log(np.linalg.det((K + K.T) / 2))
    assert result.model.trained_by["log_z"] == pytest.approx(log_z, abs=0.06)
    assert result.history["log_z"].values[-1] == pytest.approx(log_z, abs=0.06)


def test_the_gradient_vanishes_at_the_law_of_the_data_and_not_elsewhere():
    objective, c = NoiseContrastive(rings(), augment=False), None
    model = Ring(4)
    c = torch.logsumexp(-model(model.states), 0).detach()
    parts = np.array_split(np.arange(objective.n_train), 40)

    def pull(model, carry):
        each = [
            gradients(objective, model, part, Stream(1).at(k), {"log_z": carry})
            for k, part in enumerate(parts)
        ]
        return np.mean(each, 0), 0.0, np.std(each, axis=0, ddof=1) / 40**0.5

    assert within(*pull(model, c), largest=0.1)
    other = Ring(4, 0.4 * 1.3, 0.2 * 1.3)
    assert not within(*pull(other, torch.logsumexp(-other(other.states), 0).detach()), largest=0.1)


def test_densities_that_underflow_give_finite_losses_and_gradients():
    """Peers exponentiated densities: 0 / 0, and every weight became NaN."""
    x = np.random.default_rng(1).standard_normal((60, 2))
    objective = NoiseContrastive(Configurations(x), augment=False)
    objective.noise.mean += 40.0  # the noise density of an item is e^-800
    assert float(objective.noise.log_prob(torch.zeros(1, 2))) < -800
    model = Gaussian(np.eye(2))
    carry = objective.begin(model, Stream(1))
    loss = objective.loss(model, np.arange(20), Stream(2), carry)
    loss.value.backward()
    assert math.isfinite(float(loss.value.detach()))
    assert bool(torch.isfinite(model.K.grad).all())
    assert math.isfinite(float(loss.carry["log_z"]))
    assert np.isfinite(objective.evaluate(model)).all()


def test_c_moves_by_no_more_than_one_and_stays_at_its_optimum():
    objective, model = NoiseContrastive(correlated()), Gaussian(np.linalg.inv(COVARIANCE))
    index = np.arange(objective.n_train)
    far = objective.loss(model, index, Stream(2), {"log_z": torch.tensor(300.0).double()})
    assert float(far.carry["log_z"]) == 299.0
    low = objective.loss(model, index, Stream(2), {"log_z": torch.tensor(-300.0).double()})
    assert float(low.carry["log_z"]) == -299.0
    near = objective.loss(model, index, Stream(2), {"log_z": torch.tensor(LOG_Z).double()})
    assert abs(float(near.carry["log_z"]) - LOG_Z) < 0.02


def test_independent_sites_are_normalised_and_draw_what_they_score():
    for model, kind in ((Ring(3), SPINS), (Potts(), outcomes(3))):
        items = model.states[
            torch.from_numpy(Stream(1).numpy().integers(len(model.states), size=50))
        ]
        items[:, 1] = items[0, 1]  # one site is constant
        noise = IndependentSites(items, kind)
        p = noise.log_prob(model.states).exp()
        assert float(p.sum()) == pytest.approx(1.0)
        assert bool((p > 0).all())
        x = noise.draw(20_000, Stream(2))
        share = (x == items[0]).double().mean(0)
        wanted = noise.p.gather(1, _index(items[0], kind).unsqueeze(1)).squeeze(1)
        assert within(share, wanted, torch.sqrt(wanted * (1 - wanted) / 20_000), largest=0.004)
    fields = torch.randn(4000, 3, generator=Stream(1).torch()) * torch.tensor([1.0, 0.5, 2.0]) + 1
    noise = IndependentSites(fields, REALS)
    x = noise.draw(4000, Stream(2))
    np.testing.assert_allclose(x.std(0), [1.0, 0.5, 2.0], rtol=0.05)
    wanted = torch.distributions.Normal(noise.mean, noise.width).log_prob(x).sum(1)
    torch.testing.assert_close(noise.log_prob(x), wanted)
    assert float(IndependentSites(fields, REALS, even=True).mean.abs().max()) == 0
    constant = IndependentSites(torch.ones(30, 2), REALS)
    assert bool((constant.width > 0).all())


def _index(x, kind):
    return x.long() if kind.K else (x > 0).long()

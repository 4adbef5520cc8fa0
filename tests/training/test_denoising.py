"""Denoising learns the smoothed law, exactly so for Gaussians."""

import numpy as np
import pytest
import torch
from helpers.energies import Gaussian, gradients
from helpers.statistics import within

from physgen import models
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.targets import FreeField
from physgen.targets.configurations import Configurations
from physgen.training import DenoisingScoreMatching, FitSettings, ScoreMatching, fit

V = 1.7  # variance of the data


def normal_data(n=20_000, shape=(1,)):
    x = np.random.default_rng(1).standard_normal((n, *shape))
    return Configurations(x * np.sqrt(V / x.var()))


def pull(objective, precision, n=400):
    """Return the mean gradient in the precision over many noises, and its error."""
    model, index = Gaussian([[precision]]), np.arange(objective.n_train)
    parts = [
        gradients(objective, model, part, Stream(1).child("noise").at(k))[0]
        for k, part in enumerate(np.array_split(index, n))
    ]
    return np.mean(parts), np.std(parts, ddof=1) / n**0.5


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_the_minimum_is_the_smoothed_law_and_not_the_law(sigma):
    objective = DenoisingScoreMatching(normal_data(), sigma, 0.01, augment=False)
    largest = 0.02 * sigma**2
    assert within(*_against_zero(pull(objective, 1 / (V + sigma**2))), largest=largest)
    # The law itself is no minimum; nor is one that is sharpened: the wrong sign of the noise.
    assert not within(*_against_zero(pull(objective, 1 / V)), largest=largest)
    assert not within(*_against_zero(pull(objective, 1 / (V - sigma**2))), largest=largest)


def _against_zero(found):
    return found[0], 0.0, found[1]


def test_a_small_noise_is_score_matching_with_a_finite_variance():
    """Without z and -z the error of a gradient would be 1 / sigma = 1000 times larger."""
    objective = DenoisingScoreMatching(normal_data(), 1e-3, 0.01, augment=False)
    exact = ScoreMatching(normal_data(), 0.01, "exact", augment=False)
    mean, error = pull(objective, 0.9)
    wanted = gradients(exact, Gaussian([[0.9]]), np.arange(exact.n_train), Stream(1))[0]
    assert within(mean / 1e-6, wanted, error / 1e-6, largest=0.05)


def test_an_energy_of_all_noises_is_the_smoothed_gaussian_at_each():
    model = models.MlpEnergy((2,), hidden=4, noise_range=(0.1, 2.0), scale=3.0, rng=1)
    with torch.no_grad():
        model.out.zero_()
        model.log_curvature.fill_(-np.log(V / 9))
    x, sigma = torch.randn(5, 2, generator=Stream(1).torch()), torch.linspace(0.1, 2.0, 5)
    wanted = 0.5 * (x**2).sum(1) / (V + sigma**2)
    torch.testing.assert_close(model.forward_at(x, sigma), wanted.double(), rtol=1e-5, atol=0)
    lowest = 0.5 * (x**2).sum(1) / (V + 0.1**2)
    torch.testing.assert_close(model(x), lowest.double(), rtol=1e-5, atol=0)


def test_a_fit_over_a_range_of_noises_finds_the_variance_of_the_data():
    model = models.MlpEnergy((1,), hidden=4, noise_range=(0.1, 2.0), rng=1)
    with torch.no_grad():
        model.out.zero_()
    model.out.requires_grad_(False)
    objective = DenoisingScoreMatching(normal_data(4000))
    settings = FitSettings(n_epochs=6, batch_size=50, learning_rate=3e-2, clip_norm=None)
    result = fit(model, objective, settings, rng=1)
    assert float(torch.exp(-model.log_curvature.detach())) == pytest.approx(V, rel=0.05)
    assert result.model.trained_by["law"] == "denoising (learns p * all noises)"


@pytest.mark.slow
def test_a_convolution_learns_smoothed_free_fields_of_all_noises():
    """The spectrum of p * N(0, sigma^2) is that of p plus sigma^2."""
    free = FreeField((6, 6), m2=0.5)
    data = Configurations(free.sample(3000, Stream(1)), boundary="periodic")
    model = models.ConvolutionalEnergy.for_target(
        data, channels=4, hidden=4, noise_range=(0.3, 2.0), even=True, rng=1
    )
    settings = FitSettings(n_epochs=6, batch_size=100, learning_rate=2e-2, ema_decay=0.98)
    fitted = fit(model, DenoisingScoreMatching(data), settings, rng=1).model
    x = data.flat[:500].reshape(-1, 6, 6)
    z = np.random.default_rng(2).standard_normal(x.shape)
    for sigma in (0.6, 1.2):
        y = torch.tensor(x + sigma * z, dtype=torch.float32, requires_grad=True)
        S = fitted.forward_at(y, torch.full((len(x),), sigma)).sum()
        (found,) = torch.autograd.grad(S, y)
        modes = np.fft.fft2(y.detach().numpy())

        right, wrong = (
            np.fft.ifft2(spectrum * modes).real
            for spectrum in (1 / (1 / free.spectrum + sigma**2), free.spectrum)
        )
        off = [np.sqrt(np.mean((found.numpy() - g) ** 2) / np.mean(g**2)) for g in (right, wrong)]
        assert off[0] < 0.15
        assert off[1] > 2 * off[0]  # the law itself


def test_the_label_says_what_is_learned():
    assert (
        DenoisingScoreMatching(normal_data(50), 0.1).label == "denoising (learns p * N(0, 0.1^2))"
    )


def test_one_noise_or_a_range_but_not_both():
    data = normal_data(50)
    with pytest.raises(InputError, match="sigma must be given"):
        DenoisingScoreMatching(data).begin(Gaussian([[1.0]]), Stream(1))
    ranged = models.MlpEnergy((1,), noise_range=(0.1, 2.0), rng=1)
    with pytest.raises(InputError, match=r"takes no sigma, got 0.1"):
        DenoisingScoreMatching(data, 0.1).begin(ranged, Stream(1))
    plain = models.MlpEnergy((1,), rng=1)
    with pytest.raises(InputError, match="sigma must be given"):
        DenoisingScoreMatching(data).begin(plain, Stream(1))
    with pytest.raises(InputError, match="must have a noise_range"):
        plain.forward_at(torch.zeros(1, 1), torch.ones(1))
    with pytest.raises(InputError, match="sigma must be a positive number, got 0"):
        DenoisingScoreMatching(data, 0)

"""Score matching: traces, their probes, and Gaussians, whose minimum is known."""

import numpy as np
import pytest
import torch
from helpers.energies import Gaussian, Quartic, gradients
from helpers.statistics import within

from physgen import Hypercubic, models
from physgen.core.errors import InputError
from physgen.core.learning import Objective
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training import FitSettings, ScoreMatching, fit
from physgen.training.hyvarinen import hyvarinen

LATTICE = Hypercubic((4, 4))
COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, -0.5], [0.0, -0.5, 0.7]])


def correlated(n=4000, seed=1):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(3), COVARIANCE, n)


def learned():
    """A convolution with weights that are not small."""
    model = models.ConvolutionalEnergy((4, 4), rng=1)
    with torch.no_grad():
        model.out += torch.linspace(-0.2, 0.3, 16)
        model.soft_couplings[1] = -0.2
    return model.double()


def test_the_exact_trace_is_the_laplacian():
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((5, 2, 3)))
    J = hyvarinen(Quartic((2, 3)), x, "exact", None, Stream(1))
    slope, laplacian = x + 0.4 * x**3, 6 + 1.2 * (x**2).sum((1, 2))
    torch.testing.assert_close(J, 0.5 * (slope**2).sum((1, 2)) - laplacian)


@pytest.mark.parametrize("probes", ["rademacher", "checkerboard"])
def test_probes_are_unbiased(probes):
    model, x = learned(), torch.randn(1, 4, 4, generator=Stream(2).torch()).double()
    exact = float(hyvarinen(model.forward, x, "exact", LATTICE, Stream(1)).detach())
    J = hyvarinen(model.forward, x.expand(3000, 4, 4), probes, LATTICE, Stream(3)).detach()
    error = float(J.std() / len(J) ** 0.5)
    assert within(float(J.mean()), exact, error, largest=0.12)
    # Saboteur: the trace counted at one temperature that is off by 5 %.
    wrong = hyvarinen(lambda y: 1.05 * model(y), x, "exact", LATTICE, Stream(1))
    assert not within(float(J.mean()), float(wrong.detach()), error, largest=0.12)


def test_a_checkerboard_leaves_out_the_noise_of_neighbours():
    model, x = learned(), torch.randn(1, 4, 4, generator=Stream(2).torch()).double()
    many = x.expand(500, 4, 4)
    spread = {
        probes: float(hyvarinen(model.forward, many, probes, LATTICE, Stream(3)).detach().std())
        for probes in ("rademacher", "checkerboard")
    }
    assert spread["checkerboard"] < 0.8 * spread["rademacher"]


def test_three_colours_where_two_are_too_few():
    lattice = Hypercubic((3, 5))
    model = models.ConvolutionalEnergy((3, 5), rng=1).double()
    x = torch.randn(1, 3, 5, generator=Stream(2).torch()).double()
    exact = float(hyvarinen(model.forward, x, "exact", lattice, Stream(1)).detach())
    J = hyvarinen(model.forward, x.expand(3000, 3, 5), "checkerboard", lattice, Stream(3)).detach()
    assert within(float(J.mean()), exact, float(J.std() / len(J) ** 0.5), largest=0.12)


def test_the_minimum_of_a_gaussian_is_the_inverse_covariance():
    data = Configurations(correlated())
    objective = ScoreMatching(data, probes="exact", augment=False)
    assert isinstance(objective, Objective)
    x, index = objective.samples.train.double().numpy(), np.arange(objective.n_train)
    precision = np.linalg.inv(x.T @ x / len(x))
    assert np.abs(gradients(objective, Gaussian(precision), index, Stream(1))).max() < 1e-6
    # Saboteur: the inverse covariance of a temperature that is off by 5 %.
    assert np.abs(gradients(objective, Gaussian(1.05 * precision), index, Stream(1))).max() > 0.01


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_fit_finds_the_precision_at_its_temperature(temperature):
    objective = ScoreMatching(Configurations(correlated()), temperature=temperature)
    settings = FitSettings(n_epochs=40, batch_size=100, learning_rate=2e-2, clip_norm=None)
    found = fit(Gaussian(np.eye(3)), objective, settings, rng=1).model.K.detach().numpy()
    wanted = temperature * np.linalg.inv(COVARIANCE)
    np.testing.assert_allclose((found + found.T) / 2, wanted, atol=0.12 * temperature)


def test_a_batch_is_the_mean_of_its_rows_and_every_row_counts():
    """Peers returned a loss whose rows past the first did not move it."""
    objective, model = (
        ScoreMatching(Configurations(correlated()), probes="exact"),
        Gaussian(np.eye(3)),
    )
    index = np.array([3, 14, 15, 92])
    single = [gradients(objective, model, index[i : i + 1], Stream(1)) for i in range(4)]
    whole = gradients(objective, model, index, Stream(1))
    np.testing.assert_allclose(whole, np.mean(single, 0), rtol=1e-10)
    assert min(np.abs(row - whole).max() for row in single) > 1e-3


def test_validation_is_the_same_every_time_and_per_site():
    objective = ScoreMatching(Configurations(correlated()))
    model = Gaussian(np.linalg.inv(COVARIANCE))
    losses = objective.evaluate(model)
    np.testing.assert_array_equal(losses, objective.evaluate(model))
    # At the minimum J = -tr K / 2.
    J = -0.5 * np.trace(np.linalg.inv(COVARIANCE)) / 3
    assert within(losses.mean(), J, losses.std() / len(losses) ** 0.5, largest=0.1)


def test_what_cannot_be_matched_is_refused():
    spins = Configurations(np.random.default_rng(1).choice([-1, 1], (50, 4)))
    with pytest.raises(InputError, match="needs real fields, got spins; use Persistent"):
        ScoreMatching(spins)
    data = Configurations(correlated(50))
    with pytest.raises(InputError, match="'checkerboard' need data on a lattice"):
        ScoreMatching(data, probes="checkerboard")
    with pytest.raises(InputError, match="probes must be one of"):
        ScoreMatching(data, probes="hutchinson")
    with pytest.raises(InputError, match="temperature must be a positive number, got 0"):
        ScoreMatching(data, temperature=0)

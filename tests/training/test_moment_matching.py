"""Newton's steps on soft couplings find the maximum of the likelihood."""

import numpy as np
import pytest
import torch
from helpers.energies import Gaussian
from torch import nn

from physgen.core.energies import SoftDirections
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training import MomentMatching, fit


class Chain(nn.Module):
    """S = g_1 sum x^2 + g_2 sum x_i x_{i+1} on a ring of 6: a Gaussian of known moments."""

    event_shape, support = (6,), REALS

    def __init__(self, g):
        super().__init__()
        self.soft_couplings = nn.Parameter(torch.tensor(g, dtype=torch.float64))

    def soft_terms(self, x):
        x = x.double()
        return torch.stack([(x * x).sum(1), (x * x.roll(1, 1)).sum(1)], 1)

    def forward(self, x):
        return self.soft_terms(x) @ self.soft_couplings


def covariance(g):
    shift = np.roll(np.eye(6), 1, 1)
    return np.linalg.inv(2 * g[0] * np.eye(6) + g[1] * (shift + shift.T))


TRUE = (0.8, -0.5)


def data(n=20_000):
    x = np.random.default_rng(1).multivariate_normal(np.zeros(6), covariance(TRUE), n)
    return Configurations(x, boundary="periodic", symmetries=["z2"])


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_soft_couplings_reach_the_moments_of_the_data(temperature):
    model = Chain([0.95 * temperature, -0.4 * temperature])
    assert isinstance(model, SoftDirections)
    objective = MomentMatching(data(), 4, 500, 60, temperature=temperature)
    assert objective.solves(model)
    metrics = objective.solve(model, Stream(1)).metrics
    g = model.soft_couplings.detach().numpy() / temperature
    np.testing.assert_allclose(g, TRUE, atol=0.02)
    assert abs(metrics["deviation_0_0"]) > 0.15
    assert abs(metrics["deviation_3_0"]) < 5 * metrics["deviation_3_0_error"] < 0.08
    assert metrics["acceptance"] > 0.6


def test_fit_solves_it_and_keeps_what_it_measured():
    told = []
    result = fit(
        Chain([0.85, -0.5]), MomentMatching(data(2000), 1, 50, 9), rng=1, on_progress=told.append
    )
    assert result.stopped_by == "solution"
    names = set(result.history.data_vars)
    assert {"deviation_0_0", "deviation_0_1_error", "acceptance", "train_contrast"} <= names
    assert "validation_score_matching" in names
    assert told[-1].label == "moment matching"


def test_a_step_of_the_other_sign_is_seen(monkeypatch):
    from physgen.training import moment_matching as module

    newton = module._newton
    monkeypatch.setattr(module, "_newton", lambda *a: (-newton(*a)[0], *newton(*a)[1:]))
    model = Chain([0.85, -0.5])
    MomentMatching(data(), 3, 200, 12).solve(model, Stream(1))
    assert np.abs(model.soft_couplings.detach().numpy() - TRUE).max() > 0.1


def test_it_is_a_pure_function_of_its_stream():
    found = []
    for _ in range(2):
        model = Chain([1.0, -0.4])
        MomentMatching(data(2000), 1, 50, 6).solve(model, Stream(1))
        found.append(model.soft_couplings.detach().clone())
    assert torch.equal(*found)


def test_an_energy_without_soft_terms_is_refused():
    objective, model = MomentMatching(data(100)), Gaussian(np.eye(6))
    assert not objective.solves(model)
    with pytest.raises(InputError, match="needs an energy with soft terms, got Gaussian"):
        objective.solve(model, Stream(1))
    with pytest.raises(InputError, match="needs an energy with soft terms, got Gaussian"):
        objective.loss(model, np.arange(3), Stream(1), {})


def test_terms_that_are_one_are_refused():
    class Twice(Chain):
        def soft_terms(self, x):
            return super().soft_terms(x)[:, [0, 0]]

    with pytest.raises(InputError, match="must vary independently"):
        MomentMatching(data(100), 1, 20, 3).solve(Twice([0.5, 0.5]), Stream(1))

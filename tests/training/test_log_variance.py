"""Training from the action alone through the variance of path weights."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import EquivariantCNF, FreeField, Ising, Phi4, Stream, fit
from physgen.core.errors import InputError
from physgen.models import ScoreModel, path_importance
from physgen.training import FitSettings, LogVariance
from physgen.training.log_variance import gaussian_spectrum

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
LOG_Z = 2.405138962  # of phi4_torus, see tests/exact/test_phi4_quadrature.py
QUICK = FitSettings(n_epochs=3, batch_size=128, learning_rate=2e-2, clip_norm=10.0, ema_decay=0.9)


def model(target=PHI4):
    return ScoreModel.for_target(target, rng=1, channels=6, times=3)


def test_the_action_of_a_free_field_gives_its_spectrum_and_no_loss():
    free = FreeField(L=4, m2=0.5)
    q = ScoreModel.for_target(free, decimate=False, rng=1).double()
    objective = LogVariance(free, 4)
    objective.prepare(q)
    fields = q.modes.numpy().T.reshape(-1, 4, 4)
    wanted = -1 / (fields * free.force(fields)).sum((1, 2))
    np.testing.assert_allclose(q.spectrum.numpy(), wanted, rtol=1e-6)
    assert float(objective.loss(q, np.arange(64), Stream(1), {}).value.detach()) < 1e-9
    np.testing.assert_allclose(objective.evaluate(q) * 16, -free.log_z, atol=1e-5)
    q.spectrum.mul_(1.1)
    assert float(objective.loss(q, np.arange(64), Stream(1), {}).value.detach()) > 1e-3


def test_the_gaussian_has_the_least_divergence():
    """F = E[S] - 1/2 sum ln C grows in every direction, with the same random numbers."""
    q = model().even.double()
    target = model().collapsed_for(PHI4)[1]
    c = gaussian_spectrum(q, target)
    z = np.random.default_rng(5).standard_normal((20_000, len(c)))

    def free_energy(c):
        x = (z * np.sqrt(c)) @ q.modes.numpy().T
        return float(np.mean(target.action(x))) - 0.5 * np.log(c).sum()

    for factor in (0.85, 1.15):
        assert free_energy(factor * c) > free_energy(c) + 1e-3


def test_the_gradient_is_that_of_the_variance_at_fixed_paths():
    q = model().double()
    objective = LogVariance(PHI4, 5)
    objective.prepare(q)
    with torch.no_grad():
        for out in q.even.network.out:
            out.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    weights = [p for p in q.parameters() if p.requires_grad]
    loss = objective.loss(q, np.arange(32), Stream(4), {}).value
    found = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
    paths, path, log_w = objective._drawn(q.even, q.collapsed_for(PHI4)[1], 32, Stream(4))
    assert float(loss.detach()) == pytest.approx(float(0.5 * log_w.var()), rel=1e-9)
    fixed = log_w.clone()
    for k, kernel in enumerate(paths.steps):
        xi = kernel.deviates(path[k], paths.score(path[k], kernel.t), path[k + 1])
        fixed = fixed + 0.5 * (xi.square().sum(1) - xi.detach().square().sum(1))
    wanted = torch.autograd.grad(0.5 * fixed.var(), weights, retain_graph=True)
    torch.testing.assert_close(found, torch.cat([g.flatten() for g in wanted]))
    # Every path counts.
    score = torch.autograd.grad(fixed.sum(), weights, allow_unused=True)
    assert all(float(g.abs().max()) > 0 for g in score if g is not None)


@pytest.mark.slow
def test_paths_are_trained_without_configurations():
    q = model()
    objective = LogVariance(PHI4, 12, n_validation=512, draws_per_epoch=6400)
    objective.prepare(q)
    before = path_importance(q, PHI4, 4096, 1, n_steps=12)
    fit(q, objective, QUICK, rng=2)
    after = path_importance(q, PHI4, 4096, 1, n_steps=12)
    assert float(after.ess_share) > 1.3 * float(before.ess_share)
    assert within(after.log_z, LOG_Z, after.log_z_error, largest=0.025)
    losses = objective.evaluate(q)
    assert 0.3 < objective.merits["ess"](losses) <= 1
    assert losses.mean() * 16 > -LOG_Z  # a bound on -log Z


def test_bad_input():
    with pytest.raises(InputError, match="family 'coloured-net'"):
        LogVariance(Ising(L=4, beta=0.3))
    with pytest.raises(InputError, match="n_steps must be an integer >= 2"):
        LogVariance(PHI4, 1)
    cnf = EquivariantCNF.for_target(PHI4)
    with pytest.raises(InputError, match=r"paths are those of a ScoreModel.* take ReverseKL"):
        LogVariance(PHI4).prepare(cnf)
    assert LogVariance(PHI4, n_validation=0).evaluate(cnf).size == 0

"""Flow matching: its base, its gradients, exact weights from configurations."""

import numpy as np
import pytest
import torch
from scipy import stats

from physgen import (
    Configurations,
    EquivariantCNF,
    FreeField,
    Phi4,
    Phi4Cluster,
    Stream,
    fit,
    importance,
    run,
)
from physgen.core.errors import InputError
from physgen.models.diffusion.score import ScoreModel
from physgen.samplers import unpack_configurations
from physgen.training import FitSettings, FlowMatching

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
QUICK = FitSettings(n_epochs=12, batch_size=256, learning_rate=2e-2, clip_norm=None, ema_decay=0.9)


@pytest.fixture(scope="module")
def samples():
    how = {"n_chains": 128, "n_draws": 40, "thin": 2, "seed": 3, "quiet": True}
    ds = run(Phi4Cluster(), PHI4, keep="configurations", **how)
    return unpack_configurations(ds).transpose("draw", "chain", ...).values.reshape(-1, 4, 4)


def flow(**options):
    return EquivariantCNF.for_target(PHI4, rng=1, features=3, frequencies=4, times=3, **options)


def test_a_flow_learns_from_configurations_without_being_solved(samples):
    q, objective = flow(), FlowMatching(PHI4, samples)
    before = objective.evaluate(q).mean()
    fit(q, objective, QUICK, rng=2)
    assert objective.evaluate(q).mean() < before
    found = importance(q, PHI4, 4096, 4, samples=samples[-1000:])
    assert float(found.ess_share) > 0.8


def test_the_line_begins_at_the_base_and_leaves_it_alone(samples):
    """T9: at t = 0 the line is a draw of the base, which has the spectrum of the data."""
    q, objective = flow(), FlowMatching(PHI4, samples)
    objective.prepare(q)
    base = q.even.base
    x = objective.data.part(q).x
    measured = ((x @ base.modes) ** 2).mean(0)
    assert float(measured.max() / measured.min()) > 2
    torch.testing.assert_close(base.log_spectrum.exp().detach(), measured, rtol=0.15, atol=0)
    z = base.draw(2000, Stream(1).torch())[0].detach() @ base.modes
    white = (z / base.log_spectrum.exp().sqrt()).detach().numpy()
    assert stats.kstest(white.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(1.1 * white.ravel(), "norm").pvalue < 1e-3
    objective.loss(q, np.arange(64), Stream(1), {}).value.backward()
    assert base.log_spectrum_orbits.grad is None


def test_a_gaussian_has_the_velocity_of_its_line():
    """v* = (2t - 1) / ((1 - t)^2 + t^2) phi where base and field have one law."""
    free = FreeField(L=4, m2=1.0)
    q = EquivariantCNF((4, 4), features=1, frequencies=1, times=2, rng=1).double()
    objective = FlowMatching(free, free.sample(4000, rng=1))
    objective.prepare(q)
    x = torch.tensor(free.sample(4000, rng=2)).flatten(1)
    z = q.base.draw(4000, Stream(1).torch())[0].detach()
    found = []
    for t in (0.2, 0.7):
        slope = (2 * t - 1) / ((1 - t) ** 2 + t**2)
        for factor in (0.8, 1.0, 1.2):
            with torch.no_grad():
                q.velocity.kappa.zero_()
                q.velocity.kappa[0, 0, 0] = slope * factor
            at = torch.tensor([t], dtype=torch.float64)
            found.append(float(objective.errors(q, x, z, at).mean().detach()))
    assert found[1] < min(found[0], found[2])
    assert found[4] < min(found[3], found[5])


def test_the_gradient_of_a_batch_is_the_mean_over_its_items(samples):
    whole, objective = flow(), FlowMatching(PHI4, samples)
    objective.prepare(whole)
    q = whole.even.double()
    with torch.no_grad():
        q.velocity.kappa.add_(0.1)
    x = objective.data.part(whole).x[:64].double()
    z = q.base.draw(64, Stream(1).torch())[0].detach()
    t = torch.linspace(0.1, 0.9, 16, dtype=torch.float64)
    weights = list(q.velocity.parameters())

    def gradient(rows, t):
        found = torch.autograd.grad(objective.errors(q, x[rows], z[rows], t).mean(), weights)
        return torch.cat([g.flatten() for g in found])

    singles = torch.stack([gradient(slice(k, k + 1), t[k // 4 : k // 4 + 1]) for k in range(64)])
    torch.testing.assert_close(singles.mean(0), gradient(slice(0, 64), t), atol=1e-9, rtol=1e-6)
    assert float(singles.abs().amax(1).min()) > 0


def test_bad_input(samples):
    with pytest.raises(InputError, match="take DenoisingDiffusion"):
        FlowMatching(PHI4, samples).prepare(ScoreModel.for_target(PHI4))
    with pytest.raises(InputError, match="needs samples of"):
        FlowMatching(PHI4)


def test_a_base_that_the_line_does_not_assume_is_refused():
    """T9."""
    flow = EquivariantCNF((4, 4), rng=1)
    flow.base = torch.nn.Identity()
    objective = FlowMatching(Configurations(np.random.default_rng(1).normal(size=(40, 4, 4))))
    with pytest.raises(InputError, match="begins at the base of the flow, a Gaussian"):
        objective.prepare(flow)

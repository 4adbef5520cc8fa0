"""Denoising: gradients, one optimum of two regressions, exact weights from configurations."""

import numpy as np
import pytest
import torch
from helpers.fits import assert_same_weights
from helpers.marks import slow
from helpers.statistics import within

from physgen import (
    Configurations,
    EquivariantCNF,
    Ising,
    Phi4,
    Phi4Cluster,
    Stream,
    fit,
    importance,
    run,
)
from physgen.core.errors import InputError, InterruptedRunError
from physgen.models.diffusion.score import ScoreModel
from physgen.samplers import unpack_configurations
from physgen.training import DenoisingDiffusion, FitSettings, denoising_diffusion

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
LOG_Z = 2.405138962  # of phi4_torus, see tests/exact/test_phi4_quadrature.py
QUICK = FitSettings(n_epochs=2, batch_size=256, learning_rate=1e-3, clip_norm=None, ema_decay=0.9)
SMALL = {"channels": 6, "times": 3}


@pytest.fixture(scope="module")
def samples():
    how = {"n_chains": 128, "n_draws": 40, "thin": 2, "seed": 3, "quiet": True}
    ds = run(Phi4Cluster(), PHI4, keep="configurations", **how)
    return unpack_configurations(ds).transpose("draw", "chain", ...).values.reshape(-1, 4, 4)


@pytest.fixture(autouse=True)
def few_solved(monkeypatch):
    monkeypatch.setattr(denoising_diffusion, "MOST_SOLVED", 8192)


def model(**options):
    return ScoreModel.for_target(PHI4, rng=1, **SMALL, **options)


def test_configurations_alone_give_exact_log_z(samples):
    """Trained in a second; log Z as by quadrature, and both effective shares near 1."""
    q = model()
    fit(q, DenoisingDiffusion(PHI4, samples), QUICK, rng=2)
    found = importance(q, PHI4, 8192, 4, samples=samples[-1000:])
    assert within(found.log_z, LOG_Z, found.log_z_error, largest=0.005)
    assert float(found.ess_reverse) > 0.95
    assert float(found.ess_forward) > 0.95


def test_without_an_action_there_is_the_noise(samples):
    """The same from configurations whose action is not told, on the whole lattice."""
    known = {"boundary": "periodic", "symmetries": ["translations", "point_group", "z2"]}
    data = Configurations(samples, **known)
    objective = DenoisingDiffusion(data)
    assert objective.regression == "noise"
    q = ScoreModel.for_target(data, rng=1, **SMALL)
    fit(q, objective, QUICK, rng=2)
    found = importance(q, PHI4, 4096, 4, samples=samples[-1000:])
    assert within(found.log_z, LOG_Z, found.log_z_error, largest=0.02)
    assert float(found.ess_share) > 0.7
    with pytest.raises(InputError, match="configurations of an unknown one"):
        fit(model(), objective, QUICK)


def drawn(objective, q, n, seed=1):
    x, force = objective.data.part(q)
    generator = Stream(seed).torch()
    rows = torch.randint(len(x), (n,), generator=generator)
    share, z = torch.rand(n, generator=generator), torch.randn(n, x.shape[1], generator=generator)
    return x[rows], None if force is None else force[rows], share, z


def test_both_regressions_have_one_optimum(samples):
    """E[f (goal_mixed - goal_noise)] = 0 for every feature f; a wrong sign of the force shows."""
    q = model().even
    mixed = DenoisingDiffusion(PHI4, samples, regression="mixed")
    noise = DenoisingDiffusion(PHI4, samples, regression="noise")
    whole = model()
    mixed.prepare(whole)
    q = whole.even.double()
    x, force, share, z = drawn(mixed, whole, 4000)
    share = 0.3 + 0.6 * share  # where the noise is not weak: its goal has no large variance

    def pulls(force):
        a, b = (o.regression_at(q, x, force, share, z) for o in (mixed, noise))
        gap = a.goal / a.scale - b.goal / b.scale
        c = (q.network.features(a.x, a.weights) * (b.scale**2 * gap)[:, None]).sum(2).detach()
        return (c.mean(0) / (c.std(0) / len(c) ** 0.5)).numpy()

    assert force is not None
    assert np.abs(pulls(force)).max() < 4.5
    assert np.abs(pulls(-force)).max() > 10


def test_the_gradient_of_a_batch_is_the_mean_over_its_items(samples):
    """T10: with equal noise, and every item has a gradient of its own."""
    whole, objective = model(), DenoisingDiffusion(PHI4, samples)
    objective.prepare(whole)
    q = whole.even.double()
    parts = drawn(objective, whole, 64)

    def gradient(rows):
        picked = [None if t is None else t[rows] for t in parts]
        found = torch.autograd.grad(objective.errors(q, *picked).mean(), list(q.parameters()))
        return torch.cat([g.flatten() for g in found])

    singles = torch.stack([gradient(slice(k, k + 1)) for k in range(64)])
    together = gradient(slice(0, 64))
    size = float(together.abs().max())
    torch.testing.assert_close(singles.mean(0), together, atol=1e-6 * size, rtol=1e-6)
    assert float(singles.abs().amax(1).min()) > 0


@pytest.mark.parametrize("weighting", denoising_diffusion.WEIGHTINGS)
def test_every_weighting_is_a_loss_that_the_closed_form_lowers(samples, weighting):
    q, objective = model(), DenoisingDiffusion(PHI4, samples, weighting=weighting)
    q.even.standardise(objective.data.part(q).x)
    before = objective.evaluate(q)
    assert before.shape == (objective.n_validation,)
    assert (before >= 0).all()
    objective.prepare(q)
    solved = objective.evaluate(q).mean()
    assert solved < before.mean()
    # A minimum: in every direction of the output filters the loss grows, both ways.
    generator = Stream(1).torch()
    for out in q.even.network.out:
        step = 0.2 * out.detach().abs().mean() * torch.randn(out.shape, generator=generator)
        for sign in (1, -1):
            with torch.no_grad():
                out.add_(sign * step)
            assert objective.evaluate(q).mean() > solved
            with torch.no_grad():
                out.sub_(sign * step)


def test_the_likelihood_weighting_is_in_nats(samples):
    r"""For a Gaussian of variance a that is taken for one of variance C, in closed form.

    N = 0, and the goal is x_0 / a - x_0 / C with x_0 = 0 on average given nothing: the loss is the
    integral of lambda gamma^2 (1/a - 1/C)^2 a over lambda.
    """
    a, c, n = 1.3, 1.0, 20_000
    x = np.random.default_rng(1).normal(size=(n, 2, 2)) * np.sqrt(a)
    target = Phi4((2, 2), hop=0.0, quad=0.5 / a, quart=0.0)
    q = ScoreModel((2, 2), times=2, channels=2, rng=1).double()
    objective = DenoisingDiffusion(target, x, weighting="likelihood")
    assert float(q.spectrum.max()) == c
    parts = drawn(objective, q, 50_000)
    found = objective.errors(q, *parts).detach()
    lam = np.linspace(0, 5, 20_001)
    inside = (lam * (c / (c + lam**2)) ** 2).sum() * (lam[1] - lam[0])
    wanted = 4 * a * (1 / a - 1 / c) ** 2 * inside
    error = float(found.std()) / len(found) ** 0.5
    assert within(float(found.mean()), wanted, error, largest=0.02 * wanted)


def test_a_fit_resumes_bit_for_bit(samples):
    kept = []

    def stop():
        return len(kept) >= 2

    objective = DenoisingDiffusion(PHI4, samples[:1000])
    whole = fit(model(), objective, QUICK, rng=2).model
    keep = {"on_checkpoint": lambda state, history: kept.append(state)}
    calls = iter(range(100))
    with pytest.raises(InterruptedRunError):
        fit(model(), objective, QUICK, rng=2, should_stop=lambda: next(calls) >= 3, **keep)
    again = fit(model(), objective, QUICK, rng=2, resume_from=kept[-1]).model
    assert_same_weights(again, whole)


def test_finishing_never_loses(samples, monkeypatch):
    q, objective = model(), DenoisingDiffusion(PHI4, samples)
    objective.prepare(q)
    kept = {k: v.clone() for k, v in q.state_dict().items()}
    # Saboteur: the solution is thrown away.
    monkeypatch.setattr(
        denoising_diffusion, "solve_out", lambda network, batches: network.out[0].data.mul_(-3)
    )
    objective.finish(q)
    for name, tensor in q.state_dict().items():
        torch.testing.assert_close(tensor, kept[name], rtol=0, atol=0)


@slow
def test_the_closed_form_carries_an_l8_field_near_its_transition():
    target = Phi4.from_hopping(L=8, kappa=0.27, lam=0.022)
    how = {"n_chains": 256, "n_draws": 24, "thin": 3, "seed": 3, "quiet": True}
    ds = run(Phi4Cluster(), target, keep="configurations", **how)
    x = unpack_configurations(ds).transpose("draw", "chain", ...).values.reshape(-1, 8, 8)
    q = ScoreModel.for_target(target, rng=1)
    DenoisingDiffusion(target, x[:5000]).prepare(q)
    found = importance(q, target, 4096, 1, samples=x[5000:])
    assert float(found.ess_share) > 0.85
    assert within(found.log_z, 46.0106, found.log_z_error, largest=0.01)


def test_bad_input(samples):
    with pytest.raises(InputError, match="needs samples of"):
        DenoisingDiffusion(PHI4)
    with pytest.raises(InputError, match="weighting must be one of"):
        DenoisingDiffusion(PHI4, samples, weighting="snr")
    with pytest.raises(InputError, match="'mixed' needs a target with a force"):
        DenoisingDiffusion(Configurations(samples), regression="mixed")
    with pytest.raises(InputError, match="others beside them"):
        DenoisingDiffusion(Configurations(samples), samples)
    with pytest.raises(InputError, match=r"at least 20 configurations \(n, 4, 4\)"):
        DenoisingDiffusion(PHI4, samples[:, :2])
    spins = np.ones((30, 4, 4), np.int8)
    with pytest.raises(InputError, match="family 'coloured-net'"):
        DenoisingDiffusion(Ising(L=4, beta=0.3), spins)
    cnf = EquivariantCNF.for_target(PHI4)
    with pytest.raises(InputError, match="take FlowMatching"):
        DenoisingDiffusion(PHI4, samples).prepare(cnf)

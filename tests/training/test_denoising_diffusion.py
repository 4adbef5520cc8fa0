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
from physgen.training.explicit_score import posterior_mean
from physgen.training.regressions import regression

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
        denoising_diffusion,
        "solve_out",
        lambda network, batches, **how: network.out[0].data.mul_(-3),
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
    with pytest.raises(InputError, match="'coloured-net'"):
        DenoisingDiffusion(Ising(L=4, beta=0.3), spins)
    cnf = EquivariantCNF.for_target(PHI4)
    with pytest.raises(InputError, match="take FlowMatching"):
        DenoisingDiffusion(PHI4, samples).prepare(cnf)


def test_the_regression_on_the_force_has_the_optimum_of_the_mixed_one(samples):
    """Noise-free, explicit and mixed goals agree on average, given every feature; -force not."""
    whole = model()
    mixed = DenoisingDiffusion(PHI4, samples, regression="mixed")
    mixed.prepare(whole)
    q = whole.even.double()
    x, force, share, z = drawn(mixed, whole, 3000)
    for name in ("force", "explicit"):
        other = DenoisingDiffusion(PHI4, samples, regression=name, thermalised="ignore")
        other.data.part(whole)

        def pulls(force, other=other):
            a, b = (o.regression_at(q, x, force, share, z) for o in (mixed, other))
            gap = a.goal / a.scale - b.goal / b.scale
            c = (q.network.features(a.x, a.weights) * (b.scale**2 * gap)[:, None]).sum(2).detach()
            return (c.mean(0) / (c.std(0) / len(c) ** 0.5)).numpy()

        assert np.abs(pulls(force)).max() < 4.5
        assert np.abs(pulls(-force)).max() > 6


def test_the_explicit_goal_is_the_mean_of_the_force_given_the_noised_field():
    """One number, p = exp(-x^4/4): E[x_0^3 | x] by quadrature; less variance than the force."""
    generator, n = torch.Generator().manual_seed(1), 1500
    grid = torch.linspace(-4, 4, 801, dtype=torch.float64)
    p = torch.exp(-(grid**4) / 4)
    cdf, u = torch.cumsum(p, 0) / p.sum(), torch.rand(2 * n, 1, generator=generator).double()
    x = grid[torch.searchsorted(cdf, u).clamp(max=800)]
    own, rest = x[:n], x[n:]
    lam2 = torch.full((n, 1), 0.3, dtype=torch.float64)
    noised = own + lam2.sqrt() * torch.randn(n, 1, generator=generator, dtype=torch.float64)
    found = posterior_mean(noised, lam2, (own, own**3), (rest, rest**3))
    w = p * torch.exp(-((noised - grid) ** 2) / (2 * 0.3))
    exact = (w * grid**3).sum(1, keepdim=True) / w.sum(1, keepdim=True)
    off, bare = (found - exact).square().mean(), (own**3 - exact).square().mean()
    assert float(off) < 0.05 * float(bare)
    # Without noise it is the own value.
    same = posterior_mean(own, 0 * lam2, (own, own**3), (rest + 10, rest**3))
    torch.testing.assert_close(same, own**3)


def test_a_force_at_the_end_of_the_noise_is_a_penalty_of_its_own(samples):
    whole = model()
    plain, forced = (
        DenoisingDiffusion(PHI4, samples, regression="noise", force_weight=w) for w in (0.0, 2.0)
    )
    plain.prepare(whole)
    q = whole.even.double()
    parts = drawn(plain, whole, 200)
    more = forced.errors(q, *parts) - plain.errors(q, *parts)
    x = parts[0].double()
    score = q.score(x, 0.0)  # of the clean field, up to the Gaussian part
    off = ((score - parts[1].double()) @ q.modes * q.units[0]).square().sum(1)
    torch.testing.assert_close(more, 2 * off, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["target-score", "explicit-score", "force-regularised"])
def test_every_named_regression_trains(samples, name):
    q, objective = model(), regression(name, PHI4, samples, 0.1)
    fit(q, objective, QUICK, rng=2)
    found = importance(q, PHI4, 2048, 4, samples=samples[-1000:])
    assert float(found.ess_share) > 0.8


@pytest.mark.parametrize("how", [{"regression": "explicit"}, {"force_weight": 0.5}])
def test_the_gradient_of_these_is_a_mean_over_items_too(samples, how):
    """T10 for the regressions with a force."""
    whole = model()
    objective = DenoisingDiffusion(PHI4, samples, thermalised="ignore", **how)
    objective.prepare(whole)
    q = whole.even.double()
    parts = drawn(objective, whole, 16)

    def gradient(rows):
        picked = [t[rows] for t in parts]
        found = torch.autograd.grad(objective.errors(q, *picked).mean(), list(q.parameters()))
        return torch.cat([g.flatten() for g in found])

    singles = torch.stack([gradient(slice(k, k + 1)) for k in range(16)])
    together = gradient(slice(0, 16))
    size = float(together.abs().max())
    torch.testing.assert_close(singles.mean(0), together, atol=1e-6 * size, rtol=1e-6)
    assert float(singles.abs().amax(1).min()) > 0


def test_bad_input_of_the_regressions(samples):
    nobody = Configurations(samples)
    for how in ({"regression": "force"}, {"regression": "explicit"}, {"force_weight": 1.0}):
        with pytest.raises(InputError, match="needs a target with a force, got none; use 'noise'"):
            DenoisingDiffusion(nobody, **how)
    with pytest.raises(InputError, match="force_weight must be a number >= 0, got -1"):
        DenoisingDiffusion(PHI4, samples, force_weight=-1.0)
    with pytest.raises(InputError, match="extremes of a sample grow with its size"):
        DenoisingDiffusion(PHI4, samples, scaling="extremes")
    big = Phi4.from_hopping(L=16, kappa=0.2, lam=0.02)
    x = np.random.default_rng(1).standard_normal((40, 16, 16))
    with pytest.raises(InputError, match=r"at most 64 sites, .* got 128; use 'mixed'"):
        DenoisingDiffusion(big, x, regression="explicit", thermalised="ignore")

"""Classical densities of fields: closed forms, scikit-learn, and what a density promises."""

import math

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, normal_p
from scipy import stats
from sklearn import neighbors

from physgen import Configurations, FreeField, fit, models
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.models.classical import kernel_density
from physgen.training import ForwardKL, MaximumLikelihood, ReverseKL

ROWS = {
    "gaussian": {},
    "gaussian-mixture": {"n_components": 2},
    "factor-analysis": {"n_factors": 1},
    "kernel-density": {"n_points": 300},
}
every_row = pytest.mark.parametrize("family", ROWS)


def two_hills(n, seed=1, shape=(2,)):
    """Numbers with two peaks and correlations."""
    g = np.random.default_rng(seed)
    x = g.normal(size=(n, math.prod(shape))) * 0.4
    x[:, 1] += 0.5 * x[:, 0]
    return (x + np.where(g.random((n, 1)) < 0.6, 1.0, -1.2)).reshape(n, *shape)


def estimated(family, x, rng=1, **options):
    config = {"family": family, "shape": list(x.shape[1:]), **ROWS[family], **options}
    model = models.build(config, rng=1)
    fit(model, MaximumLikelihood(Configurations(x)), rng=rng)
    return model


def test_every_family_is_here():
    rows = models.families.FAMILIES
    fields = models.families.names("reals")
    assert set(ROWS) == {name for name in fields if rows[name].path.startswith("classical.")}


@every_row
def test_it_integrates_to_one_and_is_drawn_as_it_is_scored(family):
    model = estimated(family, two_hills(400))
    assert isinstance(model, Density)
    grid = np.linspace(-5, 5, 101)
    plane = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1)
    total = np.exp(model.log_prob(plane)).sum() * (grid[1] - grid[0]) ** 2
    assert total == pytest.approx(1, abs=1e-4)
    x, log_q = model.sample_and_log_prob(40, rng=1)
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-5)
    assert torch.equal(model.sample(7, rng=1), x[:7])

    def p_value(n, seed):
        """E_q[p / q] = 1 for any normalised p, here a normal one inside q."""
        drawn, log_q = model.sample_and_log_prob(n, rng=seed)
        p = stats.multivariate_normal([0.5, 0.5], 0.1).pdf(drawn.numpy())
        ratio = p / np.exp(log_q.numpy())
        return normal_p((ratio.mean() - 1) / (ratio.std() / math.sqrt(n)))

    assert accepts(p_value, 4000)
    honest = type(model).forward
    with pytest.MonkeyPatch.context() as patched:  # Saboteur: log q with a constant left out.
        patched.setattr(type(model), "forward", lambda self, x: honest(self, x) - 0.2)
        assert p_value(4000, 1) < 1e-3


@every_row
def test_weights_come_back_and_a_solution_takes_no_steps(family):
    x = two_hills(300)
    model = models.build({"family": family, "shape": [2], **ROWS[family]}, rng=1)
    found = fit(model, MaximumLikelihood(Configurations(x)), rng=2)
    assert found.stopped_by == "solution"
    again = models.from_dataset(models.to_dataset(model))
    assert again.config == model.config
    np.testing.assert_array_equal(again.log_prob(x), model.log_prob(x))
    slope = torch.from_numpy(x[:5]).float().requires_grad_(True)
    model.log_prob(slope).sum().backward()
    np.testing.assert_allclose(slope.grad, model.force(x[:5]), atol=1e-5)


def test_a_normal_density_has_the_moments_with_n_and_those_of_a_free_field():
    x = two_hills(200)
    model = estimated("gaussian", x)
    kept = x[:180].astype(np.float32).astype(float)
    expected = stats.multivariate_normal(kept.mean(0), np.cov(kept.T, bias=True)).logpdf(x)
    np.testing.assert_allclose(model.log_prob(x), expected, atol=1e-5)
    unbiased = stats.multivariate_normal(kept.mean(0), np.cov(kept.T)).logpdf(x)
    assert np.abs(unbiased - expected).max() > 2e-3  # with n - 1 it would be another one
    # Of a free field the best normal density misses n (n + 3) / 4 m nats.
    target, m = FreeField(L=3, m2=0.7), 20_000
    free = models.for_target(target, "gaussian")
    fit(free, ForwardKL(target, target.sample(m, 1), flip=False), rng=1)
    fresh = target.sample(m, 2)
    lost = (target.log_prob(fresh) - free.log_prob(fresh)).mean()
    assert lost == pytest.approx(9 * 12 / 4 / (0.9 * m), rel=0.5)
    # Evenness is used: the mean is exactly 0.
    even = models.for_target(target, "gaussian")
    fit(even, ForwardKL(target, target.sample(500, 1)), rng=1)
    assert float(even.mean.detach().abs().max()) < 1e-7


def test_expectation_maximisation_finds_the_hills_and_its_responsibilities_are_those_of_bayes():
    x = two_hills(4000)
    model = estimated("gaussian-mixture", x)
    w = torch.softmax(model.logits.detach(), 0).numpy()
    assert sorted(w) == pytest.approx([0.4, 0.6], abs=0.03)
    high = int(model.means[:, 0].argmax())
    assert w[high] == max(w)
    np.testing.assert_allclose(model.means.detach()[high], [1, 1], atol=0.05)
    r = model.responsibilities(x[:50])
    np.testing.assert_allclose(r.sum(1), 1, atol=1e-9)
    assert model.log_prob(x).mean() > estimated("gaussian", x).log_prob(x).mean() + 0.1
    # The worked example of lectures: 0.870509 of weights 0.6, 0.4 and squared distances 1, 4.
    one = models.build({"family": "gaussian-mixture", "shape": [1]})
    with torch.no_grad():
        one.logits.copy_(torch.tensor([0.6, 0.4]).log())
        one.means.copy_(torch.tensor([[-1.0], [2.0]]))
    assert one.responsibilities(np.zeros((1, 1)))[0] == pytest.approx(
        [0.870509, 0.129491], abs=1e-6
    )


def test_factor_analysis_finds_the_loadings_that_made_the_data():
    g = np.random.default_rng(3)
    W, psi = np.array([1.0, -0.8, 0.6, 0.0]), np.array([0.3, 0.5, 0.2, 0.4])
    x = g.normal(size=(8000, 1)) * W + g.normal(size=(8000, 4)) * np.sqrt(psi)
    model = estimated("factor-analysis", x)
    found = model.loadings.detach().numpy()[:, 0]
    np.testing.assert_allclose(found * np.sign(found[0]), W, atol=0.05)
    np.testing.assert_allclose(model.log_noise.detach().exp(), psi, atol=0.04)
    # As many factors as correlations determine: the covariance of the data, and no less.
    normal = estimated("gaussian", x)
    lost = (normal.log_prob(x) - model.log_prob(x)).mean()
    assert 0 < lost < 2e-3


def test_a_kernel_density_is_that_of_scikit_learn_and_its_bandwidth_the_best():
    x = two_hills(250)
    model = estimated("kernel-density", x)
    h = float(model.log_h.detach().exp())
    kept = model.points[: int(model.used)].double().numpy()
    expected = neighbors.KernelDensity(bandwidth=h).fit(kept).score_samples(x)
    np.testing.assert_allclose(model.log_prob(x), expected, atol=1e-5)

    def left_out(width):
        """Leave-one-out likelihood by scikit-learn, a density for every point."""
        return np.mean([
            neighbors.KernelDensity(bandwidth=width)
            .fit(np.delete(kept, i, 0))
            .score(kept[i : i + 1])
            for i in range(0, len(kept), 3)
        ])  # fmt: skip

    best = left_out(h)
    assert best > left_out(0.6 * h) + 0.01
    assert best > left_out(1.7 * h) + 0.01
    given = estimated("kernel-density", x, bandwidth=0.6)
    assert float(given.log_h.detach().exp()) == pytest.approx(0.6)


def test_by_reverse_divergence_a_normal_density_sits_on_one_of_two_modes():
    """And by likelihood it covers both."""
    from physgen import as_target

    target = as_target(
        lambda x: -torch.logaddexp(-8 * (x - 1) ** 2, -8 * (x + 1) ** 2).sum(-1), (1,),
        library="torch",
    )  # fmt: skip
    one = models.build({"family": "gaussian", "shape": [1]})
    with torch.no_grad():
        one.mean.fill_(0.3)
        one.factor.fill_(math.log(0.3))
    from physgen.training import FitSettings

    settings = FitSettings(n_epochs=4, batch_size=128, learning_rate=0.04)
    fit(one, ReverseKL(target, draws_per_epoch=3200, n_validation=256), settings, rng=1)
    assert float(one.mean.detach()) == pytest.approx(1, abs=0.05)
    assert float(one.factor.detach().exp()) == pytest.approx(0.25, abs=0.03)
    g = np.random.default_rng(4)
    x = (0.25 * g.normal(size=4000) + g.choice([-1, 1], 4000))[:, None]
    both = estimated("gaussian", x)
    assert float(both.factor.detach().exp()) == pytest.approx(math.sqrt(1 + 1 / 16), rel=0.02)


def test_bad_input(monkeypatch):
    x = two_hills(100)
    same = np.repeat(x[:10], 10, axis=0)
    twins = np.concatenate([x[:, :1], x[:, :1]], axis=1)
    wide = np.random.default_rng(1).normal(size=(30, 40))
    for family, data, options, text in [
        ("gaussian", wide, {}, "more than 40 configurations, got 27"),
        ("gaussian", twins, {}, "covariance of full rank"),
        ("gaussian-mixture", x[:25], {"n_components": 8}, "at least 24"),
        ("gaussian-mixture", x, {"max_iter": 1, "n_starts": 1}, "must converge"),
        ("gaussian-mixture", np.full((60, 2), 0.5), {}, "must vary"),
        ("factor-analysis", x, {"n_factors": 2}, "fewer than the 2 numbers"),
        ("factor-analysis", two_hills(100, shape=(4,)), {"max_iter": 1}, "must converge"),
        ("factor-analysis", np.stack([x[:, 0], np.ones(100)], 1), {}, "site 1 constant"),
        ("kernel-density", wide, {}, "at most 8 numbers, got 40: in 10 dimensions"),
        ("kernel-density", same, {}, "at least half of them repeated"),
        ("kernel-density", x, {"bandwidth": 0.0}, "bandwidth"),
    ]:
        with pytest.raises(InputError, match=text):
            estimated(family, data, **options)
    with pytest.raises(InputError, match="finite"):
        models.build({"family": "gaussian", "shape": [2]}).estimate(x * np.nan, None)
    from physgen import Ising

    with pytest.raises(InputError, match=r"must be one of|needs real fields"):
        models.for_target(Ising(L=4, beta=0.4), "gaussian")
    failed = type("Result", (), {"success": False, "message": "stopped"})
    monkeypatch.setattr("scipy.optimize.minimize_scalar", lambda *_, **__: failed)
    with pytest.raises(InputError, match="bandwidth must converge"):
        kernel_density._cross_validated(x)

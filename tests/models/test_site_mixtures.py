"""Quantiles of mixtures: exact in both tails, alike on all devices, with implicit gradients."""

import numpy as np
import pytest
import torch
from helpers.flows import generator
from scipy import stats

from physgen.core.errors import InputError
from physgen.models import MixtureNet
from physgen.models.autoregressive import site_mixtures
from physgen.models.autoregressive.site_mixtures import LAWS, distribution, log_density, quantile

LAW = {"gaussian": stats.norm, "logistic": stats.logistic}
every_law = pytest.mark.parametrize("law", LAWS)


def mixtures(n=40, K=5, spread=2.0):
    rng = generator()
    log_w, mean, log_scale = (
        torch.randn(n, K, generator=rng, dtype=torch.float64) for _ in range(3)
    )
    return torch.log_softmax(log_w, -1), spread * mean, 0.7 * log_scale - 0.5


@every_law
def test_density_and_distribution_are_those_of_scipy(law):
    log_w, mean, log_scale = mixtures()
    x = torch.linspace(-4, 4, 40, dtype=torch.float64)
    frozen = LAW[law](mean.numpy(), log_scale.exp().numpy())
    at, w = x[:, None].numpy(), log_w.exp().numpy()
    q = log_density(x, log_w, mean, log_scale, law).exp()
    np.testing.assert_allclose(q, (w * frozen.pdf(at)).sum(1), rtol=1e-12)
    F = distribution(x, log_w, mean, log_scale, law)
    np.testing.assert_allclose(F, (w * frozen.cdf(at)).sum(1), rtol=1e-12)


@every_law
@pytest.mark.parametrize("spread", [0.0, 2.0, 30.0])
def test_a_quantile_has_its_level_in_both_tails(law, spread):
    log_w, mean, log_scale = mixtures(spread=spread)
    eps = torch.linspace(-8, 8, 40, dtype=torch.float64)
    x = quantile(eps, log_w, mean, log_scale, law)
    frozen = LAW[law](mean.numpy(), log_scale.exp().numpy())
    at, w = x[:, None].numpy(), log_w.exp().numpy()
    below, above = (w * frozen.cdf(at)).sum(1), (w * frozen.sf(at)).sum(1)
    level = stats.norm.cdf(-np.abs(eps.numpy()))
    np.testing.assert_allclose(np.where(eps < 0, below, above), level, rtol=1e-8)
    # Saboteur: one of the two halves for both.
    assert np.abs(below[-5:] / level[-5:] - 1).min() > 1


@every_law
def test_other_devices_find_the_same_quantiles(law, monkeypatch):
    given = mixtures()
    eps = 1.5 * torch.randn(40, generator=generator(2), dtype=torch.float64)
    x = quantile(eps, *given, law)
    monkeypatch.setattr(site_mixtures, "_compiled", site_mixtures._batched)
    torch.testing.assert_close(quantile(eps, *given, law), x, rtol=1e-7, atol=1e-7)


@every_law
def test_implicit_gradients_are_those_of_differences(law):
    logits, mean, log_scale = (a[:4].clone().requires_grad_(True) for a in mixtures(K=3))
    eps = torch.tensor([-2.0, -0.3, 0.4, 1.7], dtype=torch.float64, requires_grad=True)

    def function(eps, logits, mean, log_scale):
        return quantile(eps, torch.log_softmax(logits, -1), mean, log_scale, law)

    assert torch.autograd.gradcheck(function, (eps, logits, mean, log_scale))


def test_between_far_modes_a_gradient_stays_finite():
    log_w = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log().requires_grad_(True)
    mean = torch.tensor([[-50.0, 50.0]], dtype=torch.float64)
    x = quantile(torch.tensor([1e-9], dtype=torch.float64), log_w, mean, 0 * mean, "gaussian")
    (slope,) = torch.autograd.grad(x.sum(), log_w)
    assert bool(torch.isfinite(x).all())
    assert bool(torch.isfinite(slope).all())


def test_bad_input():
    for options, text in [
        ({"law": "cauchy"}, "law must be one of"),
        ({"n_components": 3}, "must be even"),
        ({"hidden": 0}, "hidden"),
        ({"scale": 0.0}, "scale"),
        ({"coarsest": 0}, "coarsest"),
    ]:
        with pytest.raises(InputError, match=text):
            MixtureNet((4, 4), rng=1, **options)
    assert MixtureNet((4, 4), n_components=3, odd=False, rng=1).n_components == 3

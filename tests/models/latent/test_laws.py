"""Laws of latents and of sites: normalised, drawn as scored, divergences in closed form."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from physgen import Stream
from physgen.models.latent.flow_law import FlowLaw, LatentFlow
from physgen.models.latent.latent_laws import Bits, Cholesky, Normal, standard_normal
from physgen.models.latent.site_laws import Gauss, Outcomes, Pairs, Spins

N, B = 3, 2


def g(seed=1):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=1):
    return 0.6 * torch.randn(*shape, generator=g(seed), dtype=torch.float64)


def law(name):
    mean, a, b = numbers(B, N), numbers(B, N, seed=2), numbers(B, N, seed=3)
    if name == "diagonal":
        return Normal(mean, a)
    if name == "correlated":
        return Normal(mean, a, b, torch.eye(N, dtype=torch.float64) + 0.4 * numbers(N, N, seed=4))
    L = torch.tril(numbers(B, N, N, seed=5), -1) + torch.diag_embed(torch.exp(-a))
    return Cholesky(mean, L)


def covariance(found):
    if isinstance(found, Cholesky):
        return found.factor @ found.factor.mT
    back = torch.eye(N, dtype=torch.float64).expand(B, N, N)
    if found.mixing is not None:
        back = torch.diag_embed(torch.exp(-found.after)) @ torch.linalg.inv(found.mixing)
    back = back @ torch.diag_embed(torch.exp(-found.before))  # z - m = e @ back
    return back.mT @ back


@pytest.mark.parametrize("name", ["diagonal", "correlated", "cholesky"])
def test_a_normal_law_is_the_multivariate_normal_of_its_covariance(name):
    found = law(name)
    known = MultivariateNormal(found.mean, covariance(found))
    z = found.draw(4000, g())
    torch.testing.assert_close(found.log_prob(z), known.log_prob(z))
    drawn = torch.stack([torch.cov(z[:, b].T) for b in range(B)])
    assert float((drawn - covariance(found)).abs().max()) < 0.25 * float(covariance(found).max())
    torch.testing.assert_close(found.variance(), known.variance)
    prior = MultivariateNormal(torch.zeros(N, dtype=torch.float64), torch.eye(N).double())
    each, whole = found.divergences()
    torch.testing.assert_close(whole, kl_divergence(known, prior))
    if name == "diagonal":
        torch.testing.assert_close(each.sum(-1), whole)
    else:  # the marginals know nothing of the correlations, which cost something
        assert (each.sum(-1) < whole - 1e-3).all()


def test_the_divergence_of_the_lectures_and_its_saboteurs():
    """KL(N(1, 4) || N(0, 1)) = 1.306853: log-variance is no width, and no term is left out."""
    found = Normal(torch.ones(1, 1).double(), torch.full((1, 1), -0.5 * math.log(4)).double())
    assert float(found.divergences()[1]) == pytest.approx(1.306853, abs=1e-6)
    width_for_variance = Normal(found.mean, 2 * found.before)
    without_log = 0.5 * (4 + 1 - 1)
    for wrong in (float(width_for_variance.divergences()[1]), without_log, -1.306853):
        assert abs(wrong - 1.306853) > 0.1


def test_bits_sum_to_one_and_their_divergence_is_that_of_the_sum():
    own, prior = Bits(numbers(1, N)), Bits(numbers(1, N, seed=7))
    z = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=N))).double()[:, None]
    p = own.log_prob(z).exp()
    assert float(p.sum()) == pytest.approx(1)
    summed = (p * (own.log_prob(z) - prior.log_prob(z))).sum()
    assert float(own.divergences_from(prior)[1]) == pytest.approx(float(summed))
    drawn = own.draw(20_000, g()).mean(0)
    assert float((drawn - own.mean).abs().max()) < 5 / math.sqrt(20_000)


@pytest.mark.parametrize("even", [False, True])
def test_a_flow_law_is_normalised_and_held_weights_get_no_gradient(even):
    flow = LatentFlow(2, 0, 3, 8, Stream(3)).double()
    found = FlowLaw(flow, standard_normal(2, torch.zeros(1).double()), None, even)
    grid = torch.linspace(-7, 7, 141, dtype=torch.float64)
    z = torch.cartesian_prod(grid, grid)[:, None]
    with torch.no_grad():
        total = float(found.log_prob(z).exp().sum())
    assert total * 0.01 == pytest.approx(1, abs=2e-3)
    if even:
        torch.testing.assert_close(found.log_prob(z), found.log_prob(-z))
    at = found.draw(5, g()).detach().requires_grad_(True)
    found.held().log_prob(at).sum().backward()
    assert at.grad is not None
    assert all(p.grad is None for p in flow.parameters())
    assert all(p.requires_grad for p in flow.parameters())


def pairs(K=2):
    share = torch.log_softmax(numbers(1, 1, 2 * K), -1)
    return Pairs(share, 2 * numbers(1, 1, 2 * K, seed=2), numbers(1, 1, 2 * K, seed=3) - 0.5)


def test_sites_of_real_fields_integrate_to_one():
    x = torch.linspace(-12, 12, 4001, dtype=torch.float64)[:, None]
    for found in (pairs(), Gauss(numbers(1, 1), numbers(1, 1, seed=2))):
        total = float(found.log_prob(x).exp().sum()) * 24 / 4000
        assert total == pytest.approx(1, abs=1e-9)


def test_draws_of_a_mixture_move_as_its_quantiles_do():
    """dx/dtheta at fixed F(x): the derivative of a quantile by differences."""
    found = pairs()
    parts = [p.clone().requires_grad_(True) for p in vars(found).values()]
    x = Pairs(*parts).draw(g(5))
    at = float(x.detach())
    slope = torch.autograd.grad(x.sum(), parts)

    def cumulative(law, at):
        off = (at[..., None] - law.centre) * torch.exp(-law.log_width)
        return float((law.log_share.exp() * torch.special.ndtr(off)).sum())

    goal, h = cumulative(found, x.detach()), 1e-5

    def quantile(which, k, shift):
        moved = [p.detach().clone() for p in parts]
        moved[which][0, 0, k] += shift
        low, high = at - 1, at + 1
        for _ in range(60):
            middle = 0.5 * (low + high)
            below = cumulative(Pairs(*moved), torch.tensor([[middle]], dtype=torch.float64)) < goal
            low, high = (middle, high) if below else (low, middle)
        return low

    for which, k in itertools.product(range(3), range(4)):
        known = (quantile(which, k, h) - quantile(which, k, -h)) / (2 * h)
        assert float(slope[which][0, 0, k]) == pytest.approx(known, abs=1e-5)


def test_spins_and_outcomes_sum_to_one_and_are_drawn_so():
    rows = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3))).double()
    spins = Spins(numbers(1, 3).expand(8, 3))
    assert float(spins.log_prob(rows).exp().sum()) == pytest.approx(1)
    share = torch.log_softmax(numbers(1, 2, 3), -1)
    strings = torch.tensor(list(itertools.product(range(3), repeat=2)))
    outcomes = Outcomes(share.expand(9, 2, 3))
    assert float(outcomes.log_prob(strings).exp().sum()) == pytest.approx(1)
    drawn = Outcomes(share.expand(20_000, 2, 3)).draw(g())
    found = np.bincount(3 * drawn[:, 0] + drawn[:, 1], minlength=9) / 20_000
    assert np.abs(found - outcomes.log_prob(strings).exp().numpy()).max() < 5 * 0.5 / 141
    up = (Spins(numbers(1, 3).expand(20_000, 3)).draw(g()) > 0).double().mean(0)
    assert float((up - torch.sigmoid(2 * numbers(1, 3))[0]).abs().max()) < 5 * 0.5 / 141

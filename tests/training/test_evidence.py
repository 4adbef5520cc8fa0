"""The evidence bound and its kin, on models whose likelihood is known or summed."""

import itertools
import math

import numpy as np
import pytest
import torch

from physgen import Stream, models
from physgen.core.errors import InputError
from physgen.models import VAE, MaskedNet
from physgen.targets import Configurations
from physgen.training import ELBO, IWAE, BlackBoxELBO, OverCouplings, fit, own_posteriors
from physgen.training.settings import FitSettings
from tests.helpers.latent import M, N, pca


def data(n=400, seed=1):
    _, law = pca()
    torch.manual_seed(seed)
    return law.sample((n,)).numpy()


def held_out(objective, model, n=None):
    found = -objective.evaluate(model) * N
    return found if n is None else found[:n]


def test_with_the_true_posterior_the_bound_is_the_likelihood_and_else_below_it():
    x = data()
    objective = ELBO(Configurations(x), k=4)
    good, law = pca(exact_posterior=True)
    known = law.log_prob(objective.samples.validation.double()).numpy()
    # Only the misfit is sampled; the bound is tight in the mean.
    off = held_out(ELBO(Configurations(x), k=2000), good) - known
    assert abs(off.mean()) < 0.02
    poor, _ = pca()
    assert (held_out(ELBO(Configurations(x), k=2000), poor) < known).all()
    # With one x the importance weights of the true posterior are all equal.
    np.testing.assert_allclose(held_out(IWAE(Configurations(x), k=3), good), known, atol=1e-6)


def test_the_importance_weighted_bound_rises_with_k_to_the_likelihood():
    x = data()
    poor, law = pca()
    known = float(law.log_prob(torch.as_tensor(x[-40:]).double()).mean())
    means = [held_out(IWAE(Configurations(x), k=k), poor).mean() for k in (1, 4, 32, 1000)]
    assert means == sorted(means)
    assert means[-1] < known + 0.02
    assert known - means[-1] < 0.05 < known - means[0]


def test_losses_are_sums_over_sites_and_latents():
    """Twice the lattice, twice each term; the size of a batch changes nothing."""
    terms = []
    for L in (4, 8):
        x = np.ones((20, L, L), np.float32)
        model = VAE((L, L), channels=2, rng=1)
        for p in (*model.encoder.weights, *model.decoder.weights):
            torch.nn.init.zeros_(p)
        torch.nn.init.zeros_(model.decoder.linear)
        loss = ELBO(Configurations(x, support="reals", boundary="periodic"), k=400).loss
        few = loss(model, np.arange(2), Stream(1), {}).metrics
        many = loss(model, np.arange(16), Stream(1), {}).metrics
        for name in few:
            assert few[name] == pytest.approx(many[name], rel=0.02)
        terms.append(many)
    for name, value in terms[0].items():
        assert terms[1][name] == pytest.approx(4 * value, rel=0.01)


def gradient(objective, model, seeds, n=20):
    found = []
    for seed in seeds:
        model.zero_grad()
        objective.loss(model, np.arange(n), Stream(seed), {}).value.backward()
        found.append(
            torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        )
    return torch.stack(found)


def small_bits():
    model = VAE((2, 2), "open", visible="spins", posterior="bits", net="dense", n_latent=2,
                channels=1, odd=False, rng=4).double()  # fmt: skip
    g = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.5 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    return model


def summed_loss(model, x):
    """The evidence bound with the sum over all bits, negated."""
    z = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=2)), dtype=torch.float64)
    z = z[:, None].expand(-1, len(x), -1)
    law = model.encode(x)
    r = law.log_prob(z).exp()
    return -(r * (model(x, z) - law.log_prob(z))).sum(0).mean()


def z_scores(draws, exact):
    error = draws.std(0) / math.sqrt(len(draws))
    return (draws.mean(0) - exact) / error.clamp_min(1e-6)


@pytest.mark.statistical
def test_the_gradient_that_leaves_one_out_is_unbiased_and_without_its_score_it_is_not():
    g = np.random.default_rng(1)
    x = (2 * g.integers(0, 2, (20, 2, 2)) - 1).astype(np.int8)
    objective = ELBO(Configurations(x, boundary="open"), k=3)
    model = small_bits()
    batch = objective.samples.train.double()
    exact = torch.autograd.grad(summed_loss(model, batch), list(model.parameters()),
                                allow_unused=True)  # fmt: skip
    exact = torch.cat([e.flatten() for e in exact if e is not None])
    draws = gradient(objective, model, range(200), n=len(batch))
    z = z_scores(draws, exact)
    assert float(z.abs().max()) < 4.5
    seen = draws.std(0) > 1e-6  # the rest is in closed form
    assert 0.1 < float((z[seen] ** 2).mean()) < 3  # of few that are independent
    wrong = ELBO(Configurations(x, boundary="open"), k=3)
    terms = wrong._terms

    def without_score(*arguments):
        fit, kl, surrogate = terms(*arguments)
        return fit, kl, 0 * surrogate

    wrong._terms = without_score
    assert float(z_scores(gradient(wrong, model, range(200), n=len(batch)), exact).abs().max()) > 8


@pytest.mark.statistical
@pytest.mark.parametrize("how", ["reparam", "reinforce", "doubly"])
def test_gradients_of_continuous_latents_are_those_of_the_bound(how):
    """Of probabilistic PCA; the exact gradient is that of very many draws, reparametrised."""
    x = data(40)
    model, _ = pca(posterior="diagonal")
    source = Configurations(x)
    if how == "doubly":
        own, many = IWAE(source, k=4), IWAE(source, k=4, doubly=False)
        exact = gradient(many, model, range(1000, 1200))
        error = exact.std(0) / math.sqrt(200)
    else:
        own = ELBO(source, k=4, gradient=how)
        exact = gradient(ELBO(source, k=2000), model, range(1000, 1004))
        error = 0 * exact[0]
    draws = gradient(own, model, range(200))
    both = torch.sqrt(draws.var(0) / len(draws) + error**2)
    seen = both > 1e-9
    z = ((draws.mean(0) - exact.mean(0)) / both)[seen]
    assert float(z.abs().max()) < 5
    if how == "doubly":  # the plain gradient of the encoder is noisier
        assert float(draws.var(0).sum()) < float(exact.var(0).sum())


def test_beta_warm_up_and_free_bits_change_the_loss_as_they_say():
    x = data(60)
    model, _ = pca()
    index = np.arange(40)

    def parts(**options):
        objective = ELBO(Configurations(x), k=50, **options)
        found = objective.loss(model, index, Stream(1), {})
        return float(found.value.detach()), found.metrics, objective

    one, known, plain = parts()
    kl = known["divergence"]
    assert kl > 0
    assert parts(beta=4.0)[0] == pytest.approx(one + 3 * kl)
    warm = ELBO(Configurations(x), k=50, warm_up=0.5).at(0.25)
    begun = warm.loss(model, index, Stream(1), {}).value.detach()
    assert float(begun) == pytest.approx(one - 0.5 * kl)
    assert plain.at(0.9) is plain
    freed, told, _ = parts(free_bits=50.0)
    assert told["divergence"] > M * 50 - 1e-9
    assert freed > one
    # None of them is in what is held out, but beta, and its bound is refused.
    held = plain.evaluate(model)
    np.testing.assert_allclose(parts(free_bits=50.0)[2].evaluate(model), held)
    np.testing.assert_allclose(plain.bound(model), -N * held)
    beta = parts(beta=4.0)[2]
    assert "no likelihood" in beta.label
    assert beta.loss_name == "beta_loss"
    with pytest.raises(InputError, match="beta-VAE is no bound of a likelihood"):
        beta.bound(model)


def test_training_finds_the_likelihood_of_the_maximum():
    """Held-out bound of a fitted linear model beside the entropy of its data."""
    x = data(3000)
    truth, _ = pca(exact_posterior=True)
    model, _ = pca()
    with torch.no_grad():
        model.decoder.linear.mul_(0.3)
    objective = ELBO(Configurations(x), None, 0.2)
    settings = FitSettings(n_epochs=6, batch_size=100, learning_rate=2e-2, ema_decay=0.9)
    before = objective.evaluate(model).mean() * N
    fit(model, objective, settings, rng=1)
    best = objective.evaluate(truth).mean() * N
    after = objective.evaluate(model).mean() * N
    assert best - 0.02 < after < best + 0.15 < before


def test_a_posterior_of_its_own_is_at_least_as_good_as_that_of_the_encoder():
    x = data(40).astype(np.float64)
    model, law = pca(posterior="diagonal")
    by_encoder = -ELBO(Configurations(x), None, 0.5, k=2000).evaluate(model) * N
    for how in ("reparam", "reinforce"):
        own = own_posteriors(model, x[20:], n_steps=300, gradient=how, k=32, rng=1)
        assert own.mean() > by_encoder.mean()
        assert (own < law.log_prob(torch.as_tensor(x[20:])).numpy() + 0.3).all()


def test_black_box_inference_carries_its_posteriors_and_learns():
    x = data(60)
    model, _ = pca()
    objective = BlackBoxELBO(Configurations(x), n_held_out=60, n_inner=3)
    carry = objective.begin(model, Stream(1))
    index = np.arange(10)
    first = objective.loss(model, index, Stream(1), carry)
    assert float(first.carry["posteriors"][:10].abs().max()) > 0
    assert float(first.carry["posteriors"][10:].abs().max()) == 0
    assert float(carry["posteriors"].abs().max()) == 0  # a pure function
    carry = first.carry
    for step in range(30):
        last = objective.loss(model, index, Stream(step), carry)
        carry = last.carry
    assert float(last.value.detach()) < float(first.value.detach())


def test_one_family_learns_at_several_couplings():
    g = np.random.default_rng(2)
    each = {}
    for c in (0.5, 1.0):
        x = (2 * (g.random((200, 4)) < 0.5 + 0.4 * c) - 1).astype(np.int8)
        each[c] = ELBO(Configurations(x, boundary="periodic"))
    config = {"shape": [4], "visible": "spins", "channels": 2, "odd": False}
    family = models.ConditionedVAE(config, "c", 0.5, 1.0, degree=1, rng=1)
    objective = OverCouplings(each)
    before = objective.evaluate(family)
    assert before.shape == (40,)
    settings = FitSettings(n_epochs=10, batch_size=50, learning_rate=3e-2, ema_decay=0.9)
    fit(family, objective, settings, rng=1)
    after = objective.evaluate(family)
    assert (after.reshape(2, -1).mean(1) < before.reshape(2, -1).mean(1)).all()
    means = [float(family.at(c=c).sample(2000, 1)[0].double().mean()) for c in (0.5, 0.75, 1.0)]
    assert means[0] < means[1] < means[2]
    with pytest.raises(InputError, match="must be a ConditionedVAE"):
        objective.begin(pca()[0], Stream(1))


def test_bad_input():
    x = data(40)
    source = Configurations(x)
    for options, said in (
        ({"beta": 0}, "beta must be a number > 0"),
        ({"warm_up": 1.0}, r"share of the steps in \[0, 1\)"),
        ({"free_bits": -1}, "at least 0"),
        ({"gradient": "reinforce", "k": 1}, "needs k >= 2"),
        ({"gradient": "gumbel"}, "gradient"),
    ):
        with pytest.raises(InputError, match=said):
            ELBO(source, **options)
    net = MaskedNet((4, 4), rng=1)
    with pytest.raises(InputError, match="take ForwardKL or MaximumLikelihood"):
        ELBO(source).begin(net, Stream(1))
    bits = small_bits()
    spins = Configurations(np.ones((40, 2, 2), np.int8), boundary="open")
    for objective, said in (
        (IWAE(spins), "needs continuous latents"),
        (ELBO(spins, gradient="reparam"), "do not move with the weights"),
    ):
        with pytest.raises(InputError, match=said):
            objective.loss(bits, np.arange(4), Stream(1), {})
    with pytest.raises(InputError, match="outcomes"):
        ELBO(np.zeros((4, 3)))

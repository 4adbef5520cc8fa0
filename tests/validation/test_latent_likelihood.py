"""Estimates of log q(x) by latents, against closed forms and sums."""

import itertools

import numpy as np
import pytest
import torch

from physgen import Phi4
from physgen.core.errors import InputError
from physgen.models import VAE
from physgen.validation import latent_likelihood
from tests.helpers.latent import pca


def configurations(n=6):
    _, law = pca()
    torch.manual_seed(3)
    x = law.sample((n,))
    return x.numpy(), law.log_prob(x).numpy()


def test_all_estimates_of_probabilistic_pca():
    x, known = configurations()
    model, _ = pca()
    ds = latent_likelihood(model, x, ("elbo", "iwae", "naive", "ais"), k=20_000, rng=1)
    assert (ds["elbo"] + 4 * ds["elbo_error"] < known).all()
    for name in ("iwae", "ais"):
        pull = (ds[name].values - known) / ds[f"{name}_error"].values
        assert np.abs(pull).max() < 5, name
    # The prior hardly ever draws what explains x, and its error says so.
    assert (ds["naive_ess"] < 0.2 * ds["iwae_ess"]).all()
    np.testing.assert_allclose(ds["gap"], ds["ais"] - ds["elbo"])
    assert ds.attrs["elbo_is"] == "lower bound"
    assert ds["iwae"].attrs["units"] == "nat of a density"
    # Saboteur: the mean of logarithms is no better than the bound of one draw.
    assert abs(float((ds["elbo"] - known).mean())) > 20 * abs(float((ds["iwae"] - known).mean()))


def test_with_the_true_posterior_every_draw_says_the_likelihood():
    x, known = configurations()
    model, _ = pca(exact_posterior=True)
    ds = latent_likelihood(model, x, ("elbo", "iwae", "ais"), k=4, n_stages=3)
    for name in ("elbo", "iwae", "ais"):
        np.testing.assert_allclose(ds[name], known, atol=1e-8)
    np.testing.assert_allclose(ds["gap"], 0, atol=1e-8)


def test_a_sum_over_bits_is_exact_and_the_probabilities_of_all_spins_sum_to_one():
    model = VAE((2, 2), "open", visible="spins", posterior="bits", net="dense", n_latent=3,
                channels=2, odd=False, rng=5).double()  # fmt: skip
    with torch.no_grad():
        model.decoder.linear.add_(0.7)
        model.prior_field.add_(0.3)
    x = np.array(list(itertools.product((-1, 1), repeat=4)), np.int8).reshape(-1, 2, 2)
    ds = latent_likelihood(model, x, ("exact", "iwae", "elbo"), k=4000, rng=1)
    assert float(np.exp(ds["exact"]).sum()) == pytest.approx(1, abs=1e-9)
    pull = (ds["iwae"] - ds["exact"]) / ds["iwae_error"]
    assert float(np.abs(pull).max()) < 5
    assert (ds["gap"] > 0).all()
    assert ds["exact"].attrs["units"] == "nat of a probability"
    # A constant of a Gaussian, subtracted from a law of spins, would be seen here.
    assert abs(np.exp(ds["exact"] - 2 * np.log(2 * np.pi)).sum() - 1) > 0.9


def test_sites_that_are_drawn_exactly_are_in_the_likelihood():
    """Of a model of one site of two, whose density integrates to 1 over both."""
    target = Phi4.from_hopping(L=2, kappa=0.3, lam=0.5, dim=1)
    model = VAE.for_target(target, channels=2, rng=1)
    grid = np.linspace(-4, 4, 41)
    x = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2).astype(np.float64)
    ds = latent_likelihood(model, x, ("iwae",), k=200, rng=1)
    assert float(np.exp(ds["iwae"]).sum()) * 0.2**2 == pytest.approx(1, abs=0.02)


def test_bad_input():
    model, _ = pca()
    x, _ = configurations()
    with pytest.raises(InputError, match="methods must be of"):
        latent_likelihood(model, x, ("loss",))
    with pytest.raises(InputError, match="summed if they are bits"):
        latent_likelihood(model, x, ("exact",))
    with pytest.raises(InputError, match="a density has log_prob"):
        latent_likelihood(Phi4.from_hopping(L=2, kappa=0.3, lam=0.5), x)
    bits = VAE((2, 2), "open", visible="spins", posterior="bits", net="dense", rng=1)
    with pytest.raises(InputError, match="annealing moves real latents"):
        latent_likelihood(bits, np.ones((2, 2, 2), np.int8), ("ais",))

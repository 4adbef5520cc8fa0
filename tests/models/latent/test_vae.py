"""VAEs: normalised pairs, exact symmetries, what they refuse, what comes back from a file."""

import copy
import itertools

import numpy as np
import pytest
import torch

from physgen import Ising, Phi4, draws_of, importance, models
from physgen.core.errors import InputError, NoDensityError
from physgen.core.protocols import Density, JointDensity
from physgen.models import VAE, Autoencoder, ConditionedVAE
from physgen.targets import Configurations
from physgen.training import Reconstruction, fit
from physgen.training.settings import FitSettings

CASES = {
    "pairs": {},
    "one gaussian": {"pairs": 0, "posterior": "diagonal", "layers": 2},
    "even sites": {"halved": True, "pairs": 2},
    "dense, cholesky": {"net": "dense", "n_latent": 5, "posterior": "cholesky"},
    "dense": {"net": "dense", "odd": False},
    "flows": {"posterior": "flow", "prior": "flow"},
    "spins": {"visible": "spins"},
    "bits": {"visible": "spins", "posterior": "bits", "net": "dense", "n_latent": 4},
    "biased bits": {"posterior": "bits", "odd": False},
    "outcomes": {"visible": "outcomes", "K": 3, "net": "dense", "boundary": "open"},
}
every_case = pytest.mark.parametrize("name", CASES)


def stirred(model, size=0.2):
    g = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=g, dtype=torch.float64).to(p))
    return model


def make(name, **more):
    return stirred(VAE((4, 4), channels=2, scale=0.7, rng=3, **CASES[name], **more).double())


@every_case
def test_it_draws_scores_and_comes_back(name):
    model = make(name)
    assert isinstance(model, JointDensity)
    assert not isinstance(model, Density)
    x, z = model.sample(40, rng=1)
    assert x.shape == (40, *model.event_shape)
    assert z.shape == (40, model.n_latent)
    torch.testing.assert_close(model.sample(7, rng=1)[0], x[:7], rtol=0, atol=0)
    log_q = model.joint_log_prob(x.numpy(), z.numpy())
    assert isinstance(log_q, np.ndarray)
    assert log_q.dtype == np.float64
    assert np.isfinite(log_q).all()
    inner = model.posterior_sample(x, 4)
    assert np.isfinite(model.posterior_log_prob(x.numpy(), inner.numpy())).all()
    assert model.latents(x.numpy()).shape == (40, model.n_latent)
    again = models.from_dataset(models.to_dataset(model))
    assert again.config == model.config
    torch.testing.assert_close(
        torch.as_tensor(again.double().joint_log_prob(x.numpy(), z.numpy())),
        torch.as_tensor(log_q), rtol=1e-5, atol=1e-4,
    )  # fmt: skip


@every_case
def test_symmetries_are_exact(name):
    model = make(name)
    x, z = model.sample(5, rng=2)
    if model.visible == "outcomes":
        return
    if model.odd:
        torch.testing.assert_close(model.joint_log_prob(-x, -z), model.joint_log_prob(x, z))
    else:
        with torch.no_grad():
            assert float((model(-x.double(), -z) - model(x.double(), z)).abs().max()) > 1e-3
    if model.net == "dense" or model.halved or "flow" in (model.posterior, model.prior):
        return
    if model.posterior == "bits" and not model.odd:
        return  # its prior has a field of its own at every site

    def moved(a):
        return torch.roll(a.reshape(-1, 4, 4), (1, 2), (1, 2))

    shifted = moved(x), moved(z).flatten(1)
    torch.testing.assert_close(model.joint_log_prob(*shifted), model.joint_log_prob(x, z))
    torch.testing.assert_close(model.posterior_log_prob(*shifted), model.posterior_log_prob(x, z))


def test_even_sites_move_with_the_lattice():
    model, target = make("even sites"), Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    x, z = model.sample(5, rng=2)

    def moved(a):
        whole = target.lattice.merge(a, torch.zeros_like(a))
        return target.lattice.split(torch.roll(whole, (1, 1), (1, 2)))[0]

    torch.testing.assert_close(
        model.joint_log_prob(moved(x), moved(z)), model.joint_log_prob(x, z)
    )


def test_pairs_of_spins_and_bits_sum_to_one():
    model = stirred(VAE((2, 2), "open", visible="spins", posterior="bits", net="dense",
                        n_latent=3, channels=2, rng=1).double())  # fmt: skip
    x = np.array(list(itertools.product((-1, 1), repeat=4)), np.int8).reshape(-1, 2, 2)
    z = np.array(list(itertools.product((-1, 1), repeat=3)))
    pairs = [(a, b) for a in x for b in z]
    log_q = model.joint_log_prob(*(np.array(part) for part in zip(*pairs)))
    assert np.exp(log_q).sum() == pytest.approx(1)
    log_r = model.posterior_log_prob(np.repeat(x[:1], 8, 0), z)
    assert np.exp(log_r).sum() == pytest.approx(1)


@pytest.mark.parametrize("decimate", [True, False])
def test_weights_of_pairs_give_log_z_and_without_the_encoder_they_do_not(decimate):
    """Any encoder and any decoder: E_q[w] = Z.  The saboteur leaves log r(z|x) out."""
    target = Ising(2, beta=0.2)
    options = {"posterior": "bits", "net": "dense", "n_latent": 2, "channels": 2}
    model = stirred(VAE.for_target(target, decimate=decimate, rng=2, **options))
    x = np.array(list(itertools.product((-1, 1), repeat=4)), np.int8).reshape(-1, 2, 2)
    exact = float(np.log(np.exp(-target.action(x)).sum()))
    ds = importance(model, target, 2**14, 1, observables=["energy"], forward_check=False)
    assert abs(float(ds.log_z) - exact) < 4 * float(ds.log_z_error)
    assert "approximate" in ds.attrs["weights_of"]
    inner = models.learned(model)
    saboteur = copy.copy(inner)
    object.__setattr__(saboteur, "posterior_log_prob", lambda x, z: np.zeros(len(x)))
    wrong = copy.copy(model)
    if decimate:
        wrong._modules = dict(model._modules, even=saboteur)
    else:
        wrong = saboteur
    off = importance(wrong, target, 2**14, 1, observables=["energy"], forward_check=False)
    assert abs(float(off.log_z) - exact) > 10 * float(off.log_z_error)


def test_draws_alone_are_approximate_and_forward_weights_take_given_configurations():
    target = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    model = VAE.for_target(target, channels=2, rng=1)
    alone = draws_of(model, None, 256, 1, observables={"phi2": lambda x: (x**2).mean((1, 2))})
    assert alone.attrs["exactness_for"] == "the model"
    x = target.hot(1, 64)
    ds = importance(model, target, 2048, 1, samples=x, ess_floor=1.0, keep="draws")
    assert ds["sample_log_weight"].shape == (64,)
    assert float(ds.ess_share) <= float(ds.ess_reverse)


def test_what_has_no_density_says_so():
    model = make("pairs")
    odd_exact = VAE.for_target(Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0), channels=2, rng=1)
    for each in (model, odd_exact):
        for name in ("log_prob", "sample_and_log_prob"):
            assert not hasattr(each, name)
            with pytest.raises(NoDensityError, match=rf"{name} needs .* take log_prob_bound"):
                getattr(each, name)
        with pytest.raises(AttributeError, match="no attribute 'log_probs'"):
            _ = each.log_probs
    with pytest.raises(InputError, match="one latent at every site"):
        VAE((4, 4), n_latent=3)
    with pytest.raises(InputError, match="needs a periodic lattice"):
        VAE((4, 4), "open")
    with pytest.raises(InputError, match="K is the number of visible outcomes"):
        VAE((4,), visible="spins", K=2)
    with pytest.raises(InputError, match="a flow makes real latents"):
        VAE((4,), posterior="bits", prior="flow")
    with pytest.raises(InputError, match="at most 128 latents"):
        VAE((12, 12), posterior="cholesky")
    with pytest.raises(InputError, match="needs configurations of reals"):
        VAE.for_target(Ising(4, beta=0.2), visible="reals")
    with pytest.raises(InputError, match="one for every x"):
        model.joint_log_prob(np.zeros((2, 4, 4)), np.zeros((3, 16)))


def test_a_lattice_without_translations_gets_a_dense_net():
    x = np.random.default_rng(1).standard_normal((40, 4))
    model = VAE.for_target(Configurations(x), rng=1)
    assert (model.net, model.boundary, model.odd) == ("dense", "open", False)
    assert model.scale == pytest.approx(x.std(), rel=0.2)


def test_one_family_of_models_has_a_member_at_every_coupling():
    config = {"shape": [4], "visible": "spins", "channels": 2}
    family = stirred(ConditionedVAE(config, "beta", 0.2, 0.6, degree=2, rng=1))
    x, z = family.at(beta=0.3).sample(5, 1)
    at = family.at(beta=0.3).joint_log_prob(x.numpy(), z.numpy())
    with torch.no_grad():
        used = family.using(0.3, lambda q: q(x.float(), z))
    np.testing.assert_allclose(used, at, atol=1e-5)
    assert np.abs(at - family.at(beta=0.5).joint_log_prob(x.numpy(), z.numpy())).max() > 1e-3
    stored = models.from_dataset(models.to_dataset(family))
    again = stored.at(beta=0.3).joint_log_prob(x.numpy(), z.numpy())
    np.testing.assert_array_equal(again, at)
    with pytest.raises(InputError, match=r"beta must lie in \[0.2, 0.6\]"):
        family.at(beta=0.7)
    with pytest.raises(InputError, match="one in beta, got kappa"):
        family.at(kappa=0.3)


def test_an_autoencoder_learns_the_principal_components_and_has_no_density():
    """Of fields in a plane a linear code of two numbers leaves nothing; of all others more."""
    g = np.random.default_rng(1)
    plane = g.standard_normal((2, 8))
    x = (g.standard_normal((400, 2)) @ plane).astype(np.float32)
    data = Configurations(x, symmetries=["z2"])
    model = Autoencoder.for_target(data, n_latent=2, rng=1)
    settings = FitSettings(n_epochs=40, batch_size=50, learning_rate=2e-2, ema_decay=0.9)
    result = fit(model, Reconstruction(data), settings, rng=1)
    assert float(result.history["validation_sum_of_squares"][-1]) < 0.01
    drawn = np.asarray(model.sample(4000, 1))
    off = drawn - drawn @ np.linalg.pinv(plane) @ plane
    assert np.sqrt((off**2).mean()) < 0.15 * drawn.std()
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(x.T), atol=0.35 * x.var())
    again = models.from_dataset(models.to_dataset(model))
    np.testing.assert_array_equal(again.sample(4, 1), drawn[:4])
    assert not isinstance(model, JointDensity)
    with pytest.raises(AttributeError):
        _ = model.log_prob

"""Convolutional, dense and residual energies: symmetries, forces, and their normalisation."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import HMC, Ising, Phi4, models, run
from physgen.core.errors import InputError
from physgen.core.protocols import EnergyModel, Target
from physgen.core.random import Stream
from physgen.models.energy.convolutional import ConvolutionalEnergy
from physgen.models.energy.mlp import MlpEnergy
from physgen.models.energy.residual import ResidualEnergy
from physgen.targets.configurations import Configurations
from physgen.training import FitSettings, ScoreMatching, fit

PHI4 = Phi4.from_hopping(L=4, kappa=0.2, lam=0.022)


def stirred(model, size=0.3, seed=1):
    """Give a model weights that are not small, so that nothing is zero by accident."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += size * torch.randn(p.shape, generator=generator)
    return model


CASES = {
    "convolution": lambda: ConvolutionalEnergy((4, 6), scale=1.3, rng=1),
    "odd convolution": lambda: ConvolutionalEnergy((4, 6), even=False, rng=1),
    "open convolution": lambda: ConvolutionalEnergy((4, 6), ("open", "periodic"), rng=1),
    "wide chain": lambda: ConvolutionalEnergy((7,), reach=3, rng=1),
    "cube": lambda: ConvolutionalEnergy((3, 4, 3), channels=2, hidden=3, rng=1),
    "flat": lambda: ConvolutionalEnergy((1, 5), rng=1),
    "dense": lambda: MlpEnergy((4, 3), hidden=8, scale=0.7, rng=1),
    "even dense": lambda: MlpEnergy((4, 3), hidden=8, layers=1, even=True, rng=1),
    "noisy dense": lambda: MlpEnergy((5,), hidden=8, noise_range=(0.1, 1.0), rng=1),
    "noisy convolution": lambda: ConvolutionalEnergy((4, 5), noise_range=(0.1, 2.0), rng=1),
    "residual": lambda: ResidualEnergy.for_target(PHI4, rng=1),
}
every = pytest.mark.parametrize("name", CASES)


def made(name):
    model = stirred(CASES[name]())
    return model, np.random.default_rng(2).standard_normal((6, *model.event_shape))


@every
def test_it_is_a_target_with_weights(name):
    model, x = made(name)
    assert isinstance(model, EnergyModel)
    assert isinstance(model, Target)
    S = model.action(x)
    assert (S.shape, S.dtype) == ((6,), np.float64)
    np.testing.assert_allclose(model.action(x[2:3]), S[2:3], rtol=1e-5)
    before = model.fingerprint
    stirred(model, 0.01)
    assert model.fingerprint != before


@every
def test_the_force_is_minus_the_slope(name):
    model, x = made(name)
    model, direction = model.double(), np.random.default_rng(3).standard_normal(x.shape)
    h = 1e-5
    slope = (model.action(x + h * direction) - model.action(x - h * direction)) / (2 * h)
    along = -(model.force(x) * direction).reshape(6, -1).sum(1)
    np.testing.assert_allclose(along, slope, rtol=2e-5, atol=1e-6)


@every
def test_symmetries_are_what_it_declares(name):
    model, x = made(name)
    S = model.action(x)
    flipped = model.action(-x)
    if "z2" in model.symmetries:
        np.testing.assert_allclose(flipped, S, rtol=1e-5)
    else:
        assert np.abs(flipped - S).max() > 1e-3
    if "translations" in model.symmetries:
        for axis in range(1, x.ndim):
            np.testing.assert_allclose(model.action(np.roll(x, 1, axis)), S, rtol=1e-5)
    elif model.lattice is not None:
        assert np.abs(model.action(np.roll(x, 1, 1)) - S).max() > 1e-3


def test_what_is_declared_follows_from_the_arguments():
    assert CASES["convolution"]().symmetries == {"z2", "translations"}
    assert CASES["odd convolution"]().symmetries == {"translations"}
    assert CASES["open convolution"]().symmetries == {"z2"}
    assert CASES["even dense"]().symmetries == {"z2"}
    assert CASES["residual"]().symmetries == {"z2", "translations"}


def test_a_convolution_of_a_noise_is_one_with_the_weights_of_that_noise():
    """Each sigma in a batch on its own, and no noise of one configuration acts on another."""
    noisy = stirred(CASES["noisy convolution"]()).double()
    x = torch.randn(3, 4, 5, generator=Stream(1).torch(), dtype=torch.float64)
    sigma = torch.tensor([0.1, 2.0, 0.1 * 20**0.5], dtype=torch.float64)
    found = noisy.forward_at(x, sigma)
    for i, (s, place) in enumerate(zip(sigma.tolist(), (-1, 1, 0), strict=True)):
        plain = ConvolutionalEnergy((4, 5), scale=(1 + s * s) ** 0.5, rng=1).double()
        with torch.no_grad():
            for name, p in plain.named_parameters():
                p.copy_(dict(noisy.named_parameters())[name])
            plain.linear += place * noisy.linear_by_noise
            plain.bias += place * noisy.bias_by_noise
            plain.soft_couplings += place * noisy.couplings_by_noise[:2]
            plain.log_quartic += place * noisy.couplings_by_noise[2]
        torch.testing.assert_close(found[i], plain(x)[i])
    torch.testing.assert_close(noisy(x[:1]), found[:1])
    with pytest.raises(InputError, match="must have a noise_range"):
        CASES["convolution"]().forward_at(x, sigma)


def test_soft_terms_of_a_noisy_convolution_are_the_slopes_of_its_couplings():
    noisy = stirred(CASES["noisy convolution"]()).double()
    x = torch.randn(2, 4, 5, generator=Stream(1).torch(), dtype=torch.float64)
    for i in range(2):
        (slope,) = torch.autograd.grad(noisy(x)[i], noisy.soft_couplings)
        torch.testing.assert_close(slope, noisy.soft_terms(x)[i])


@every
@pytest.mark.parametrize("seed", range(3))
def test_e_to_the_minus_S_can_be_normalised_whatever_the_weights(name, seed):
    """Along any ray S grows in the end, with weights that pull it down as hard as they can."""
    model = stirred(CASES[name](), 3.0, seed)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if key.split(".")[-1] in ("linear", "out", "soft_couplings"):
                p.copy_(-p.abs() * 5)
    rays = np.random.default_rng(seed).standard_normal((20, *model.event_shape))
    model = model.double()
    far = np.array([model.action(rays * r) for r in (1e5, 1e6, 1e7)])
    assert (far[1:] > far[:-1]).all()
    assert (far[2] > 0).all()


def test_a_convolution_is_the_sum_that_it_says():
    """Against loops over sites, bonds and displacements."""
    model = stirred(CASES["open convolution"]()).double()
    x = np.random.default_rng(4).standard_normal((4, 6))
    w, A, b = (p.detach().numpy() for p in (model.filters, model.mix, model.bias))
    g = model.soft_couplings.detach().numpy()
    out, linear = model.out.detach().numpy(), model.linear.detach().numpy()
    softplus = lambda z: np.logaddexp(0, z)  # noqa: E731

    def at(i, j):
        return x[i, j % 6] if 0 <= i < 4 else 0.0

    S = 0.0
    for i in range(4):
        for j in range(6):
            patch = [at(i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)]
            u = (w @ patch) ** 2
            S += linear @ u + out @ softplus(A @ u + b[:, 0])
            S += g[0] * x[i, j] ** 2 + g[1] * x[i, j] * (at(i + 1, j) + at(i, j + 1))
            S += np.exp(model.log_quartic.item()) * x[i, j] ** 4
    assert float(model.action(x)) == pytest.approx(S, rel=1e-9)


def test_soft_terms_are_the_derivatives_in_the_soft_couplings():
    model, x = made("convolution")
    tensor = torch.from_numpy(x).float()
    terms = model.soft_terms(tensor)
    for i in range(6):
        (slope,) = torch.autograd.grad(model(tensor[i : i + 1]).sum(), model.soft_couplings)
        torch.testing.assert_close(slope.double(), terms[i].detach(), rtol=1e-4, atol=1e-4)
    y = x / 1.3
    np.testing.assert_allclose(terms[:, 0].detach(), (y**2).sum((1, 2)), rtol=1e-5)
    nearest = (y * (np.roll(y, -1, 1) + np.roll(y, -1, 2))).sum((1, 2))
    np.testing.assert_allclose(terms[:, 1].detach(), nearest, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["convolution", "dense", "noisy dense"])
def test_it_is_stored_and_read_back(name):
    model, x = made(name)
    back = models.from_dataset(models.to_dataset(model))
    np.testing.assert_array_equal(back.action(x), model.action(x))
    assert back.fingerprint == model.fingerprint
    assert back.config == model.config


def test_for_target_takes_what_is_declared_and_nothing_of_the_action():
    other = Phi4.from_hopping(L=4, kappa=0.2, lam=0.022)
    model = ConvolutionalEnergy.for_target(other, rng=1, channels=3)
    assert (model.shape, model.boundary, model.even, model.channels) == (
        (4, 4),
        "periodic",
        True,
        3,
    )
    assert 0.5 < model.scale < 2
    x = PHI4.hot(Stream(1), 50)
    lone = Configurations(x)
    dense = MlpEnergy.for_target(lone, rng=1)
    assert (dense.boundary, dense.even) == (None, False)
    with pytest.raises(InputError, match="needs a lattice, got no boundary"):
        ConvolutionalEnergy.for_target(lone, rng=1)
    with pytest.raises(InputError, match="is an energy of reals"):
        ConvolutionalEnergy.for_target(Ising((4, 4), beta=0.2), rng=1)


def test_a_residual_begins_as_the_target_and_counts_its_numbers():
    model = ResidualEnergy.for_target(PHI4, rng=1)
    x = PHI4.hot(Stream(1), 20)
    assert np.abs(np.diff(model.action(x) - PHI4.action(x))).max() < 1.0
    other = ResidualEnergy(Phi4.from_hopping(L=4, kappa=0.21, lam=0.022), model.correction)
    assert other.fingerprint != model.fingerprint
    trained = {name for name, _ in model.named_parameters()}
    assert trained == {f"correction.{name}" for name, _ in model.correction.named_parameters()}
    with pytest.raises(InputError, match="cannot be built from its config"):
        models.build(model.config)
    with pytest.raises(InputError, match="must be of the same configurations"):
        ResidualEnergy(Phi4.from_hopping(L=6, kappa=0.2, lam=0.022), model.correction)
    with pytest.raises(InputError, match="correction must be an energy"):
        ResidualEnergy(PHI4, PHI4)
    with pytest.raises(InputError, match="correction must be an energy"):
        ResidualEnergy(PHI4, model)


def test_a_residual_learns_what_the_known_action_lacks():
    """S_0 = x^2 / 2 and data of variance 1/2: f has to be x^2 / 2 as well."""
    known = Phi4((4, 4), hop=0.0, quad=0.5, quart=0.0)
    x = np.random.default_rng(1).standard_normal((2000, 4, 4)) * 0.5**0.5
    model = ResidualEnergy.for_target(known, rng=1)
    settings = FitSettings(n_epochs=3, batch_size=32, learning_rate=2e-2, clip_norm=None)
    fit(model, ScoreMatching((known, x)), settings, rng=1)
    np.testing.assert_allclose(model.force(x[:20]), -2 * x[:20], atol=0.45)
    assert np.abs(model.force(x) + 2 * x).mean() < 0.1 < np.abs(known.force(x) + 2 * x).mean()


@pytest.mark.parametrize("name", ["convolution", "even dense", "residual"])
def test_samplers_run_on_it(name):
    how = {"n_chains": 8, "n_draws": 10, "warmup": 5, "seed": 1, "quiet": True}
    draws = run(HMC(), CASES[name](), **how)
    assert np.isfinite(draws["phi2"].values).all()


def test_chains_of_a_dense_energy_have_the_moments_of_its_well():
    """A dense energy without its network is a Gaussian without neighbours."""
    model = MlpEnergy((3,), scale=2.0, rng=1)
    with torch.no_grad():
        model.out.zero_()
        model.log_curvature.fill_(np.log(0.5))
    x = np.random.default_rng(1).standard_normal((5, 3))
    np.testing.assert_allclose(model.action(x), (x**2).sum(1) / 16, rtol=1e-5)
    draws = run(HMC(), model, n_chains=128, n_draws=20, warmup=30, seed=1, quiet=True)["phi2"]
    each = draws.mean("draw").values
    assert within(each.mean(), 8.0, each.std() / len(each) ** 0.5, largest=0.6)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: ConvolutionalEnergy((4, 4), reach=3, rng=1), "at most half of a periodic extent"),
        (lambda: ConvolutionalEnergy((4, 4), channels=0, rng=1), "channels must be a positive"),
        (lambda: ConvolutionalEnergy((4, 4), None, rng=1), "needs a lattice"),
        (lambda: MlpEnergy((4,), layers=0, rng=1), "layers must be a positive integer"),
        (lambda: MlpEnergy((4,), noise_range=(1.0, 0.1), rng=1), "must have low < high"),
        (lambda: MlpEnergy((4,), noise_range=(1.0,), rng=1), "must be two numbers"),
        (lambda: MlpEnergy((4,), scale=0.0, rng=1), "scale must be a positive number"),
    ],
)
def test_arguments_out_of_range_are_refused(make, told):
    with pytest.raises(InputError, match=told):
        make()

"""The free field: a normalised density, its draws, its propagator."""

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, joint_p

from physgen.core.errors import InputError
from physgen.core.protocols import Compilable, Density, Differentiable
from physgen.core.random import Stream
from physgen.lattice import Hypercubic
from physgen.targets import FreeField, Phi4, check_force

SHAPES = [(4, 4), (3, 5), (2, 2), (6,), (2, 3, 4)]


def precision(field):
    """The matrix A of S = phi A phi / 2, from the force."""
    unit = np.eye(field.n_sites).reshape(-1, *field.event_shape)
    return -field.force(unit).reshape(field.n_sites, field.n_sites)


@pytest.mark.parametrize("shape", SHAPES)
def test_density_is_the_normalised_gaussian(shape):
    field = FreeField(shape, m2=0.7)
    A = precision(field)
    x = np.random.default_rng(1).standard_normal((3, *shape))
    flat = x.reshape(3, -1)
    S = 0.5 * np.einsum("ni,ij,nj->n", flat, A, flat)
    np.testing.assert_allclose(field.action(x), S)
    log_z = 0.5 * (field.n_sites * np.log(2 * np.pi) - np.linalg.slogdet(A)[1])
    assert field.log_z == pytest.approx(log_z)
    np.testing.assert_allclose(field.log_prob(x), -S - log_z)
    np.testing.assert_allclose(field.log_prob(torch.from_numpy(x)).numpy(), -S - log_z)
    # One row of the inverse is the propagator.
    np.testing.assert_allclose(np.linalg.inv(A)[0], field.propagator().ravel(), atol=1e-12)


def covariance_p(field, drawn_from):
    """p-value of the spectrum and of one distant correlation, over draws of `drawn_from`."""
    G = field.propagator()

    def p(n, seed):
        x = drawn_from.sample(n, Stream(seed))
        # Independent pulls: the modes, each exponential or chi-square about 1 / spectrum.
        waves = np.abs(np.fft.rfftn(x, axes=(1, 2))) ** 2 / field.n_sites * field.spectrum[:, :3]
        mean, error = waves.mean(axis=0), waves.std(axis=0) / np.sqrt(n)
        inner = ((mean - 1) / error)[1:2, :].ravel()  # no mode and its mirror image twice
        product = x[:, 0, 0] * x[:, 1, 2]
        far = (product.mean() - G[1, 2]) / (product.std() / np.sqrt(n))
        return min(1.0, 2 * min(joint_p(inner), joint_p(np.array([far]))))

    return p


@pytest.mark.statistical
def test_draws_have_the_covariance_of_the_propagator():
    field = FreeField(4, m2=0.3)
    assert accepts(covariance_p(field, field), 20_000)
    assert not accepts(covariance_p(field, field.at(m2=0.35)), 20_000)


def test_draws_and_their_log_prob():
    field = FreeField((3, 4), m2=0.5)
    x, log_prob = field.sample_and_log_prob(5, Stream(1))
    np.testing.assert_array_equal(x, field.sample(5, Stream(1)))
    np.testing.assert_allclose(log_prob, field.log_prob(x))
    # <S> = V / 2, with variance V / 2.
    S = field.action(field.sample(20_000, Stream(2)))
    assert S.mean() == pytest.approx(6, abs=4 * np.sqrt(6 / 20_000))


def test_is_the_gaussian_case_of_phi4():
    field = FreeField(4, m2=0.5)
    model = Phi4.from_halved(4, m2=0.5, lam=0.0)
    x = field.hot(1, 3)
    np.testing.assert_allclose(field.action(x), model.action(x))
    np.testing.assert_allclose(field.force(x), model.force(x))
    assert field.kernel[0] == "phi4"
    assert field.kernel[1][1].tolist() == [1, 2.25, 0, 0]
    assert field.symmetries == model.symmetries
    assert set(field.observables) == {"action", "magnetization", "phi2"}
    assert not field.cold(1, 2).any()
    check_force(field)
    for protocol in (Density, Differentiable, Compilable):
        assert isinstance(field, protocol)


def test_log_z_of_a_published_self_test():
    """NeuMC: -log Z = -(V/2) log 2 pi + (1/2) sum_q log(khat^2 + m2), m2 = 1.25 at 8 x 8."""
    n = np.arange(8)
    khat2 = 4 * np.sin(np.pi * n / 8) ** 2
    log_z = 32 * np.log(2 * np.pi) - 0.5 * np.log(khat2[:, None] + khat2 + 1.25).sum()
    assert FreeField(8, m2=1.25).log_z == pytest.approx(log_z, rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"m2": 0.0}, "m2 must be a positive number, got 0"),
        ({"m2": -1.0}, "m2 must be a positive number"),
        ({"L": Hypercubic((4, 4), "open")}, "needs a periodic Hypercubic"),
        ({"L": (4, 1)}, "at least 2"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        FreeField(**{"L": 4, "m2": 1.0, **arguments})
    with pytest.raises(InputError, match="coupling of FreeField is m2; got lam"):
        FreeField(4, 1.0).at(lam=1.0)

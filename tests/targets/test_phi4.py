"""The phi^4 action against sums over bonds, its force against the action, its starts."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Compilable, Conditional, Decimable, Differentiable
from physgen.core.random import Stream
from physgen.lattice import Graph, Hypercubic
from physgen.targets import Phi4, check_force

LATTICES = [
    Hypercubic((2, 2)),
    Hypercubic((3, 4)),
    Hypercubic((5,)),
    Hypercubic((2, 2, 3)),
    Hypercubic((3, 4), "open"),
]
MODELS = [Phi4(lattice, hop=0.7, quad=-0.3, quart=0.9, const=0.1) for lattice in LATTICES]
MODELS.append(Phi4(LATTICES[1], hop=-0.5, quad=1.5, quart=0.0))


def fields(model, n=3, seed=1):
    return np.random.default_rng(seed).standard_normal((n, *model.event_shape))


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_action_is_the_sum_over_sites_and_bonds(model):
    x = fields(model)
    S = np.zeros(3)
    for n, phi in enumerate(x.reshape(3, -1)):
        for i, j in model.lattice.bonds:
            S[n] -= model.hop * phi[i] * phi[j]
        S[n] += sum(model.quad * phi**2 + model.quart * phi**4 + model.const)
    np.testing.assert_allclose(model.action(x), S)
    t = torch.from_numpy(x)
    np.testing.assert_allclose(model.action(t).numpy(), S)
    single = model.action(t.float())
    assert single.dtype == torch.float64
    np.testing.assert_allclose(single.numpy(), S, rtol=1e-6)
    assert np.shape(model.action(x[0])) == ()


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_force_is_the_gradient(model):
    x = fields(model)
    t = torch.from_numpy(x).requires_grad_(True)
    model.action(t).sum().backward()
    np.testing.assert_allclose(model.force(x), -t.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(model.force(t.detach()).numpy(), model.force(x), atol=1e-12)
    assert model.force(x.astype(np.float32)).dtype == np.float32
    check_force(model)
    eps = 1e-6
    for site in (0, model.n_sites - 1):
        step = np.zeros(model.n_sites)
        step[site] = eps
        step = step.reshape(model.event_shape)
        slope = (model.action(x + step) - model.action(x - step)) / (2 * eps)
        np.testing.assert_allclose(-slope, model.force(x).reshape(3, -1)[:, site], atol=1e-7)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_local_change_is_a_difference_of_actions(model):
    x = fields(model)
    value = np.array([0.3, -1.2, 2.0])
    for site in range(model.n_sites):
        moved = x.reshape(3, -1).copy()
        moved[:, site] = value
        change = model.action(moved.reshape(x.shape)) - model.action(x)
        np.testing.assert_allclose(model.local_change(x, site, value), change, atol=1e-12)
    t = torch.from_numpy(x)
    by_torch = model.local_change(t, 1, torch.from_numpy(value)).numpy()
    np.testing.assert_allclose(by_torch, model.local_change(x, 1, value))
    with pytest.raises(InputError, match="site must be in 0"):
        model.local_change(x, -1, 0.0)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_kernel_arrays_give_the_action(model):
    name, (neighbours, (hop, quad, quart, const)) = model.kernel
    assert name == "phi4"
    x = fields(model).reshape(3, -1)
    around = np.where(neighbours < 0, 0.0, x[:, neighbours]).sum(axis=-1)
    S = (-0.5 * hop * x * around + quad * x**2 + quart * x**4 + const).sum(axis=1)
    np.testing.assert_allclose(S, model.action(fields(model)))


def test_symmetries_hold():
    model = Phi4.from_unhalved(L=4, m2=-4, lam=8)
    assert model.symmetries == {"z2", "translations", "point_group"}
    x = fields(model)
    for image in (-x, np.roll(x, (1, 2), (1, 2)), np.rot90(x, axes=(1, 2)), x[:, ::-1]):
        np.testing.assert_allclose(model.action(image), model.action(x))
    assert Phi4.from_unhalved((3, 4), -4, 8).symmetries == {"z2", "translations"}
    assert Phi4(Hypercubic((3, 3), "open"), 1, 1, 1).symmetries == {"z2", "point_group"}


def test_capabilities_and_observables():
    model = Phi4.from_hopping(L=4, kappa=0.27, lam=0.02)
    for protocol in (Differentiable, Compilable, Conditional, Decimable):
        assert isinstance(model, protocol)
    assert model.support == REALS
    x = fields(model)
    values = {name: observable(x) for name, observable in model.observables.items()}
    np.testing.assert_array_equal(values["action"], model.action(x))
    np.testing.assert_allclose(values["magnetization"], x.mean(axis=(1, 2)))
    np.testing.assert_allclose(values["phi2"], (x**2).mean(axis=(1, 2)))


@pytest.mark.parametrize(
    "model",
    [
        Phi4.from_unhalved(L=4, m2=-4, lam=0.5),
        Phi4(4, hop=-2.0, quad=1.0, quart=0.5),
        Phi4.from_unhalved(L=4, m2=1, lam=0.5),
    ],
    ids=repr,
)
def test_cold_starts_are_minima(model):
    x = model.cold(Stream(1), 50)
    np.testing.assert_allclose(model.force(x), 0, atol=1e-12)
    S = model.action(x)
    np.testing.assert_allclose(S, S[0])
    nearby = x + 0.05 * fields(model, 50)
    assert np.all(model.action(nearby) > S)
    ordered = abs(model.hop) * 2 > model.quad
    assert len(np.unique(np.sign(x[:, 0, 0]))) == (2 if ordered else 1)


def test_hot_starts_have_the_weight_of_one_site():
    model = Phi4.from_unhalved(L=8, m2=-4, lam=8)
    x = model.hot(Stream(2), 500)
    assert x.shape == (500, 8, 8)
    # <phi^4> = 1 / (4 lam) where quad = 0, by integrating by parts.
    values = x.ravel() ** 4
    assert values.mean() == pytest.approx(1 / 32, abs=4 * values.std() / np.sqrt(values.size))
    assert abs(np.corrcoef(x[:, 0, 0], x[:, 0, 1])[0, 1]) < 4 / np.sqrt(500)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quart": -1.0}, "quart > 0, or quart = 0 and quad > 2"),
        ({"quad": 2.0, "quart": 0.0}, "must be normalizable"),
        ({"hop": np.nan}, "hop must be a finite number, got nan"),
        ({"L": (4, 1)}, r"at least 2, got shape \(4, 1\); leave the axis out"),
        ({"L": Graph(3, [(0, 1)])}, "needs a Hypercubic lattice"),
        ({"L": 2.5}, "L must be a positive integer, got 2.5"),
    ],
)
def test_bad_input(arguments, message):
    plain = {"L": 4, "hop": 1.0, "quad": 3.0, "quart": 0.0}
    with pytest.raises(InputError, match=message):
        Phi4(**{**plain, **arguments})


def test_an_open_boundary_holds_the_field_at_zero_outside():
    model = Phi4.from_unhalved(Hypercubic((3,), "open"), m2=0.0, lam=0.0, dim=1)
    phi = np.array([1.0, 3.0, -2.0])
    assert model.action(phi) == pytest.approx(1 + 2**2 + 5**2 + 2**2)

"""A user's function or class as a target, in NumPy, numba and torch."""

import numba
import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Differentiable, Target, outcomes
from physgen.core.random import Stream
from physgen.targets import Ising, Phi4, as_target, check_force

MODEL = Phi4.from_unhalved(L=4, m2=-4, lam=6.0)
X = MODEL.hot(Stream(1), 6).reshape(2, 3, 4, 4)


def numpy_action(x):
    gradient2 = sum(((np.roll(x, -1, mu) - x) ** 2).sum(axis=(1, 2)) for mu in (1, 2))
    return gradient2 - 4 * (x**2).sum(axis=(1, 2)) + 6 * (x**4).sum(axis=(1, 2))


def torch_action(x):
    gradient2 = sum(((torch.roll(x, -1, mu) - x) ** 2).sum(dim=(1, 2)) for mu in (1, 2))
    return gradient2 - 4 * (x**2).sum(dim=(1, 2)) + 6 * (x**4).sum(dim=(1, 2))


@numba.njit
def compiled_action(x):
    S = np.zeros(x.shape[0])
    for n in range(x.shape[0]):
        for i in range(4):
            for j in range(4):
                p = x[n, i, j]
                around = x[n, (i + 1) % 4, j] + x[n, i, (j + 1) % 4]
                S[n] += -2 * p * around + 6 * p**4
    return S


class Written:
    """A class as a user may write it."""

    event_shape = (4, 4)

    def action(self, x):
        return numpy_action(x)

    def force(self, x):
        return MODEL.force(x)


TARGETS = {
    "numpy": as_target(numpy_action, (4, 4), force=MODEL.force),
    "numba": as_target(compiled_action, (4, 4), force=MODEL.force),
    "class": as_target(Written()),
    "torch": as_target(torch_action, (4, 4), library="torch"),
    "torch with force": as_target(torch_action, (4, 4), force=MODEL.force, library="torch"),
    "one at a time": as_target(
        lambda x: numpy_action(x[None])[0], (4, 4), force=MODEL.force, batched=False
    ),
    "one at a time in torch": as_target(
        lambda x: torch_action(x[None])[0], (4, 4), library="torch", batched=False
    ),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_same_action_and_force_as_the_built_in_target(target):
    assert isinstance(target, Differentiable)
    check_force(target)
    for x in (X, torch.from_numpy(X)):
        S, F = target.action(x), target.force(x)
        assert type(S) is type(F) is type(x)
        assert tuple(S.shape) == (2, 3)
        np.testing.assert_allclose(np.asarray(S), MODEL.action(X))
        np.testing.assert_allclose(np.asarray(F), MODEL.force(X))
    assert target.action(X[0, 0]) == pytest.approx(MODEL.action(X[0, 0]))
    for name, observable in MODEL.observables.items():
        np.testing.assert_allclose(target.observables[name](X), observable(X))


@pytest.mark.parametrize("name", ["numpy", "numba", "torch", "torch with force"])
def test_gradients_flow_into_torch(name):
    x = torch.from_numpy(X).requires_grad_(True)
    S = TARGETS[name].action(x)
    assert S.dtype == torch.float64
    (S * torch.arange(6).reshape(2, 3)).sum().backward()
    weighted = -MODEL.force(X) * np.arange(6).reshape(2, 3, 1, 1)
    np.testing.assert_allclose(x.grad.numpy(), weighted)


def test_without_a_force():
    target = as_target(numpy_action, (4, 4))
    assert isinstance(target, Target)
    assert not isinstance(target, Differentiable)
    np.testing.assert_allclose(target.action(torch.from_numpy(X)).numpy(), MODEL.action(X))
    with pytest.raises(InputError, match="a NumPy action must come with a force"):
        target.action(torch.from_numpy(X).requires_grad_(True))
    with pytest.raises(InputError, match="must have a force"):
        check_force(target)


def test_starts():
    fields = TARGETS["numpy"]
    assert fields.support == REALS
    assert fields.hot(Stream(1), 7).shape == (7, 4, 4)
    assert not fields.cold(1, 2).any()
    spins = as_target(Ising(L=4, beta=0.4).action, (4, 4), support=SPINS)
    assert set(np.unique(spins.hot(1, 9))) == {-1, 1}
    assert np.all(spins.cold(1, 2) == 1)
    digits = as_target(lambda x: x.sum(axis=1) * 1.0, 5, support=outcomes(3))
    assert digits.event_shape == (5,)
    assert set(np.unique(digits.hot(1, 50))) == {0, 1, 2}
    assert digits.cold(1, 2).dtype == np.uint8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"action": 3.0}, "action must be a function, or an object with a method action, got 3.0"),
        ({"force": "auto"}, "force must be a function"),
        ({"event_shape": None}, "event_shape must be given"),
        ({"event_shape": (4, 0)}, "each extent of event_shape must be a positive integer, got 0"),
        ({"library": "jax"}, "library must be one of 'numpy', 'torch', 'both', got 'jax'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        as_target(**{"action": numpy_action, "event_shape": (4, 4), **arguments})


def test_functions_that_return_the_wrong_shape():
    with pytest.raises(InputError, match=r"action must return shape \(6,\).*got \(\); sum over"):
        as_target(lambda x: (x**2).sum(), (4, 4)).action(X)
    with pytest.raises(InputError, match=r"action must return shape \(6,\).*one number"):
        as_target(lambda x: x, (4, 4), batched=False).action(X)
    crooked = as_target(numpy_action, (4, 4), force=lambda x: x[:, 0])
    with pytest.raises(InputError, match=r"force must return shape \(6, 4, 4\).*like x"):
        crooked.force(X)
    with pytest.raises(InputError, match=r"shape \(\.\.\., 4, 4\), got \(4, 5\)"):
        as_target(numpy_action, (4, 4)).action(np.ones((4, 5)))
    constant = as_target(lambda x: torch.zeros(len(x)), (4, 4), library="torch")
    with pytest.raises(InputError, match="must be differentiable"):
        constant.force(X)

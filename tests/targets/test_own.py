"""Targets of users: two members are enough, and whatever else there is gets used."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Differentiable, Target, outcomes
from physgen.lattice import Graph, Hypercubic
from physgen.targets import Ising, Phi4, as_target, checked_target, whole_target

RING = Hypercubic((6,))


class Bare:
    event_shape = (6,)

    def action(self, x):
        return ((x - x[:, [1, 2, 3, 4, 5, 0]]) ** 2 + x**2).sum(1)


class Torch:
    event_shape, lattice, symmetries = (6,), RING, {"translations", "z2"}

    def action(self, x):
        return ((torch.roll(x, 1, 1) - x) ** 2 + torch.cosh(x)).sum(1)


class Family(Torch):
    def __init__(self, m2=1.0):
        self.couplings = {"m2": m2}

    def action(self, x):
        return ((torch.roll(x, 1, 1) - x) ** 2 + self.couplings["m2"] * x**2).sum(1)

    def at(self, m2):
        return Family(m2)


def test_two_members_are_enough():
    target = whole_target(Bare())
    assert isinstance(target, Target)
    assert target.support == REALS
    assert set(target.observables) == {"action", "magnetization", "phi2"}


def test_an_action_of_a_class_in_torch_is_differentiated():
    target = whole_target(Torch())
    assert isinstance(target, Differentiable)
    x = target.hot(1, 3)
    t = torch.from_numpy(x).requires_grad_(True)
    target.action(t).sum().backward()
    np.testing.assert_allclose(target.force(x), -t.grad.numpy())
    assert type(target.action(x)) is type(target.force(x)) is np.ndarray


def test_an_action_that_takes_both_kinds_of_arrays_stays_with_each():
    target = whole_target(Bare())
    assert target.library == "both"
    x = target.hot(1, 3)
    np.testing.assert_allclose(target.action(x), target.action(torch.from_numpy(x)).numpy())
    assert isinstance(target.force(torch.from_numpy(x)), torch.Tensor)


def test_targets_of_physgen_and_those_with_more_than_an_action_stay_as_they_are():
    ising = Ising(L=4, beta=0.3)
    assert whole_target(ising) is ising
    fast = type("Fast", (Bare,), {"kernel": ("phi4", ()), "support": REALS})()
    assert whole_target(fast) is fast
    half = type("Half", (), {"event_shape": (2,)})()
    with pytest.raises(InputError, match="which lacks action and support"):
        whole_target(half)
    with pytest.raises(InputError, match="lacks an instance: write Bare"):
        whole_target(Bare)


def test_a_spin_action_does_not_overflow():
    def energy(x):
        return -np.einsum("ni,ni->n", x, np.roll(x, 1, 1))

    target = as_target(energy, 200, support="spins")
    up = target.cold(1, 2)
    assert up.dtype == np.int8
    assert np.all(target.action(up) == -200)
    assert np.all(energy(up) == 56)  # of int8
    owner = type("Owner", (), {"event_shape": (200,), "support": target.support})()
    owner.action = energy
    assert np.all(whole_target(owner).action(up) == -200)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_complex_actions_and_forces_are_refused(library):
    target = as_target(lambda x: 0.5 * (x**2).sum(1) + 1j * x.sum(1), 3, library=library)
    with pytest.raises(InputError, match="action must be real, got complex numbers"):
        checked_target(target)
    crooked = as_target(lambda x: (x**2).sum(1), 3, lambda x: -2 * x * (1 + 1j), library=library)
    with pytest.raises(InputError, match="force must be real, got complex numbers"):
        crooked.force(np.ones((2, 3)))


def test_tensors_in_a_list_and_operations_in_place():
    listed = as_target(lambda x: [one.sum() for one in x], 3, library="torch")
    with pytest.raises(InputError, match=r"got a list of tensors; join them with torch\.stack"):
        listed.action(np.ones((2, 3)))
    harmless = as_target(lambda x: x.add_(1).square().sum(1), 3, library="torch")
    x = np.ones((2, 3))
    np.testing.assert_allclose(harmless.force(x), -4 * x)
    assert np.all(harmless.action(x) == 12)
    assert np.all(x == 1)
    harmful = as_target(lambda x: x.mul_(x).sum(1), 3, library="torch")
    with pytest.raises(InputError, match="operation in place; write x = x \\* x"):
        harmful.force(x)
    with pytest.raises(InputError, match="got a tensor; pass library='torch'"):
        as_target(lambda x: torch.from_numpy(x).sum(1), 3).action(x)


def test_families_in_a_coupling_and_in_beta():
    target = as_target(
        lambda x, lam: lam * (x**2).sum(1), 3, lambda x, lam: -2 * lam * x,
        couplings={"lam": 0.5},
    )  # fmt: skip
    x = np.ones((1, 3))
    assert target.action(x) == 1.5
    warm = target.at(lam=2.0, beta=0.5)
    assert warm.action(x) == 3.0
    np.testing.assert_allclose(warm.force(x), -2 * x)
    assert warm.couplings == {"lam": 2.0}
    assert target.fingerprint != target.at(lam=0.6).fingerprint
    with pytest.raises(InputError, match="coupling must be one of beta, lam, got 'mu'"):
        target.at(mu=1.0)
    one = whole_target(Family())
    y = one.hot(1, 2)
    np.testing.assert_allclose(one.at(m2=3.0).action(y), Family(3.0).action(torch.tensor(y)))
    np.testing.assert_allclose(one.at(m2=3.0, beta=2.0).action(y), 2 * one.at(m2=3.0).action(y))
    with pytest.raises(InputError, match="coupling must be one of beta, got 'm2'"):
        whole_target(Torch()).at(m2=1.0)


def test_observables_of_ones_own_and_of_components():
    def correlator(x):
        return np.stack([(x * np.roll(x, r, 1)).mean(1) for r in range(4)], 1)

    target = as_target(lambda x: (x**2).sum(1), lattice=RING, observables={"G": correlator})
    assert target.event_shape == (6,)
    assert list(target.observables) == ["action", "G"]
    assert target.observables["G"](target.hot(1, 10).reshape(2, 5, 6)).shape == (2, 5, 4)
    vector = as_target(lambda x: (x**2).sum((1, 2, 3)), (4, 4, 2), lattice=Hypercubic((4, 4)))
    assert set(vector.observables) == {"action", "phi2"}  # components have no mean of interest
    assert set(as_target(lambda x: x, (8, 8, 2)).observables) == {"action", "phi2"}
    assert "magnetization" in as_target(lambda x: x, lattice=Hypercubic((4, 6))).observables


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"event_shape": ()}, r"event_shape must have at least one extent, got \(\)"),
        ({"support": "real"}, "support must be one of 'reals', 'spins', got 'real'"),
        ({"support": 3}, r"support must be 'reals', 'spins' or outcomes\(K\), got 3"),
        ({"lattice": (4, 4)}, r"lattice must be a Hypercubic or a Graph, got \(4, 4\)"),
        ({"symmetries": ["parity"]}, "each of symmetries must be one of .* got 'parity'"),
        ({"symmetries": ["translations"]}, "translations need a lattice, got None"),
        ({"symmetries": "point_group", "lattice": Graph(16, [[0, 1]])}, "need a lattice"),
        (
            {"symmetries": ["z2"], "lattice": Hypercubic((4,))},
            r"first axes of event_shape \(6, 6\), got one of shape \(4,\)",
        ),
        ({"observables": {"a/b": len}}, "without '/', got 'a/b'; e.g. 'a_b'"),
        ({"observables": {"a": 1}}, "must map names to functions"),
        ({"couplings": {"lam": "big"}}, "coupling 'lam' must be a finite number"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, message):
    with pytest.raises(InputError, match=message):
        as_target(**{"action": lambda x: x, "event_shape": (6, 6), **arguments})


def test_supports_by_name_and_by_value():
    assert as_target(lambda x: x, 3, support=outcomes(3)).support.K == 3
    phi4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=6.0)
    assert checked_target(phi4) is phi4

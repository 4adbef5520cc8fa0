"""Targets with other numbers have other fingerprints; the same target has the same everywhere."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from physgen.core.protocols import SPINS, Fingerprinted, outcomes
from physgen.lattice import Graph, Hypercubic
from physgen.targets import FreeField, Ising, Phi4, as_target
from physgen.targets.even import EvenTarget
from physgen.targets.fingerprint import digest, fingerprint


def net(seed, width=3):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(3, width), torch.nn.Tanh(), torch.nn.Linear(width, 1)
    )


class Energy(torch.nn.Module):
    """A learned energy in float32 whose stiffness is no weight."""

    event_shape = (3,)

    def __init__(self, seed=0, stiffness=0.5):
        super().__init__()
        self.net, self.stiffness = net(seed), stiffness

    def action(self, x):
        return self.stiffness * (x**2).sum(1) + self.net(x.float()).squeeze(1)


@dataclass(frozen=True)
class Well:
    """A user's object that is no physgen class."""

    c: float = 1.0
    event_shape: tuple = (3,)
    support: object = None

    def action(self, x):
        return self.c * (x**2).sum(1)


def oscillator(c, library="numpy"):
    return as_target(lambda x: c * (x**2).sum(1), 3, lambda x: -2 * c * x, library=library)


def learned(seed, scale=1.0):
    weights = net(seed).double()
    return as_target(lambda x: (x**2).sum(1) + scale * weights(x).squeeze(1), 3, library="torch")


def bonds(J):
    return as_target(lambda x: -(J * x[:, 1:] * x[:, :-1]).sum(1), 4, support=SPINS)


def costs(J):
    return as_target(lambda x: np.asarray(J)[x].sum(1), 4, support=outcomes(3))


J = np.linspace(0.5, 1.5, 16)
DIFFERENT = [  # every pair differs in one number, or in one bit of one
    (Ising(4, beta=0.44), Ising(4, beta=np.nextafter(0.44, 1))),
    (Ising(4, beta=0.4), Ising(4, beta=0.4, h=1e-9)),
    (Ising(4, beta=0.4, J=2.0), Ising(4, beta=0.8, J=1.0)),
    (Ising.spin_glass(4, 0.4, rng=1), Ising.spin_glass(4, 0.4, rng=2)),
    (Ising(Hypercubic((4,), "open"), 0.4), Ising(Hypercubic((4,)), 0.4)),
    (Ising(Graph(3, [(0, 1), (1, 2)])), Ising(Graph(3, [(0, 1), (0, 2)]))),
    (Phi4.from_halved(4, 1.0, 0.1), Phi4.from_halved(4, 1.0 + 1e-15, 0.1)),
    (Phi4(4, 1.0, 3.0, 1.0), Phi4(4, 1.0, 3.0, 1.0, const=0.5)),
    (FreeField(4, 0.5), FreeField(4, 0.6)),
    (EvenTarget(Ising(4, 0.4)), EvenTarget(Ising(4, 0.5))),
    (oscillator(1.0), oscillator(9.0)),
    (oscillator(1.0), oscillator(1.0 + 1e-7)),
    (oscillator(1.0, "torch"), oscillator(9.0, "torch")),
    (learned(1), learned(2)),
    (learned(1, 1.0), learned(1, 2.0)),
    (as_target(Energy(1), library="torch"), as_target(Energy(2), library="torch")),
    (
        as_target(Energy(1, 0.5), library="torch"),
        as_target(Energy(1, 0.5 + 1e-9), library="torch"),
    ),
    (as_target(Well(1.0)), as_target(Well(2.0))),
    (Well(1.0), Well(2.0)),
    (bonds(np.array([1.0, 1, 1])), bonds(np.array([1.0, 1, 1.001]))),
    (costs([0.0, 1, 2]), costs([0.0, 1, 2.5])),
    (as_target(lambda x: x[:, 0] ** 2, 3), as_target(lambda x: x[:, 1] ** 2, 3)),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=lambda t: type(t).__name__)
def test_other_numbers_have_other_fingerprints(one, other):
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def test_one_bit_of_one_weight_counts():
    """Also where the action cannot feel it: weights are compared by their bits."""
    one, other = Energy(1), Energy(1)
    assert fingerprint(as_target(one, library="torch")) == fingerprint(
        as_target(other, library="torch")
    )
    with torch.no_grad():
        other.net[0].weight[0, 0].mul_(1 + 2e-7)
    assert fingerprint(as_target(one, library="torch")) != fingerprint(
        as_target(other, library="torch")
    )


@pytest.mark.parametrize("make", [lambda: oscillator(2.0), lambda: Ising(4, 0.4), lambda: Well()])
def test_two_targets_of_equal_numbers_are_one(make):
    assert fingerprint(make()) == fingerprint(make())
    whole, bond_by_bond = Ising(4, 0.4), Ising(4, 0.4, J=np.ones(32), h=np.zeros(16))
    assert fingerprint(whole) == fingerprint(bond_by_bond)


def test_last_bits_of_a_sum_are_not_seen():
    def added(order):
        return as_target(lambda x: np.cumsum(np.cosh(x)[:, order], axis=1)[:, -1], 64)

    forward, backward = added(slice(None)), added(slice(None, None, -1))
    x = forward.hot(1, 500)
    assert not np.array_equal(forward.action(x), backward.action(x))
    assert fingerprint(forward) == fingerprint(backward)


def test_an_action_may_refuse_a_probe():
    """A wall, an overflow and an error are parts of what an action is."""

    def walled(edge):
        return as_target(lambda x: np.where(np.abs(x).max(1) > edge, np.inf, x[:, 0] ** 2), 3)

    def picky(x):
        if np.abs(x).max() > 2:
            raise ValueError("too far out")
        return np.exp(100 * x**2).sum(1)

    assert fingerprint(walled(1.0)) != fingerprint(walled(4.0))
    assert len(fingerprint(as_target(picky, 3))) == len(fingerprint(as_target(lambda x: x, 3)))


def test_equal_in_another_process():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from targets.test_fingerprint import *\n"
        "made = [Ising.spin_glass(4, 0.4, rng=1), Phi4.from_halved(4, 1.0, 0.1), learned(1)]\n"
        "made += [oscillator(1.0), as_target(Energy(1), library='torch'), bonds(np.ones(3))]\n"
        "print(' '.join(map(fingerprint, made)))\n"
    )
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, tests],
        capture_output=True,
        text=True,
        check=True,
    )
    made = [Ising.spin_glass(4, 0.4, rng=1), Phi4.from_halved(4, 1.0, 0.1), learned(1)]
    made += [oscillator(1.0), as_target(Energy(1), library="torch"), bonds(np.ones(3))]
    assert done.stdout.split() == [fingerprint(t) for t in made]


def test_what_says_its_own_is_believed():
    class Said:
        event_shape, support, fingerprint = (3,), SPINS, "mine"

        def action(self, x):
            raise AssertionError("not asked")

    assert fingerprint(Said()) == "mine"
    assert isinstance(Ising(4), Fingerprinted)
    assert digest("a", "b") != digest("ab")
    assert digest(np.float64(1)) != digest(np.float32(1))

"""A force that is not the gradient of its action is found, and said where and how far off."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.targets import FreeField, Phi4, as_target, check_force

MODEL = Phi4.from_unhalved(L=8, m2=-4, lam=6.0)


def with_force(force):
    return as_target(MODEL.action, (8, 8), force=force)


@pytest.mark.parametrize(
    "target",
    [
        MODEL,
        Phi4.from_hopping(64, 0.3, 0.02),
        Phi4.from_hopping((2, 2, 2), 0.1, 50.0),
        FreeField(4, m2=1e-6),
        # A user who computes in float32 has rounding of 1e-7, not an error.
        as_target(lambda x: MODEL.action(x.astype(np.float32)), (8, 8), force=MODEL.force),
        as_target(lambda x: (x.float() ** 4).sum((1, 2)), (8, 8), library="torch"),
        as_target(lambda x: 1e6 + 0 * x.sum(1), 4, force=np.zeros_like),  # flat
    ],
    ids=lambda t: repr(t)[:40].split(" at ")[0],  # without the address of a function
)
def test_right_forces_pass(target):
    for seed in range(5):
        check_force(target, rng=seed)


def one_site(x):
    F = MODEL.force(x).copy()
    F[:, 2, 5] *= 1.01
    return F


@pytest.mark.parametrize(
    ("force", "message"),
    [
        (lambda x: -MODEL.force(x), "it is -1 times the gradient on every site"),
        (lambda x: 2 * MODEL.force(x), "it is 2 times the gradient on every site"),
        (lambda x: MODEL.force(x) + 0.01 * x, r"chain \d, site \(\d, \d\)\); it is wrong on"),
        (one_site, r"site \(2, 5\)\); it is wrong on 1\.56 % of the sites"),
        (
            lambda x: MODEL.force(x) * np.nan,
            "force must be finite at the start, got nan in chain 0",
        ),
    ],
)
def test_wrong_forces_are_explained(force, message):
    for seed in range(5):
        with pytest.raises(InputError, match=message):
            check_force(with_force(force), rng=seed)


def test_values_in_the_message_are_those_of_the_functions():
    with pytest.raises(InputError, match="must be -dS/dx") as caught:
        check_force(as_target(lambda x: (x**2).sum(1), 3, force=lambda x: -x), x=np.ones((2, 3)))
    assert "got -1 where the action gives -2 (chain " in str(caught.value)
    assert "0.5 times" in str(caught.value)


def test_actions_that_are_not_finite_at_the_start():
    def action(x):
        S = MODEL.action(x)
        S[2] = np.inf
        return S

    with pytest.raises(InputError, match="action must be finite at the start, got inf in chain 2"):
        check_force(as_target(action, (8, 8), force=MODEL.force))


def test_a_start_of_the_users_own():
    log = as_target(lambda x: -np.log(x).sum(1), 2, force=lambda x: 1 / x)
    check_force(log, x=np.array([[1.0, 2.0], [3.0, 0.5]]))
    check_force(as_target(lambda x: torch.cosh(x).sum(1), 2, library="torch"), n_chains=1)


def test_a_large_lattice_is_looked_at_in_part():
    big = as_target(lambda x: 0.5 * (x**2).sum(1), 5000, force=lambda x: -1.5 * x)
    with pytest.raises(InputError, match=r"1\.5 times the gradient on every site"):
        check_force(big)

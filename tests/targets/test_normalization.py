"""Weights that cannot be normalized are found on a few lines; weights that can are left alone."""

import numpy as np
import pytest

from physgen.core.errors import UnboundedTargetError
from physgen.targets import Ising, Phi4, as_target, checked_target
from physgen.targets.normalization import directions, require_normalizable


def gradients(x):
    return sum(((np.roll(x, -1, mu) - x) ** 2).sum((1, 2)) for mu in (1, 2))


def field(function, shape=3):
    return as_target(function, shape)


FALLING = {
    "log p": lambda x: -0.5 * (x**2).sum(1),
    "negative quartic": lambda x: (x**2 - 0.1 * x**4).sum(1),
    "linear": lambda x: x.sum(1),
    "cusp": lambda x: -np.abs(x).sum(1),
    "exponential": lambda x: -np.cosh(x).sum(1),
}
FLAT = {
    "axis": (lambda x: 0.5 * (x[:, :2] ** 2).sum(1), 3, r"along x\[2\]"),
    "massless": (gradients, (4, 4), "zero mode"),
    "constant": (lambda x: 0 * x[:, 0], 2, "zero mode"),
    "angles": (lambda x: -np.cos(x - np.roll(x, 1, 1)).sum(1), 5, "zero mode"),
    "slow tail": (lambda x: 0.4 * np.log1p(x**2).sum(1), 1, "zero mode"),
    "one component": (lambda x: (x[..., 0] ** 2).sum(1), (4, 2), "component 1"),
}
SOUND = {
    "Gaussian": lambda x: 0.5 * (x**2).sum(1),
    "very wide": lambda x: (x**2).sum(1) / 1e8,
    "very narrow": lambda x: 1e8 * (x**2).sum(1),
    "two wells": lambda x: ((x**2 - 9) ** 2).sum(1),
    "exponential": lambda x: np.cosh(x).sum(1),
    "Laplace": lambda x: np.abs(x).sum(1),
    "Cauchy": lambda x: np.log1p(x**2).sum(1),
    "box": lambda x: np.where(np.abs(x) < 5, 0.0, np.inf).sum(1),
    "valley": lambda x: (x[:, 0] - x[:, 1]) ** 2 + 1e-4 * (x**2).sum(1),
    "funnel": lambda x: (
        x[:, 0] ** 2 / 18 + (x[:, 1:] ** 2).sum(1) * np.exp(-x[:, 0]) / 2 + x[:, 0]
    ),
}


@pytest.mark.parametrize("name", FALLING)
def test_the_sign_of_log_p_is_named(name):
    with pytest.raises(UnboundedTargetError, match="was log p given for S"):
        checked_target(field(FALLING[name]))


@pytest.mark.parametrize("name", FLAT)
def test_flat_directions_are_named(name):
    function, shape, where = FLAT[name]
    with pytest.raises(UnboundedTargetError, match=where):
        checked_target(field(function, shape))


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.filterwarnings("error")
def test_no_false_alarm(name):
    require_normalizable(field(SOUND[name]))


def test_targets_of_physgen_pass_and_spins_have_no_far_away():
    require_normalizable(Phi4.from_unhalved(L=4, m2=-4.0, lam=5.0))
    require_normalizable(Ising(L=4, beta=0.3))
    massive = field(lambda x: gradients(x) + 1e-6 * (x**2).sum((1, 2)), (4, 4))
    require_normalizable(massive)


@pytest.mark.parametrize("shape", [(4, 12, 3), (5, 2), (6,)])
def test_lines_have_length_one_and_reach_every_component_and_site(shape):
    found = [(words, v) for words, part in directions(shape) for v in part]
    assert all(np.sum(v**2) == pytest.approx(1) for _, v in found)
    components = [v for words, v in found if words.startswith("in component")]
    assert len(components) == (shape[-1] if len(shape) > 1 else 0)
    for k, v in enumerate(components):
        assert np.ptp(v[..., k]) == 0
        assert np.count_nonzero(v) == np.prod(shape[:-1])
    alone = [v for _, v in found if np.count_nonzero(v) == 1]
    assert np.all(np.sum(alone, axis=0) == 1)

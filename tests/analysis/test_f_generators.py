"""Generators of f-divergences against numerical suprema, derivatives and exact sums."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from physgen.analysis.f_generators import GENERATORS, generator
from physgen.core.errors import InputError

TEXTBOOK = {
    "kl": lambda u: u * np.log(u),
    "reverse-kl": lambda u: -np.log(u),
    "pearson": lambda u: (u - 1) ** 2,
    "squared-hellinger": lambda u: (np.sqrt(u) - 1) ** 2,
    "js": lambda u: (u * np.log(u) - (u + 1) * np.log((u + 1) / 2)) / 2,
    "tv": lambda u: abs(u - 1) / 2,
}
U = np.array([1e-3, 0.05, 0.3, 0.9, 1.0, 1.1, 2.5, 7.0, 40.0])


def supremum(f, t):
    """sup_u (u t - f(u)) over u > 0, numerically."""
    best = -np.inf
    for low, high in ((-60, -5), (-5, 0), (0, 3), (3, 12)):
        found = minimize_scalar(
            lambda v: f(math.exp(v)) - math.exp(v) * t,
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-12},
        )
        best = max(best, -found.fun)
    return best


@pytest.mark.parametrize("name", list(GENERATORS))
def test_generator_and_slope(name):
    g, v = generator(name), np.log(U)
    np.testing.assert_allclose(g.f(v), TEXTBOOK[name](U), atol=1e-12)
    np.testing.assert_allclose(g.per_u(v), TEXTBOOK[name](U) / U, atol=1e-12)
    assert g.f(np.zeros(1))[0] == 0
    smooth = U[U != 1]
    step = 1e-6 * smooth
    slope = (TEXTBOOK[name](smooth + step) - TEXTBOOK[name](smooth - step)) / (2 * step)
    np.testing.assert_allclose(g.slope(np.log(smooth)), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", list(GENERATORS))
def test_conjugate_is_the_supremum_and_ends_where_it_diverges(name):
    g = generator(name)
    top = g.upper if math.isfinite(g.upper) else 3.0
    # Down to where the supremum is at u = 0: below t = f'(0) it is -f(0), of pearson and tv.
    for t in top - np.array([0.01, 0.1, 0.4, 1.0, 2.5, 4.9, 5.1, 7.0]):
        # At u -> 0 the supremum is -f(0), which is finite or not.
        found = supremum(TEXTBOOK[name], t)
        assert g.conjugate(np.array(t)) == pytest.approx(found, rel=1e-5, abs=1e-7), t
    if math.isfinite(g.upper):
        assert supremum(TEXTBOOK[name], g.upper + 0.05) > 1e2  # grows without bound with u
    else:
        assert supremum(TEXTBOOK[name], 30.0) < math.inf
    # Saboteurs: another generator's conjugate, and the parabola of pearson on the whole line.
    others = [other for other in GENERATORS if other != name]
    t = np.array(-0.3)
    assert all(abs(generator(o).conjugate(t) - supremum(TEXTBOOK[name], -0.3)) > 1e-3
               for o in others)  # fmt: skip
    # Fenchel-Young: equality at the slope.
    v = np.log(U[U != 1])
    t = g.slope(v)
    equality = np.exp(v) * t - g.conjugate(t)
    np.testing.assert_allclose(equality, g.f(v), atol=1e-9)


def test_saboteur_conjugates_of_lecture_notes_are_no_suprema():
    js = generator("js")
    doubled = -np.log(2 - np.exp(0.2))  # of 2 JS, at t = 0.2
    assert abs(doubled - js.conjugate(np.array(0.2))) > 0.05
    game = TEXTBOOK["js"](U) * 2 - (U + 1) * np.log(2)  # u log u - (u + 1) log(u + 1)
    np.testing.assert_allclose(game, U * np.log(U) - (U + 1) * np.log(U + 1), atol=1e-12)
    assert game[U == 1] == pytest.approx(-math.log(4))


@pytest.mark.parametrize("name", list(GENERATORS))
def test_torch_agrees_and_is_differentiable(name):
    g = generator(name)
    v = torch.tensor(np.log(U[U != 1]), requires_grad=True)
    np.testing.assert_allclose(g.f(v).detach(), g.f(v.detach().numpy()))
    (slope,) = torch.autograd.grad(g.f(v).sum(), v)
    np.testing.assert_allclose(slope, (g.slope(v) * v.exp()).detach(), rtol=1e-9)
    t = g.slope(v.detach()).requires_grad_()
    (u,) = torch.autograd.grad(g.conjugate(t).sum(), t)
    if name != "tv":  # f*' is the inverse of f'
        np.testing.assert_allclose(u, v.exp().detach(), rtol=1e-9)


def test_limits_are_those_of_the_generators():
    for g in GENERATORS.values():
        small, large = g.f(np.array(-80.0)), g.per_u(np.array(80.0))
        for value, limit in ((small, g.at_zero), (large, g.at_infinity)):
            if math.isfinite(limit):
                assert value == pytest.approx(limit, abs=1e-9)
            else:
                assert value > 50


def test_unknown_names():
    with pytest.raises(InputError, match="did you mean 'pearson'"):
        generator("pearsons")

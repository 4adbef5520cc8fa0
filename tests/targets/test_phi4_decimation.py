"""Odd sites integrated exactly: one-site integrals, whole lattices, expectations and draws."""

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p
from scipy import special

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice import Hypercubic
from physgen.targets import FreeField, Phi4, as_target, check_force
from physgen.targets.phi4_decimation import draw_site
from physgen.targets.phi4_site import SiteWeight, site_cumulants

# (quad, quart): flat, nearly Gaussian, shallow wells, deep wells, nearly Ising.
SITES = [(0.0, 8.0), (0.956, 0.022), (-1.0, 1.0), (-19.0, 10.0), (-1999.0, 1000.0), (1.0, 1e-6)]


def grid_weights(quad, quart, b, n=200_001):
    """A fine grid over the weight, and the normalised weight on it."""
    width = 8 * (abs(b) / (4 * quart)) ** (1 / 3) + 2 * np.sqrt(max(-quad, 0) / quart)
    width += 12 / np.sqrt(max(quad, 0) + np.sqrt(quart))
    phi = np.linspace(-width, width, n)
    S = quad * phi**2 + quart * phi**4 - b * phi
    w = np.exp(-(S - S.min()))
    return phi, w / w.sum(), np.log(w.sum() * (phi[1] - phi[0])) - S.min()


@pytest.mark.parametrize(("quad", "quart"), SITES)
@pytest.mark.parametrize("reach", [0.0, 0.4, 3.0, 40.0])
def test_one_site_against_a_fine_grid(quad, quart, reach):
    site = SiteWeight(quad, quart)
    b = reach * site.b0
    phi, w, log_z = grid_weights(quad, quart, b)
    mean = w @ phi
    at = np.array([b])
    assert site.log_z(at)[0] == pytest.approx(log_z, abs=1e-10 * max(1, abs(log_z)))
    size = np.sqrt(w @ phi**2)
    assert site.mean(at)[0] == pytest.approx(mean, abs=1e-9 * size)
    assert site.variance(at)[0] == pytest.approx(w @ (phi - mean) ** 2, rel=1e-8)
    assert site.log_z(-at)[0] == site.log_z(at)[0]
    assert site.mean(-at)[0] == -site.mean(at)[0]


@pytest.mark.parametrize(("quad", "quart"), SITES)
def test_table_against_its_integrals_between_the_nodes(quad, quart):
    """The stated accuracy over the whole range, up to a million widths."""
    site = SiteWeight(quad, quart)
    b = site.b0 * np.sinh(np.random.default_rng(1).uniform(0, 14.4, 500))
    log_z, mean, variance, _, _ = site_cumulants(b, quad, quart)
    assert np.all(np.abs(site.log_z(b) - log_z) <= 1e-10 * np.maximum(1, np.abs(log_z)))
    np.testing.assert_allclose(site.mean(b), mean, rtol=1e-9)
    np.testing.assert_allclose(site.variance(b), variance, rtol=1e-8)


def test_closed_form_without_a_field():
    """z(0) = sqrt(quad / 4 quart) e^t K_{1/4}(t), t = quad^2 / 8 quart."""
    quad, quart = 0.7, 0.3
    t = quad**2 / (8 * quart)
    z = np.sqrt(quad / (4 * quart)) * special.kve(0.25, t)  # kve carries the e^t
    assert np.exp(SiteWeight(quad, quart).log_z(np.zeros(1))[0]) == pytest.approx(z, rel=1e-12)


def test_outside_the_table_and_not_finite():
    site = SiteWeight(0.0, 8.0)
    b = np.array([1e9 * site.b0, np.nan, np.inf, 1.0])
    assert np.isfinite(site.log_z(b)).tolist() == [False, False, False, True]
    drawn = draw_site(b, 0.0, 8.0, Stream(1))
    assert np.isfinite(drawn).tolist() == [True, False, False, True]


@pytest.mark.parametrize("shape", [(2, 2), (4,), (2,)])
@pytest.mark.parametrize("couplings", [(-4.0, 8.0), (0.5, 0.0), (-2.0, 0.3)])
def test_integral_over_odd_sites(shape, couplings):
    model = Phi4.from_unhalved(shape, *couplings)
    model = Phi4(model.lattice, model.hop, model.quad, model.quart, const=0.2)
    n_odd = model.lattice.n_odd
    even = np.random.default_rng(1).standard_normal((3, model.lattice.n_even))
    grid = np.linspace(-8, 8, 641)
    axes = np.stack(np.meshgrid(*[grid] * n_odd, indexing="ij"), axis=-1).reshape(-1, n_odd)
    for x_even in even:
        weights = np.exp(-model.action(model.lattice.merge(np.tile(x_even, (len(axes), 1)), axes)))
        cell = (grid[1] - grid[0]) ** n_odd
        assert model.action_even(x_even) == pytest.approx(-np.log(weights.sum() * cell))
        weights /= weights.sum()
        for power in (1, 2, 4):
            expected = weights @ axes**power
            given = model.expect_odd(x_even, power)
            np.testing.assert_allclose(given, expected, rtol=1e-9, atol=1e-10)


def test_torch_agrees_and_differentiates():
    model = Phi4.from_unhalved((2, 4), m2=-4, lam=6.0)
    even = np.random.default_rng(1).standard_normal((3, 4))
    t = torch.from_numpy(even).requires_grad_(True)
    np.testing.assert_allclose(model.action_even(t).detach(), model.action_even(even))
    np.testing.assert_allclose(model.expect_odd(t.detach()).numpy(), model.expect_odd(even))
    assert torch.autograd.gradcheck(model.action_even, (t,))
    assert torch.autograd.gradgradcheck(model.action_even, (t,))
    zero = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(model.action_even, (zero,))
    # d log z / db = <phi>: the force on even sites is their own and the mean of the odd ones.
    model.action_even(t).sum().backward()
    x = model.lattice.merge(even, model.expect_odd(even))
    force_even, _ = model.lattice.split(model.force(x))
    np.testing.assert_allclose(-t.grad.numpy(), force_even, rtol=1e-9)


def test_even_sites_as_a_target_of_their_own():
    model = Phi4.from_unhalved(4, m2=-4, lam=6.0)
    even = as_target(model.action_even, model.lattice.n_even, model.force_even)
    check_force(even)
    x = even.hot(1, 3)
    t = torch.from_numpy(x).requires_grad_(True)
    model.action_even(t).sum().backward()
    np.testing.assert_allclose(model.force_even(x), -t.grad.numpy(), rtol=1e-9)
    with pytest.raises(InputError, match="it is -1 times the gradient"):
        check_force(as_target(model.action_even, 8, lambda x: -model.force_even(x)))


@pytest.mark.parametrize("couplings", [(-4.0, 8.0), (0.5, 0.0)])
def test_rao_blackwell_is_the_conditional_expectation(couplings):
    model = Phi4.from_unhalved((2, 2), *couplings)
    even = np.random.default_rng(1).standard_normal((3, 2))
    grid = np.linspace(-6, 6, 241)
    axes = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    given = model.rao_blackwell(even)
    by_torch = model.rao_blackwell(torch.from_numpy(even))
    assert set(given) == set(model.observables)
    for n, x_even in enumerate(even):
        x = model.lattice.merge(np.tile(x_even, (len(axes), 1)), axes)
        w = np.exp(-model.action(x))
        for name, observable in model.observables.items():
            expected = (w @ observable(x)) / w.sum()
            assert given[name][n] == pytest.approx(expected)
            assert by_torch[name][n].item() == pytest.approx(expected)


def test_dtype_and_shape_of_draws():
    model = Phi4.from_unhalved(4, m2=-4, lam=6.0)
    even, _ = model.lattice.split(model.hot(1, 6).reshape(2, 3, 4, 4))
    odd = model.draw_odd(even.astype(np.float32), Stream(1))
    assert odd.dtype == np.float32
    assert odd.shape == (2, 3, 8)
    np.testing.assert_array_equal(model.draw_odd(even, Stream(1)), model.draw_odd(even, Stream(1)))
    tensor = model.draw_odd(torch.from_numpy(even), Stream(1))
    assert tensor.dtype == torch.float64
    assert np.isnan(model.draw_odd(np.full(8, np.nan), Stream(1))).all()


def draw_p(quad, quart, b, drawn_with, library=np.asarray):
    """p-value of draws made with other numbers, in 40 cells of equal probability."""
    phi, w, _ = grid_weights(quad, quart, b)
    cumulative = np.cumsum(w)
    inner = np.interp(np.arange(1, 40) / 40, cumulative, phi)
    cells = np.diff(np.interp(inner, phi, cumulative), prepend=0, append=1)

    def p(n, seed):
        field = library(np.full(n, b))
        x = np.asarray(draw_site(field, *drawn_with, Stream(seed)))
        return chi_square_p(np.bincount(np.searchsorted(inner, x), minlength=40), cells)

    return p


@pytest.mark.statistical
@pytest.mark.parametrize("reach", [0.0, -0.7, 5.0, 60.0])
@pytest.mark.parametrize(("quad", "quart"), SITES[:5])
def test_draws_follow_the_weight(quad, quart, reach):
    b = reach * SiteWeight(quad, quart).b0
    assert accepts(draw_p(quad, quart, b, (quad, quart)), 40_000)


@pytest.mark.statistical
def test_draws_of_another_weight_are_rejected():
    assert accepts(draw_p(-1.0, 1.0, 0.4, (-1.0, 1.0), torch.as_tensor), 40_000)
    assert not accepts(draw_p(-1.0, 1.0, 0.4, (-1.0, 1.05)), 40_000)
    assert not accepts(draw_p(-19.0, 10.0, 0.0, (-19.4, 10.0)), 40_000)


@pytest.mark.statistical
def test_gaussian_sites():
    assert accepts(draw_p(0.7, 1e-6, 0.9, (0.7, 0.0)), 40_000)
    assert not accepts(draw_p(0.7, 1e-6, 0.9, (0.73, 0.0)), 40_000)


@pytest.mark.statistical
def test_redrawing_the_odd_sublattice_keeps_the_ensemble():
    """Gibbs steps leave <phi^2> and <S> of a free field where they are; a doubled hop does not."""
    field = FreeField(4, m2=0.4)
    model = field.as_phi4

    def p(redrawn):
        def value(n, seed):
            x = field.sample(n, Stream(seed))
            even, _ = model.lattice.split(x)
            odd = redrawn.draw_odd(even, Stream(seed).child("odd"))
            S = model.action(model.lattice.merge(even, odd))
            # S is distributed as half a chi-square with V degrees of freedom.
            edges = special.gammaincinv(8, np.arange(1, 20) / 20)
            counts = np.bincount(np.searchsorted(edges, S), minlength=20)
            return chi_square_p(counts, np.full(20, 1 / 20))

        return value

    assert accepts(p(model), 20_000)
    assert not accepts(p(model.rescaled(1.05)), 20_000)


def test_lattices_that_cannot_be_decimated():
    model = Phi4.from_unhalved((3, 4), m2=-4, lam=6.0)
    with pytest.raises(InputError, match="even periodic extents"):
        model.action_even(np.zeros((1, 6)))
    even = Phi4.from_unhalved((4, 4), m2=-4, lam=6.0)
    with pytest.raises(InputError, match=r"x_even must have shape \(\.\.\., 8\)"):
        even.action_even(np.zeros((1, 7)))
    with pytest.raises(InputError, match="power must be one of"):
        even.expect_odd(np.zeros((1, 8)), power=3)
    open_ends = Phi4.from_unhalved(Hypercubic((3,), "open"), m2=-1.0, lam=1.0)
    assert np.isfinite(open_ends.action_even(np.ones((1, 2)))).all()

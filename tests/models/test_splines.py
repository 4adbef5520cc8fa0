"""Monotone splines: a map, its inverse, its slope."""

import pytest
import torch

from physgen.core.errors import InputError
from physgen.models.flows.splines import SiteSpline, n_parameters, spline

BOUND = 2.5
both = pytest.mark.parametrize("odd", [False, True])


def draws(n, bins, odd, size=1.5, dtype=torch.float64, shared=False):
    generator = torch.Generator().manual_seed(3)
    x = 1.5 * torch.randn(n, generator=generator, dtype=dtype)
    shape = (n_parameters(bins, odd), *(() if shared else (n,)))
    return x, size * torch.randn(shape, generator=generator, dtype=dtype)


@both
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("bins", [2, 9])
def test_inverse_and_slope(odd, shared, bins):
    x, parameters = draws(400, bins, odd, shared=shared)
    x.requires_grad_(True)
    y, log_slope = spline(x, parameters, BOUND, odd=odd)
    assert float((y - x).detach().abs().max()) > 0.1  # there is something to see
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope)
    back, back_log_slope = spline(y.detach(), parameters, BOUND, odd=odd, inverse=True)
    torch.testing.assert_close(back, x.detach())
    torch.testing.assert_close(back_log_slope, -log_slope.detach(), atol=1e-8, rtol=0)


@both
def test_zero_parameters_give_the_identity(odd):
    x, parameters = draws(50, 6, odd, size=0.0)
    for inverse in (False, True):
        y, log_slope = spline(x, parameters, BOUND, odd=odd, inverse=inverse)
        torch.testing.assert_close(y, x)
        torch.testing.assert_close(log_slope, torch.zeros_like(x))


@both
def test_it_is_smooth_at_its_knots_and_linear_outside(odd):
    """Values and slopes meet at every knot, the ends and zero included."""
    _, parameters = draws(1, 5, odd, shared=True)
    x = torch.linspace(-1.2 * BOUND, 1.2 * BOUND, 200_001, dtype=torch.float64)
    y, log_slope = spline(x, parameters, BOUND, odd=odd)
    assert bool((y.diff() > 0).all())
    assert float(log_slope.diff().abs().max()) < 0.02
    outside = x.abs() >= BOUND
    assert torch.equal(y[outside], x[outside])
    assert not bool(log_slope[outside].any())
    # The slope is the derivative: its integral is the range.
    area = torch.trapezoid(log_slope.exp(), x)
    torch.testing.assert_close(area, y[-1] - y[0], atol=1e-6, rtol=0)


def test_an_odd_spline_is_odd_and_has_a_slope_at_zero():
    x, parameters = draws(200, 4, True)
    y, log_slope = spline(x, parameters, BOUND, odd=True)
    mirrored, same = spline(-x, parameters, BOUND, odd=True)
    assert torch.equal(mirrored, -y)
    assert torch.equal(same, log_slope)
    zero = torch.zeros_like(x, requires_grad=True)
    y, log_slope = spline(zero, parameters, BOUND, odd=True)
    (slope,) = torch.autograd.grad(y.sum(), zero)
    torch.testing.assert_close(slope, log_slope.exp())


@both
@pytest.mark.parametrize("size", [1.0, 4.0])
def test_single_precision_comes_back(odd, size):
    x, parameters = draws(20_000, 8, odd, size=size, dtype=torch.float32)
    y, log_slope = spline(x, parameters, BOUND, odd=odd)
    back, back_log_slope = spline(y, parameters, BOUND, odd=odd, inverse=True)
    exact, exact_log_slope = spline(x.double(), parameters.double(), BOUND, odd=odd)
    assert bool(torch.isfinite(back).all())
    # An error of x is one of y times the slope, which reaches some hundreds.
    slope = exact_log_slope.exp().clamp_min(1)
    assert float(((y - exact) / slope).abs().max()) < 4e-6
    assert float(((back - x) * exact_log_slope.exp().clamp_max(1)).abs().max()) < 1e-5 * size**2
    assert float((log_slope - exact_log_slope).square().mean().sqrt()) < 1e-3
    assert float((log_slope + back_log_slope).square().mean().sqrt()) < 2e-3


@both
@pytest.mark.parametrize("inverse", [False, True])
def test_gradients(odd, inverse):
    x, parameters = draws(12, 3, odd)
    x.requires_grad_(True)
    parameters.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda x, p: spline(x, p, BOUND, odd=odd, inverse=inverse), (x, parameters)
    )


def test_one_spline_for_all_sites():
    layer = SiteSpline(6, BOUND, odd=True).double()
    with torch.no_grad():
        layer.parameters_of_bins.normal_(generator=torch.Generator().manual_seed(1))
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y, log_det = layer(x)
    assert log_det.shape == (7,)
    back, minus = layer(y, inverse=True)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(minus, -log_det)


def test_bad_input():
    x = torch.zeros(3)
    with pytest.raises(InputError, match="3 K - 1 numbers, got 6"):
        spline(x, torch.zeros(6, 3), BOUND)
    with pytest.raises(InputError, match="3 K numbers, got 5"):
        spline(x, torch.zeros(5), BOUND, odd=True)
    with pytest.raises(InputError, match="bins must be"):
        SiteSpline(0, BOUND, odd=True)

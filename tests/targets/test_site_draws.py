"""Draws of one site against its density."""

import math

import numpy as np
import pytest
from helpers.statistics import accepts, within
from scipy import stats

from physgen.core.random import Stream
from physgen.targets.phi4_site import site_cumulants
from physgen.targets.site_draws import draw_sites


def distribution(quad, quart):
    """Its cumulative distribution function, by the trapezoidal rule on a fine grid."""
    lowest = -(quad**2) / (4 * quart) if quad < 0 else 0.0
    roots = np.roots([quart, 0, quad, 0, -lowest - 45])
    reach = np.max(roots[np.abs(roots.imag) < 1e-9].real)
    x = np.linspace(-reach, reach, 200_001)
    s = (quad + quart * x**2) * x**2
    f = np.exp(s.min() - s)
    cumulative = np.concatenate([[0], np.cumsum(f[1:] + f[:-1])])
    return lambda phi: np.interp(phi, x, cumulative / cumulative[-1])


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("quad", "quart"), [(0.956, 0.022), (-2.0, 8.0), (0.0, 1.0), (-30.0, 2.0), (5.0, 1e-9)]
)
def test_draws_follow_the_density(quad, quart):
    cdf = distribution(quad, quart)

    def p_value(scale):
        def test(n, seed):
            return stats.kstest(scale * draw_sites(n, quad, quart, Stream(seed)), cdf).pvalue

        return test

    assert accepts(p_value(1.0), 100_000)
    assert not accepts(p_value(1.02), 100_000)


@pytest.mark.statistical
@pytest.mark.parametrize(("quad", "quart"), [(0.5, 0.0), (-1.0, 0.3), (-200.0, 1.0)])
def test_variance_is_that_of_quadrature(quad, quart):
    variance = 1 / (2 * quad)
    if quart > 0:
        variance = site_cumulants(np.zeros(1), quad, quart)[2, 0]
    x2 = draw_sites(400_000, quad, quart, Stream(2)) ** 2
    error = x2.std() / math.sqrt(x2.size)
    assert within(x2.mean(), variance, error, largest=0.0035 * variance)


def test_any_number_and_the_same_again():
    for n in (0, 1, 70_000):
        x = draw_sites(n, -1.0, 1.0, Stream(3))
        assert x.shape == (n,)
        np.testing.assert_array_equal(x, draw_sites(n, -1.0, 1.0, Stream(3)))

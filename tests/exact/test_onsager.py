"""Onsager's and Yang's results: known values, the limit of finite tori, and derivatives."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.exact import kaufman, onsager

CATALAN = 0.915965594177219015


def test_critical_point():
    K = onsager.K_C
    assert pytest.approx(0.440686793509772, abs=1e-15) == K
    assert onsager.log_z_per_site(K) == pytest.approx(0.5 * np.log(2) + 2 * CATALAN / np.pi)
    assert onsager.log_z_per_site(K) == pytest.approx(0.929695398341610, abs=1e-15)
    assert onsager.energy_per_site(K) == pytest.approx(-np.sqrt(2), abs=1e-15)
    assert onsager.specific_heat(K) == np.inf
    assert onsager.magnetization(K) == 0


@pytest.mark.parametrize(
    ("K", "log_z", "energy"),
    [
        (0.3, 0.79055907095126, -0.70449907083245),
        (0.4, 0.87936382077495, -1.1060792037458),
        (0.6, 1.2101323882884, -1.9090861776841),
    ],
)
def test_known_values(K, log_z, energy):
    assert onsager.log_z_per_site(K) == pytest.approx(log_z, abs=1e-13)
    assert onsager.energy_per_site(K) == pytest.approx(energy, abs=1e-13)


def test_limit_of_tori():
    """Corrections fall as e^{-L/xi}, and log 2 of the two ordered phases remains."""
    K = np.array([-0.6, -0.3, 0.0, 1e-6, 9e-4, 1.1e-3, 0.1, 0.35, 0.55, 1.0, 3.0, 20.0])
    shape, N = (256, 256), 256**2
    phases = np.where(np.abs(K) > onsager.K_C, np.log(2), 0.0)
    np.testing.assert_allclose(
        onsager.log_z_per_site(K), (kaufman.log_z(K, shape) - phases) / N, rtol=4e-15
    )
    np.testing.assert_allclose(
        onsager.energy_per_site(K), kaufman.energy_per_site(K, shape), rtol=0, atol=3e-13
    )
    np.testing.assert_allclose(
        onsager.entropy_per_site(K),
        kaufman.entropy_per_site(K, shape) - phases / N,
        rtol=0,
        atol=3e-13,
    )
    c = onsager.specific_heat(K)
    np.testing.assert_allclose(c, kaufman.specific_heat(K, shape), rtol=1e-9, atol=3e-14)


def test_finite_size_at_the_critical_point():
    """log Z - N limit tends to a universal constant, 0.639912 (Ferdinand and Fisher 1969)."""
    size = np.array([32, 64, 128])
    K = onsager.K_C
    shift = [kaufman.log_z(K, (L, L)) - L**2 * onsager.log_z_per_site(K) for L in size]
    assert shift[-1] == pytest.approx(0.639912, abs=5e-5)
    assert abs(shift[2] - 0.639912) < abs(shift[0] - 0.639912)


def test_derivatives_are_derivatives():
    step = 1e-4
    for K in (-0.3, 0.2, 0.43, 0.45, 0.8):
        low, high = K - step, K + step
        slope = (onsager.log_z_per_site(high) - onsager.log_z_per_site(low)) / (2 * step)
        assert onsager.energy_per_site(K) == pytest.approx(-slope, abs=2e-6)
        slope = (onsager.energy_per_site(high) - onsager.energy_per_site(low)) / (2 * step)
        assert onsager.specific_heat(K) == pytest.approx(-(K**2) * slope, rel=1e-4)


def test_logarithmic_divergence():
    """Near K_c the specific heat is -(8/pi) K_c^2 log|K - K_c| and a constant."""
    distance = np.array([1e-9, 1e-6])
    below, above = (onsager.specific_heat(onsager.K_C + sign * distance) for sign in (-1, 1))
    amplitude = 8 / np.pi * onsager.K_C**2
    for c in (below, above):
        assert (c[0] - c[1]) / np.log(1e3) == pytest.approx(amplitude, rel=1e-4)


def test_magnetization():
    K = np.array([-1.0, 0.3, 0.5, 1.0, 5.0, 500.0])
    s = np.sinh(2 * K[2:5])
    np.testing.assert_allclose(
        onsager.magnetization(K), [0, 0, *(1 - s**-4.0) ** 0.125, 1.0], rtol=1e-14
    )
    # the exponent 1/8
    ratio = onsager.magnetization(onsager.K_C + 1e-8) / onsager.magnetization(onsager.K_C + 1e-10)
    assert np.log(ratio) / np.log(100) == pytest.approx(0.125, abs=1e-6)


def test_bad_input():
    with pytest.raises(InputError, match="K must be finite"):
        onsager.log_z_per_site([0.1, np.inf])

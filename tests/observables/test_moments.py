"""Functions of moments where their value is known exactly."""

import numpy as np
import pytest

from physgen.observables import (
    binder,
    chi_abs,
    connected_two_point,
    second_moment_correlation_length,
    specific_heat,
    susceptibility,
)


def test_binder_of_gaussian_and_of_ordered_spins():
    assert binder(0.5, 3 * 0.5**2) == pytest.approx(0)
    assert binder(1.0, 1.0) == pytest.approx(2 / 3)


def test_susceptibilities_of_free_spins():
    V = 6
    states = np.array(np.meshgrid(*[[-1, 1]] * V)).reshape(V, -1)
    m = states.mean(axis=0)
    assert susceptibility(m.mean(), (m**2).mean(), V) == pytest.approx(1)
    half = np.abs(m).mean()
    assert chi_abs(half, (m**2).mean(), V) == pytest.approx(1 - V * half**2)


def test_specific_heat_is_the_derivative_of_the_energy():
    # One bond: <E> = -tanh(beta), c = -beta^2 d<E>/d beta / V.
    beta, V = 0.7, 2
    c = specific_heat(-np.tanh(beta), 1.0, beta, V)
    assert c == pytest.approx(beta**2 / np.cosh(beta) ** 2 / V)


def test_correlation_length_of_the_free_propagator():
    # S(k) = 1 / (khat^2 + m^2): the second moment gives xi = 1 / m at any L.
    L, m = 24, 0.3
    khat2 = 4 * np.sin(np.pi / L) ** 2
    xi = second_moment_correlation_length(1 / m**2, 1 / (khat2 + m**2), L)
    assert xi == pytest.approx(1 / m)
    noisy = second_moment_correlation_length([1.0, 2.0], [2.0, 1.0], L)
    assert np.isnan(noisy[0])
    assert noisy[1] > 0


def test_connected_two_point_function():
    G = np.full((2, 4, 4), 1.25)
    connected = connected_two_point(G, [1.0, 0.5])
    assert connected.shape == (2, 4, 4)
    np.testing.assert_allclose(connected[:, 0, 0], [0.25, 1.0])

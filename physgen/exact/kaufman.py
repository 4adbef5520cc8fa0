r"""The Ising model on a finite torus, by Kaufman's formula.

On n x m sites with K = beta J, every bond counted once (an extent of 2 has double bonds),

.. math:: Z = \tfrac12 (2s)^{nm/2} \Big[ \prod_p 2\cosh\tfrac{m\gamma_p}{2}
              + \prod_p 2\sinh\tfrac{m\gamma_p}{2}
              + \prod_q 2\cosh\tfrac{m\gamma_q}{2} + \prod_q 2\sinh\tfrac{m\gamma_q}{2} \Big],
          \qquad s = \sinh 2K,

over the momenta p = (2r+1) pi/n and q = 2r pi/n, r = 0..n-1, with
cosh gamma_p = s + 1/s - cos p and gamma_0 = 2K + ln tanh K **with its sign**: the fourth term is
negative above the critical temperature.  (A wrong sign has no effect at K_c, where the term is
zero, and shifts log Z by up to ln 2 elsewhere.)

With t the product of tanh(m gamma/2) over a set of momenta, the bracket is
:math:`A (1 + t_p) + C (1 + t_q)`.  Flipping every other spin maps K < 0 to |K| with antiperiodic
boundaries along the odd extents, :math:`\pm A (1 - t_p) + C (1 - t_q)` with n odd, and with minus
if both extents are odd.  Z and its two derivatives in K are evaluated through q = min(s, 1/s),
which is smooth at K = 0 and never overflows.  (Kaufman 1949; duality: Kramers and Wannier 1941.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError

__all__ = ["energy_per_site", "entropy_per_site", "log_z", "log_z_derivatives", "specific_heat"]

_SMALL = 1e-8  # |K| below which the first terms of the series are exact to rounding
_CANCELLATION = 1e4  # largest cancellation of the two terms of Z that leaves ten digits


def log_z(K: float | np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return log Z of the torus.

    Parameters
    ----------
    K : float or array_like
        beta J, of either sign.
    shape : tuple of int
        Both extents, each at least 2.

    Returns
    -------
    ndarray
        log Z, with the shape of K.

    Examples
    --------
    >>> float(log_z(0.4, (8, 8)) / 64).__round__(14)
    0.88436544938165
    """
    return log_z_derivatives(K, shape)[0]


def energy_per_site(K: float | np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return <H>/(J n m) = -d log Z / dK / (n m), in units of J; arguments as of `log_z`."""
    return -log_z_derivatives(K, shape)[1] / np.prod(shape)


def specific_heat(K: float | np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return K^2 d^2 log Z / dK^2 / (n m) = beta^2 (<H^2> - <H>^2)/(n m)."""
    second = np.maximum(log_z_derivatives(K, shape)[2], 0.0)  # rounding, deep in the ground state
    return np.square(K) * second / np.prod(shape)


def entropy_per_site(K: float | np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the entropy (log Z - K d log Z / dK)/(n m) in nats."""
    value, first, _ = log_z_derivatives(K, shape)
    return (value - np.asarray(K) * first) / np.prod(shape)


def log_z_derivatives(
    K: float | np.ndarray, shape: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log Z, d log Z / dK and d^2 log Z / dK^2, each the shape of K.

    Rounding errors are about 1e-15 of log Z, 1e-16/K of the first and 1e-16/K^2 of the second
    derivative per site.

    Raises
    ------
    InputError
        Unless `shape` is two extents of at least 2 and K is finite; or if K < 0 is so large on
        a torus of two odd extents that the terms of Z cancel.
    """
    if len(shape) != 2:
        raise InputError(
            f"Kaufman's formula must have a torus of two extents, got {tuple(shape)}; "
            "other lattices: exact.enumeration or exact.transfer_matrix"
        )
    n, m = (check_positive_int("an extent of the torus", L, minimum=2) for L in shape)
    K = np.asarray(K, dtype=np.float64)
    if not np.all(np.isfinite(K)):
        raise InputError(f"K must be finite, got {K}")
    if (n % 2, -n) < (m % 2, -m):
        n, m = m, n  # the antiperiodic extent of K < 0 is n; the shorter one loses fewer digits
    twisted = (K < 0) & (n % 2 == 1)
    small = np.abs(K) < _SMALL
    positive = np.where(small, 1.0, np.abs(K))[..., None]
    value, first, second = _mixture(positive, n, m, twisted & ~small, both=m % 2 == 1)
    # at K = 0 the variance of H/J is the number of bonds, double ones counting four times
    squares = float(n * m * (2 + (n == 2) + (m == 2)))
    return (
        np.where(small, n * m * np.log(2.0), value),
        np.where(small, squares * K, np.where(K < 0, -first, first)),
        np.where(small, squares, second),
    )


class _Jet(NamedTuple):
    """A function of K and its first two derivatives."""

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray


def _mixture(
    K: np.ndarray, n: int, m: int, twisted: np.ndarray, both: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log Z and derivatives for K > 0, shape (..., 1); `twisted`: odd extents antiperiodic."""
    odd = _product(K, n, m, np.pi * np.arange(1, 2 * n, 2) / n, twisted)
    even = _product(K, n, m, np.pi * np.arange(2, 2 * n, 2) / n, twisted, zero_mode=True)
    # Z = (+-A' + C')/2, with the derivatives of a mixture; the first weight may be negative
    sign = np.where(twisted & both, -1.0, 1.0)
    ratio = sign * np.exp(np.minimum(odd.value - even.value, 0.0))
    inverse = np.exp(np.minimum(even.value - odd.value, 0.0))
    total = np.abs(inverse + ratio)  # Z in units of the larger term
    cancelled = total * _CANCELLATION < 1
    if np.any(cancelled):
        raise InputError(
            f"K must not be so low on a torus of two odd extents, got -{K[..., 0][cancelled][0]} "
            f"on {n} x {m}: the terms of Kaufman's formula cancel; use exact.transfer_matrix"
        )
    share = ratio / (inverse + ratio)
    return (
        np.maximum(odd.value, even.value) + np.log(total) - np.log(2.0),
        share * odd.first + (1 - share) * even.first,
        share * odd.second
        + (1 - share) * even.second
        + share * (1 - share) * (odd.first - even.first) ** 2,
    )


def _product(
    K: np.ndarray, n: int, m: int, p: np.ndarray, twisted: np.ndarray, zero_mode: bool = False
) -> _Jet:
    """Log of (2s)^(nm/2) prod 2cosh(m gamma/2) (1 +- t) over the momenta p (and 0)."""
    c, s = np.cosh(np.minimum(2 * K, 300.0)), np.sinh(np.minimum(2 * K, 300.0))
    low = s > 1  # ordered side
    q = np.where(low, 1 / s, s)
    coth = c / s
    log_s = np.where(low, 2 * K - np.log(2.0) + np.log1p(-np.exp(-4 * K)), 0.0)

    # gamma and L = log(2s) + gamma of each momentum; 1 - cos p keeps its digits at small p
    A_minus_q = (1 - q) ** 2 + 2 * q * np.sin(p / 2) ** 2
    A = A_minus_q + q
    R = np.sqrt(A_minus_q * (A_minus_q + 2 * q))
    gamma = np.log1p((A_minus_q + R) / q)
    slope = 2 * coth * (1 - q**2) / R
    gamma_1 = np.where(low, slope, -slope)
    curvature = np.where(
        low,
        4 * (1 - q**2) + 8 * q**2 * (1 + q**2),
        4 * (q**2 - 1) + 8 * (1 + q**2) / q**2,
    )
    gamma_2 = curvature / R - gamma_1**2 * A / R
    L = np.log(2 * (A + R)) + 2 * log_s
    bracket = 3 * q - 2 * np.cos(p) * (1 + q**2) + q * np.cos(p) ** 2
    L_1 = np.where(low, 2 * coth + slope, 2 * coth * q * bracket / (R * (R + 1 - q**2)))
    L_2 = gamma_2 - 4 / s**2

    f = 1 / (np.exp(np.minimum(m * gamma, 700.0)) + 1)  # of log 2cosh(m gamma/2), minus its rest
    cosh = _Jet(
        np.sum(0.5 * m * L + np.log1p(np.exp(-m * gamma)), -1),
        np.sum(0.5 * m * L_1 - m * gamma_1 * f, -1),
        np.sum(0.5 * m * L_2 - m * gamma_2 * f + (m * gamma_1) ** 2 * f * (1 - f), -1),
    )
    csch = 1 / np.sinh(np.minimum(m * gamma, 700.0))
    tau = _Jet(  # log of the product of tanh(m gamma/2)
        np.sum(np.log1p(-2 * f), -1),
        np.sum(m * gamma_1 * csch, -1),
        np.sum(m * gamma_2 * csch - (m * gamma_1) ** 2 * csch * np.sqrt(1 + csch**2), -1),
    )
    one = np.ones_like(tau.value)
    tanh, log_tanh = _Jet(one, 0 * one, 0 * one), 0 * one
    if zero_mode:
        zero_cosh, tanh, log_tanh = _zero_mode(K[..., 0], s[..., 0], c[..., 0], m)
        cosh = _Jet(*(a + b for a, b in zip(cosh, zero_cosh)))
    return _times_one_plus_product(cosh, tau, tanh, log_tanh, np.where(twisted, -1.0, 1.0))


def _zero_mode(
    K: np.ndarray, s: np.ndarray, c: np.ndarray, m: int
) -> tuple[_Jet, _Jet, np.ndarray]:
    """For momentum 0: log of (2s)^(m/2) 2cosh(m gamma/2); tanh(m gamma/2), and its log modulus."""
    gamma = 2 * K + np.log(np.tanh(K))
    gamma_1, gamma_2 = 2 + 2 / s, -4 * c / s**2
    tanh = np.tanh(0.5 * m * gamma)
    f = 1 / (np.exp(np.minimum(m * np.abs(gamma), 700.0)) + 1)
    sech2 = 4 * f * (1 - f)
    log_2s = 2 * K + np.log1p(-np.exp(-4 * K))
    # at K < K_c: 2 coth 2K + gamma' tanh = 2 tanh K - 2 + gamma' (1 + tanh), without cancellation
    rest = np.where(gamma < 0, 2 * np.tanh(K) - 2 + 2 * gamma_1 * f, 2 * c / s + gamma_1 * tanh)
    cosh = _Jet(
        0.5 * m * (log_2s + np.abs(gamma)) + np.log1p(np.exp(-m * np.abs(gamma))),
        0.5 * m * rest,
        0.5 * m * (gamma_2 * tanh - 4 / s**2) + (0.5 * m * gamma_1) ** 2 * sech2,
    )
    x_1, x_2 = 0.5 * m * gamma_1, 0.5 * m * gamma_2
    with np.errstate(divide="ignore"):  # tanh is 0 at K_c
        log_tanh = np.where(f > 0.1, np.log(np.abs(tanh)), np.log1p(-2 * np.minimum(f, 0.1)))
    return cosh, _Jet(tanh, x_1 * sech2, (x_2 - 2 * x_1**2 * tanh) * sech2), log_tanh


def _times_one_plus_product(
    cosh: _Jet, tau: _Jet, tanh: _Jet, log_tanh: np.ndarray, sign: np.ndarray
) -> _Jet:
    """Log of e^cosh (1 + sign t), t = e^tau tanh, without cancellation where t is near -sign."""
    scale = np.exp(tau.value)
    t = scale * tanh.value
    t_1 = scale * (tau.first * tanh.value + tanh.first)
    t_2 = scale * (
        (tau.second + tau.first**2) * tanh.value + 2 * tau.first * tanh.first + tanh.second
    )
    one_minus = -np.expm1(tau.value + log_tanh)
    one_plus = np.where(sign * t < 0, one_minus, 1 + np.abs(t))
    g_1, g_2 = sign * t_1 / one_plus, sign * t_2 / one_plus
    return _Jet(cosh.value + np.log(one_plus), cosh.first + g_1, cosh.second + g_2 - g_1**2)

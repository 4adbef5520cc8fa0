r"""The Ising model on the infinite square lattice, by Onsager and Yang.

With K = beta J, :math:`\kappa = 2\sinh 2K/\cosh^2 2K` and complete elliptic integrals
:math:`\mathcal K, \mathcal E` of modulus kappa,

.. math::
    \frac{\log Z}{N} &= \log(2\cosh 2K)
        + \frac1\pi \int_0^{\pi/2} \log\frac{1 + \sqrt{1 - \kappa^2\sin^2\theta}}{2}\, d\theta, \\
    e = -\frac{\partial}{\partial K} \frac{\log Z}{N}
      &= -\coth 2K \big[ 1 + \tfrac2\pi (2\tanh^2 2K - 1)\,\mathcal K \big], \\
    c &= \tfrac2\pi (K\coth 2K)^2 \big\{ 2\mathcal K - 2\mathcal E
        - 2 (1 - \tanh^2 2K) \big[\tfrac\pi2 + (2\tanh^2 2K - 1)\,\mathcal K\big] \big\}, \\
    M &= (1 - \sinh^{-4} 2K)^{1/8} \quad (K > K_c), \qquad K_c = \tfrac12\log(1 + \sqrt2).

At K_c: log Z/N = (log 2)/2 + 2G/pi with Catalan's constant G, e = -sqrt 2, and c diverges.
Changing the sign of K changes the sign of e; for K < 0, M = 0 (the order is staggered).
H = -J sum s s' with every bond counted once.  (Onsager 1944; Yang 1952.)
"""

from __future__ import annotations

import numpy as np
from scipy import special

from physgen.core.errors import InputError

__all__ = [
    "K_C",
    "energy_per_site",
    "entropy_per_site",
    "log_z_per_site",
    "magnetization",
    "specific_heat",
]

K_C = float(0.5 * np.log1p(np.sqrt(2.0)))  # 0.440686793509772


def log_z_per_site(K: float | np.ndarray) -> np.ndarray:
    """Return the limit of log Z / N, the shape of K; even in K.

    The integral uses the double-exponential rule (Takahasi and Mori 1974), which has only rounding
    errors even close to K_c, where the square root is nearly singular at pi/2.
    """
    K = np.abs(_checked(K))
    kappa, complement = _moduli(K)
    phi, weight = _double_exponential()  # of pi/2 - theta on (0, pi/2)
    root = np.sqrt(complement[..., None] ** 2 + (kappa[..., None] * np.sin(phi)) ** 2)
    return _log_2cosh(2 * K) + np.log(0.5 * (1 + root)) @ weight / np.pi


def energy_per_site(K: float | np.ndarray) -> np.ndarray:
    """Return <H>/(J N), the shape of K; in units of J, odd in K."""
    K = _checked(K)
    size = np.abs(K)
    first, _ = _elliptic(size)
    with np.errstate(divide="ignore", invalid="ignore"):
        e = -(1 + 2 / np.pi * first * _slope(size)) / np.tanh(2 * size)
    # the bracket loses digits as K -> 0; there log Z/N = log 2 cosh^2 K + t^4 + 2 t^6 + ...
    t = np.tanh(size)
    series = -2 * t - (4 * t**3 + 12 * t**5 + 36 * t**7) * (1 - t**2)
    return np.sign(K) * np.where(size < 1e-3, series, e)


def specific_heat(K: float | np.ndarray) -> np.ndarray:
    """Return K^2 d^2 (log Z/N) / dK^2, the shape of K; infinite at K_c."""
    K = np.abs(_checked(K))
    first, second = _elliptic(K)
    sech2 = np.exp(-2 * _log_2cosh(2 * K)) * 4
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = 2 / np.pi * (K / np.tanh(2 * K)) ** 2
        log_part = first * (1 - sech2 * _slope(K))  # diverges at K_c, where _slope is 0
        c = factor * 2 * (log_part - second - sech2 * np.pi / 2)
    c = np.where(np.abs(K - K_C) < 1e-16, np.inf, np.maximum(c, 0.0))
    return np.where(K < 1e-4, 2 * K**2, c)


def entropy_per_site(K: float | np.ndarray) -> np.ndarray:
    """Return the entropy log Z/N + K e in nats, the shape of K."""
    return log_z_per_site(K) + np.asarray(K) * energy_per_site(K)


def magnetization(K: float | np.ndarray) -> np.ndarray:
    """Return Yang's spontaneous magnetization, the shape of K; 0 for K <= K_c."""
    K = _checked(K)
    ordered = np.maximum(K, K_C)
    log_s = 2 * ordered - np.log(2.0) + np.log1p(-np.exp(-4 * ordered))
    return np.where(K > K_C, np.maximum(-np.expm1(-4 * log_s), 0.0) ** 0.125, 0.0)


def _checked(K: float | np.ndarray) -> np.ndarray:
    K = np.asarray(K, dtype=np.float64)
    if not np.all(np.isfinite(K)):
        raise InputError(f"K must be finite, got {K}")
    return K


def _log_2cosh(x: np.ndarray) -> np.ndarray:
    return x + np.log1p(np.exp(-2 * x))


def _moduli(K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kappa and sqrt(1 - kappa^2), the latter without cancellation near K_c."""
    sech, tanh = 2 / (np.exp(np.minimum(2 * K, 700.0)) + np.exp(-2 * K)), np.tanh(2 * K)
    return 2 * sech * tanh, np.abs((sech - tanh) * (sech + tanh))


def _slope(K: np.ndarray) -> np.ndarray:
    """2 tanh^2 2K - 1 = tanh^2 - sech^2."""
    sech, tanh = 2 / (np.exp(np.minimum(2 * K, 700.0)) + np.exp(-2 * K)), np.tanh(2 * K)
    return (tanh - sech) * (tanh + sech)


def _elliptic(K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elliptic integrals of the first and second kind; at K_c the first is kept finite."""
    complement = _moduli(K)[1] ** 2
    return special.ellipkm1(np.maximum(complement, 1e-300)), special.ellipe(1 - complement)


def _double_exponential(step: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the double-exponential rule on (0, pi/2)."""
    t = np.arange(-4.0, 4.0 + step / 2, step)
    u = 0.5 * np.pi * np.sinh(t)
    node = np.pi / 2 / (1 + np.exp(-2 * u))  # keeps its relative precision close to 0
    return node, step * np.pi / 4 * 0.5 * np.pi * np.cosh(t) / np.cosh(u) ** 2

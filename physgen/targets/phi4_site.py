r"""One site of a scalar field in the field b of its neighbours.

.. math::
    z(b) = \int d\phi \, e^{-\mathrm{quad}\,\phi^2 - \mathrm{quart}\,\phi^4 + b \phi}, \qquad
    \frac{d \log z}{db} = \langle\phi\rangle_b, \qquad
    \frac{d^2 \log z}{db^2} = \langle\phi^2\rangle_b - \langle\phi\rangle_b^2 .

At the nodes of a grid in :math:`u`, :math:`b = b_0 \sinh u`, the integrals are sums over
equidistant points (exponentially accurate for these integrands); between nodes log z and the
moments are quintic Hermite polynomials in u.  The error of log z stays below 1e-10 of
max(1, abs log z) for all :math:`|b| < 10^6 b_0`, where :math:`b_0` is the inverse width of the
weight at b = 0; beyond that range the result is NaN.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from physgen.core.arrays import beside

__all__ = ["SiteWeight", "site_cumulants", "site_weight"]

_STEP = 1 / 64  # spacing of the grid in u
_RANGE = 14.5  # sinh(14.5) = 1e6
_NODES = 384  # nodes of the sum over phi, in each interval
_DEPTH = 42.0  # e^-42 = 6e-19 of the maximum is where an interval ends


def site_cumulants(b: np.ndarray, quad: float, quart: float) -> np.ndarray:
    """Return log z and the first four cumulants of phi at every b, shape (5, len(b)), quart > 0.

    The trapezoidal sum runs over the one or two intervals where the weight exceeds e^-42 of its
    maximum; its error is rounding.
    """
    b = np.asarray(b, dtype=np.float64)
    centre, t, weight, log_scale = _quadrature(b, quad, quart)
    z = weight.sum(axis=1)
    shift = (weight * t).sum(axis=1) / z
    t = t - shift[:, None]
    c2, c3, c4 = ((weight * t**k).sum(axis=1) / z for k in (2, 3, 4))
    return np.stack([np.log(z) + log_scale, centre + shift, c2, c3, c4 - 3 * c2**2])


def _quadrature(
    b: np.ndarray, quad: float, quart: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the mode, distances t from it, weights times spacing over e^log_scale, log_scale.

    Distances are used because at large b the width is tiny compared with the mode.
    """
    # Stationary points: 4 quart phi^3 + 2 quad phi - b = 0; the lowest action is the mode's.
    still = _real_roots([4 * quart, 0.0, 2 * quad, -b])
    action = quad * still**2 + quart * still**4 - b[:, None] * still
    mode = still[np.arange(len(b)), np.nanargmin(action, axis=1)]
    for _ in range(2):
        slope = (4 * quart * mode**2 + 2 * quad) * mode - b
        mode = mode - slope / (12 * quart * mode**2 + 2 * quad + 1e-300)
    # S(mode + t) - S(mode) = k2 t^2 + k3 t^3 + quart t^4; edges where this equals the depth.
    k2, k3 = quad + 6 * quart * mode**2, 4 * quart * mode
    edges = _real_roots([quart, k3, k2, 0.0, -_DEPTH])
    two = np.isnan(edges[:, 2])
    edges[two, 2:] = edges[two, 1:2]  # an empty second interval
    unit = (np.arange(_NODES) + 0.5) / _NODES
    left, right = edges[:, ::2, None], edges[:, 1::2, None]
    t = (left + (right - left) * unit).reshape(len(b), -1)
    spacing = np.repeat((right - left)[..., 0] / _NODES, _NODES, axis=1)
    rise = ((quart * t + k3[:, None]) * t + k2[:, None]) * t**2
    log_scale = b * mode - (quart * mode**2 + quad) * mode**2
    return mode, t, spacing * np.exp(-rise), log_scale


def _real_roots(coefficients: list[Any]) -> np.ndarray:
    """Return the real roots of polynomials (highest first, scalars or (n,)), NaN padded."""
    n = max(np.size(c) for c in coefficients)
    c = np.stack([np.broadcast_to(np.asarray(k, float), n) for k in coefficients], axis=1)
    degree = c.shape[1] - 1
    companion = np.zeros((n, degree, degree))
    companion[:, 0, :] = -c[:, 1:] / c[:, :1]
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1.0
    roots = np.linalg.eigvals(companion)
    scale = np.abs(roots).max(axis=1, keepdims=True) + 1e-300
    real = np.where(np.abs(roots.imag) < 1e-7 * scale, roots.real, np.nan)
    return np.sort(real, axis=1)  # NaN last


class SiteWeight:
    """log z(b) and the moments of phi as functions of b, for NumPy and torch.

    Parameters
    ----------
    quad, quart : float
        The weight exp(-quad phi^2 - quart phi^4); quart > 0, or quart = 0 < quad.
    """

    def __init__(self, quad: float, quart: float) -> None:
        self.quad, self.quart = quad, quart
        if quart == 0:
            return
        _, _, var, _, _ = site_cumulants(np.zeros(1), quad, quart)[:, 0]
        self.b0 = 1 / np.sqrt(var)
        u = _STEP * np.arange(round(_RANGE / _STEP) + 1)
        b, db = self.b0 * np.sinh(u), self.b0 * np.cosh(u)
        log_z, c1, c2, c3, c4 = site_cumulants(b, quad, quart)
        c1[0] = c3[0] = 0.0  # by symmetry, not up to rounding
        self._log_z = _quintic(log_z, c1 * db, c2 * db**2 + c1 * b)
        self._mean = _quintic(c1, c2 * db, c3 * db**2 + c2 * b)
        self._variance = _quintic(c2, c3 * db, c4 * db**2 + c3 * b)

    def log_z(self, b: Any) -> Any:
        """Return log z(b), shape of b, float64; differentiable in torch."""
        if self.quart == 0:
            return b * b / (4 * self.quad) + 0.5 * np.log(np.pi / self.quad)
        return self._evaluate(self._log_z, b)

    def mean(self, b: Any) -> Any:
        """Return <phi> in the field b."""
        if self.quart == 0:
            return b / (2 * self.quad)
        xp = array_namespace(b)
        return self._evaluate(self._mean, b) * xp.where(b < 0, -xp.ones_like(b), xp.ones_like(b))

    def variance(self, b: Any) -> Any:
        """Return <phi^2> - <phi>^2 in the field b."""
        if self.quart == 0:
            return 0 * b + 1 / (2 * self.quad)
        return self._evaluate(self._variance, b)

    def _evaluate(self, table: np.ndarray, b: Any) -> Any:
        """Return the polynomial of the cell of |b|."""
        xp = array_namespace(b)
        # Not abs(b): torch would lose the second derivative at b = 0.
        position = xp.asinh(xp.where(b < 0, -b, b) / self.b0) / _STEP
        inside = position < table.shape[1]  # false for NaN as well
        position = xp.where(inside, position, xp.zeros_like(position))
        cell = xp.astype(position, xp.int64)
        t = position - xp.astype(cell, xp.float64)
        rows = beside(table, b)
        value = rows[5, :][cell]
        for k in range(4, -1, -1):
            value = value * t + rows[k, :][cell]
        return xp.where(inside, value, xp.full_like(value, np.nan))


@lru_cache(maxsize=64)
def site_weight(quad: float, quart: float) -> SiteWeight:
    """Return the table for these numbers, computed once."""
    return SiteWeight(quad, quart)


def _quintic(f: np.ndarray, df: np.ndarray, ddf: np.ndarray) -> np.ndarray:
    """Return coefficients of t^0..t^5 in each cell, shape (6, cells), from f, f', f'' at nodes."""
    c0, c1, c2 = f[:-1], _STEP * df[:-1], 0.5 * _STEP**2 * ddf[:-1]
    d = f[1:] - c0 - c1 - c2
    e = _STEP * df[1:] - c1 - 2 * c2
    g = _STEP**2 * ddf[1:] - 2 * c2
    rest = (10 * d - 4 * e + 0.5 * g, -15 * d + 7 * e - g, 6 * d - 3 * e + 0.5 * g)
    return np.stack([c0, c1, c2, *rest])

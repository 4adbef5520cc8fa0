r"""One site of a field with a polynomial action: its normalisation and its draws.

.. math:: s(\phi) = \sum_{p \ge 1} c_p \phi^p, \qquad z = \int d\phi\, e^{-s(\phi)} ,

bounded below.  Between its extrema :math:`e^{-s}` is monotonic, so a staircase whose steps end at
every extremum and have the height of the higher end lies above it: proposals drawn from the
staircase by inversion and kept with probability :math:`e^{-s}` over the height are exact.  It ends
where the density is :math:`e^{-45}` (3e-20) of its maximum.  The integral is a trapezoidal sum,
whose error falls exponentially for analytic functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from physgen.core.errors import UnboundedTargetError
from physgen.core.random import Stream

__all__ = ["PolynomialSite"]

_DEPTH, _STEPS = 45.0, 2048


class PolynomialSite:
    """The density e^{-s} / z of one number.

    Parameters
    ----------
    coefficients : mapping of int to float
        c_p by the power p >= 1.

    Raises
    ------
    UnboundedTargetError
        If s does not grow on both sides.
    """

    def __init__(self, coefficients: Mapping[int, float]) -> None:
        top = max((p for p, c in coefficients.items() if c != 0), default=0)
        if top == 0 or top % 2 or coefficients[top] < 0:
            raise UnboundedTargetError(
                "a site must be held together by its highest even power, got coefficients "
                f"{dict(coefficients)}; raise that coupling above 0"
            )
        powers = np.zeros(top + 1)
        for p, c in coefficients.items():
            powers[top - p if p <= top else 0] += c
        self._s = np.poly1d(powers)
        extrema = _real(self._s.deriv().roots)
        self._lowest = float(self._s(extrema).min())
        ends = _real((self._s - (self._lowest + _DEPTH)).roots)
        low, high = float(ends.min()), float(ends.max())
        inside = extrema[(extrema > low) & (extrema < high)]
        self._edges = np.unique(np.concatenate([np.linspace(low, high, _STEPS + 1), inside]))
        f = self._density(self._edges)
        self._heights = np.maximum(f[1:], f[:-1])
        self._areas = np.cumsum(self._heights * np.diff(self._edges))
        grid = np.linspace(low, high, 4 * _STEPS + 1)
        z = float(np.trapezoid(self._density(grid), grid))
        self.log_z = math.log(z) - self._lowest

    def action(self, x: Any) -> Any:
        """Return s(x)."""
        return self._s(x)

    def draw(self, n: int, rng: Stream) -> np.ndarray:
        """Return n independent draws, float64 (n,)."""
        draw, out, done = rng.numpy(), np.empty(n), 0
        while done < n:
            m = n - done + 64
            u, v = draw.random((2, m))
            step = np.searchsorted(self._areas, u * self._areas[-1], side="right")
            step = np.minimum(step, len(self._heights) - 1)
            x = (
                self._edges[step + 1]
                - (self._areas[step] - u * self._areas[-1]) / (self._heights[step])
            )
            kept = x[v * self._heights[step] < self._density(x)][: n - done]
            out[done : done + len(kept)] = kept
            done += len(kept)
        return out

    def _density(self, x: np.ndarray) -> np.ndarray:
        """e^{-s} over its maximum."""
        return np.exp(self._lowest - self._s(x))


def _real(roots: np.ndarray) -> np.ndarray:
    roots = np.atleast_1d(roots)
    real = np.abs(np.imag(roots)) <= 1e-6 * (1 + np.abs(roots))
    return np.real(roots[real])

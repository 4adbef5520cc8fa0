r"""Many draws of one site of a scalar field without neighbours.

The density :math:`f(\phi) \propto e^{-\mathrm{quad}\,\phi^2 - \mathrm{quart}\,\phi^4}` is even.
The proposal is a staircase above f as a function of :math:`|\phi|`, with a thousand steps between
the points where f is :math:`e^{-45}` (3e-20) of its maximum.  Proposals are drawn by inversion and
kept with probability f over the height of the step.  (`phi4_decimation.draw_site` takes any field,
but takes ten times as long.)
"""

from __future__ import annotations

import math

import numpy as np

from physgen.core.random import Stream

__all__ = ["draw_sites"]

_DEPTH = 45.0
_STEPS = 1024
_CHUNK = 2**15  # draws at once; they fit in the cache


def draw_sites(n: int, quad: float, quart: float, rng: Stream) -> np.ndarray:
    """Return n independent draws, float64 (n,).

    Parameters
    ----------
    n : int
    quad, quart : float
        quart > 0, or quart = 0 < quad.
    rng : Stream
    """
    draw = rng.numpy()
    if quart == 0:
        return draw.standard_normal(n) / math.sqrt(2 * quad)
    edges, lowest = _edges(quad, quart)
    f = np.exp(lowest - (quad + quart * edges**2) * edges**2)
    height, width = np.maximum(f[1:], f[:-1]), np.diff(edges)
    area = height * width
    top = np.cumsum(area)
    out, done = np.empty(n), 0
    while done < n:
        m = min(_CHUNK, n - done + 64)
        u, v = draw.random((2, m))
        u *= top[-1]
        step = np.minimum(np.searchsorted(top, u, side="right"), len(top) - 1)
        phi = edges[step + 1] - (top[step] - u) / height[step]
        negative = v < 0.5
        v = 2 * v - ~negative
        square = phi * phi
        kept = v * height[step] < np.exp(lowest - (quad + quart * square) * square)
        phi = np.where(negative, -phi, phi)[kept][: n - done]
        out[done : done + len(phi)] = phi
        done += len(phi)
    return out


def _edges(quad: float, quart: float) -> tuple[np.ndarray, float]:
    """Return the edges of the steps, one of them at the maximum of f, and the action there."""
    mode2 = max(-quad / (2 * quart), 0.0)
    lowest = (quad + quart * mode2) * mode2
    # quart t^2 + quad t = lowest + depth for t = phi^2; the product of the roots gives the
    # smaller one, and the sum of positive numbers the larger, without cancellation.
    c = lowest + _DEPTH
    root = math.sqrt(quad * quad + 4 * quart * c)
    high = (root - quad) / (2 * quart) if quad < 0 else 2 * c / (root + quad)
    low = max(-c / (quart * high), 0.0) if c < 0 else 0.0
    edges = np.linspace(math.sqrt(low), math.sqrt(high), _STEPS + 1)
    return np.unique(np.append(edges, math.sqrt(mode2))) if mode2 > 0 else edges, lowest

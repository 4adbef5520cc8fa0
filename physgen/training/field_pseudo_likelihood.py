r"""Pseudo-likelihood of real fields, for actions that are linear in their couplings.

Given all others, one site has the density

.. math:: p(\phi_x \mid \text{all others}) = \frac{1}{z(B_x)} \,
          e^{-g_2 \phi_x^2 - g_4 \phi_x^4 - g_6 \phi_x^6 - B_x \phi_x} , \qquad
          B_x = g_\mathrm{field} + g_\mathrm{nearest} \sum_y \phi_y + \dots ,

so with :math:`q_a` the power of :math:`\phi_x` in a term and :math:`f_{a,x}` its factor,

.. math:: \mathcal L(g) = -\sum_x \log p, \qquad
          \frac{\partial \mathcal L}{\partial g_a} = \sum_x f_{a,x} (\phi_x^{q_a} - m_{q_a}(B_x)),
          \qquad
          \frac{\partial^2 \mathcal L}{\partial g_a \partial g_b} = \sum_x f_{a,x} f_{b,x}
          (m_{q_a + q_b} - m_{q_a} m_{q_b}) ,

with the moments :math:`m_k(B)` of one site.  L is convex.  Moments are sums over 2,048 equidistant
points, at 512 values of B, between which they are cubic Hermite polynomials with the exact slopes
:math:`dm_k/dB = m_k m_1 - m_{k+1}`.  Where neighbours are nearly independent this is nearly
maximum likelihood, however far the sites are from Gaussian; score matching is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.targets.local_terms import POWERS, LocalTerms
from physgen.training.linear_fit import (
    LinearFit,
    Relations,
    block_sums,
    blocks_of,
    covariance_of,
    least_errors,
)

__all__ = ["SiteMoments", "field_losses", "solve_fields"]

_NUMBERS = 2**15  # of configurations that are worked on at a time: they stay in the cache
_POINTS, _NODES = 2048, 512
_DEPTH = 45.0  # e^-45 of the maximum is where an integral ends
_STEPS, _CLOSE = 60, 1e-12  # of Newton's iteration; drop of the loss of a site that ends it


class Sums(NamedTuple):
    """Loss (n,), its gradient (n, t) and Hessian (n, t, t), and the O_a (n, t)."""

    loss: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    sums: np.ndarray


class SiteMoments:
    """log z and the moments of one site as functions of B.

    Parameters
    ----------
    powers : mapping of int to float
        Couplings by even power; the highest one that is not 0 must be positive.
    largest : float
        Largest |B|.
    order : int
        Highest moment.
    """

    def __init__(self, powers: Mapping[int, float], largest: float, order: int) -> None:
        coefficients = np.zeros(max(powers) + 1)
        for p, g in powers.items():
            coefficients[-1 - p] = g
        S = np.poly1d(coefficients)
        tilted = S - np.poly1d([largest, 0])
        still = tilted.deriv().roots
        lowest = tilted(_real(still)).min()
        end = _real((tilted - (lowest + _DEPTH)).roots).max()
        phi = np.linspace(-end, end, _POINTS)
        self.largest, self.step = largest, 2 * largest / (_NODES - 1)
        B = np.linspace(-largest, largest, _NODES)
        log_w = -S(phi) - B[:, None] * phi
        top = log_w.max(axis=1, keepdims=True)
        w = np.exp(log_w - top)
        z = w.sum(axis=1)
        m = w @ phi[:, None] ** np.arange(order + 2) / z[:, None]
        self._values = m[:, : order + 1].copy()
        self._values[:, 0] = np.log(z * (phi[1] - phi[0])) + top[:, 0]
        # m_0 = 1, and its place is taken by log z, whose slope is -m_1.
        self._slopes = m[:, :-1] * m[:, 1:2] - m[:, 1:]
        self._slopes[:, 0] = -m[:, 1]
        self._slopes *= self.step

    def __call__(self, B: np.ndarray, orders: Any) -> dict[int, np.ndarray]:
        """Return moments by order at fields B within the largest; order 0 is log z."""
        position = (B + self.largest) / self.step
        cell = np.clip(position.astype(np.int64), 0, _NODES - 2)
        t = position - cell
        s = 1 - t
        a, b = s * s * (1 + 2 * t), t * t * (3 - 2 * t)
        c, d = t * s * s, -t * t * s
        found = {}
        for k in orders:
            v, u = self._values[:, k], self._slopes[:, k]
            found[k] = a * v[cell] + b * v[cell + 1] + c * u[cell] + d * u[cell + 1]
        return found


def solve_fields(
    local: LocalTerms,
    x: np.ndarray,
    start: np.ndarray,
    relations: Relations,
    n_blocks: int | None = None,
) -> LinearFit:
    """Return the couplings of largest pseudo-likelihood, with errors and bounds.

    Parameters
    ----------
    local : LocalTerms
        Of real fields.
    x : ndarray, shape (n_chains, n_draws, *shape)
    start : ndarray, shape (n_terms,)
        Where Newton's iteration begins, e.g. couplings from score matching.
    relations : Relations
    n_blocks : int, optional
        As in :func:`~physgen.training.solve_score_matching`.

    Raises
    ------
    InputError
        If the relations leave no couplings near the start that hold a site together.
    """
    lead, flat = x.shape[:2], x.reshape(-1, *local.lattice.shape)
    M, sites = relations.matrix, flat.size
    theta = np.linalg.lstsq(M, start - relations.offset, rcond=None)[0]
    if not _holds(local, relations.couplings(theta)):
        rest = np.zeros(len(local))
        for name in ("phi6", "phi4", "phi2"):  # the last one that is there stays
            if name in local.names:
                p = POWERS[name]
                rest[:] = 0.0
                rest[local.names.index(name)] = 1 / (p * float(np.mean(flat**p)))
        theta = np.linalg.lstsq(M, rest - relations.offset, rcond=None)[0]
        if not _holds(local, relations.couplings(theta)):
            raise InputError(
                "pseudo-likelihood needs couplings that hold a site together, got relations "
                "without any near the start; make the highest power positive, or free it"
            )
    now, size, step = _sums(local, flat, relations.couplings(theta)), 1.0, np.zeros_like(theta)
    for _ in range(_STEPS):
        gradient = now.gradient.sum(0) @ M
        normal = M.T @ now.hessian.sum(0) @ M
        relations.check_determined(normal, local.names)
        step = np.linalg.solve(normal, gradient)
        drop = float(gradient @ step)
        if drop <= _CLOSE * sites:
            break
        size = 1.0
        while True:
            g = relations.couplings(theta - size * step)
            new = _sums(local, flat, g) if _holds(local, g) else None
            if new is not None and new.loss.sum() <= now.loss.sum() - 1e-4 * size * drop:
                break
            size /= 2
            if size < 1e-6:
                raise InputError(
                    "pseudo-likelihood must have its optimum where a site is held together, got "
                    f"one at the edge, {local.names[-1]} = {g[-1]:.3g}; leave {local.names[-1]} "
                    "out, or give more configurations"
                )
        theta, now = theta - size * step, new
    theta = theta - step
    g = relations.couplings(theta)
    functions = (now.gradient @ M).reshape(*lead, -1)
    blocks = blocks_of(functions, n_blocks)
    psi = block_sums(blocks, functions)
    H = block_sums(blocks, (M.T @ now.hessian @ M).reshape(*lead, *[len(theta)] * 2))
    with np.errstate(all="ignore"):
        left = H.sum(0) - H, (psi.sum(0) - psi)[..., None]
        without = theta - np.linalg.solve(*left)[..., 0] if len(H) > 1 else theta[None]
    cov = M @ covariance_of(without, blocks.inflation) @ M.T
    bounds = least_errors(now.sums.reshape(*lead, -1), relations, n_blocks)
    return LinearFit(local.names, g, np.sqrt(np.diag(cov)), bounds, cov, len(psi))


def field_losses(local: LocalTerms, couplings: Any, x: np.ndarray) -> np.ndarray:
    """Return the mean over sites of -log p(phi_x | all others), fields (n, *shape), shape (n,).

    Raises
    ------
    InputError
        If the couplings do not hold a site together.
    """
    g = np.asarray(couplings, np.float64)
    if not _holds(local, g):
        listed = ", ".join(f"{name} = {value:.3g}" for name, value in zip(local.names, g))
        raise InputError(
            f"the weight of a site must be normalisable, got {listed}; the highest power needs a "
            "positive coupling"
        )
    return _sums(local, x, g, derivatives=False).loss / local.lattice.n_sites


def _holds(local: LocalTerms, g: np.ndarray) -> bool:
    """Whether the weight of a site can be normalised."""
    named = dict(zip(local.names, g))
    last = [named[name] for name in ("phi6", "phi4", "phi2") if named.get(name, 0.0) != 0]
    return bool(last) and last[0] > 0


def _sums(local: LocalTerms, x: np.ndarray, g: np.ndarray, derivatives: bool = True) -> Sums:
    """Return loss and derivatives of configurations (n, *shape), one by one."""
    n, t, V = len(x), len(local), local.lattice.n_sites
    found = Sums(np.empty(n), np.empty((n, t)), np.empty((n, t, t)), np.empty((n, t)))
    powers = {POWERS[name]: value for name, value in zip(local.names, g) if name in POWERS}
    q = [POWERS.get(name, 1) for name in local.names]
    alone = [value if p == 1 else 0.0 for value, p in zip(g, q)]
    fields = (np.abs(local.weighted_slope(part, alone)).max() for _, part in _parts(x, V))
    largest = float(max(fields, default=0.0))
    moments = SiteMoments(powers, largest + 1e-9, 2 * max(q) if derivatives else 0)
    orders = {0}
    if derivatives:
        orders |= {*q} | {a + b for a in q for b in q}
    for where, phi in _parts(x, V):
        B = local.weighted_slope(phi, alone)
        m = moments(B, orders)
        own = sum(value * phi**p for p, value in powers.items())
        found.loss[where] = _over_sites(own + B * phi + m[0])
        if not derivatives:
            continue
        slopes = [np.broadcast_to(s, phi.shape) for s in local.slopes(phi)]
        found.sums[where] = local.values_from(phi, slopes)
        f = [s if p == 1 else np.ones_like(phi) for s, p in zip(slopes, q)]
        for a in range(t):
            found.gradient[where, a] = _over_sites(f[a] * (phi ** q[a] - m[q[a]]))
            for b in range(a, t):
                product = f[a] * f[b] * (m[q[a] + q[b]] - m[q[a]] * m[q[b]])
                found.hessian[where, a, b] = found.hessian[where, b, a] = _over_sites(product)
    return found


def _parts(x: np.ndarray, V: int) -> Any:
    size = max(1, _NUMBERS // V)
    for i in range(0, len(x), size):
        yield slice(i, min(i + size, len(x))), x[i : i + size].astype(np.float64)


def _over_sites(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).sum(axis=1)


def _real(roots: np.ndarray) -> np.ndarray:
    real = np.abs(np.imag(roots)) <= 1e-6 * (1 + np.abs(roots))
    return np.real(roots[real])

r"""Sweeps of phi^4 fields, one site at a time: Metropolis and overrelaxation.

With :math:`b_x = \mathrm{hop} \sum_{y \sim x} \phi_y`, moving one field by d changes the action by

.. math:: \Delta S = d \,\big[ (\phi' + \phi)\,(\mathrm{quad}
              + \mathrm{quart}\,(\phi'^2 + \phi^2)) - b_x \big], \qquad \phi' = \phi + d ,

and is accepted with probability :math:`\min(1, e^{-\Delta S})`.  Metropolis draws d uniform in
(-width, width).  Overrelaxation reflects, :math:`\phi' = b_x / c - \phi`, at the minimum of the
Gaussian of curvature 2c; any c > 0 gives an involution that preserves volume, hence detailed
balance, and c = quad with quart = 0 conserves the action, without rejections.

The chains of a block are updated together (SIMD over chains), sites in the given order.
Random words of site s = q or Q + q, Q = ceil(V / 2), from counter (q, sweep, chain, call 2): one
word for the proposal, one for the acceptance; two sweeps of reflections share them.

Probabilities are compared in float32 and are accurate to 1e-7.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.normals import CHUNK, fill_words
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT, exp2

__all__ = ["sweeps"]

_F, _U, _U32, _I32 = np.float32, np.uint64, np.uint32, np.int32
_LOG2E = _F(1.4426950408889634)
_LOWEST = _F(-100.0)


@njit(inline="always", **CONTRACT)
def _passes(change, word):
    """Whether a uniform deviate is below exp(-change)."""
    t = -_LOG2E * _F(change)
    t = t if t < _F(0.0) else _F(0.0)
    t = t if t > _LOWEST else _LOWEST
    return (_F(word) + _F(0.5)) * _F(2.0**-32) < exp2(t)


@njit(inline="always", **CONTRACT)
def _change(p, new, b, quad, quart):
    return (new - p) * ((new + p) * (quad + quart * (new * new + p * p)) - b)


@njit(**CONTRACT)
def _sum4(phi, total, a, b, c, d, n):
    restrict()
    for j in range(n):
        t = _U(j)
        total[t] = (phi[a + t] + phi[b + t]) + (phi[c + t] + phi[d + t])


@njit(**CONTRACT)
def _add(phi, total, a, n):
    restrict()
    for j in range(n):
        total[_U(j)] += phi[a + _U(j)]


@njit(**CONTRACT)
def _site_sum(phi, total, neighbours, site, width):
    """Sum the neighbours of one site into total[:width]; neighbours -1 where absent."""
    w, z, k = _U(width), neighbours.shape[1], 0
    if z >= 4:
        a, b, c, d = (
            neighbours[site, 0], neighbours[site, 1], neighbours[site, 2], neighbours[site, 3],
        )  # fmt: skip
        if min(min(a, b), min(c, d)) >= 0:
            _sum4(phi, total, _U(a) * w, _U(b) * w, _U(c) * w, _U(d) * w, width)
            k = 4
    if k == 0:
        total[:width] = 0
    for i in range(k, z):
        y = neighbours[site, i]
        if y >= 0:
            _add(phi, total, _U(y) * w, width)


@njit(**CONTRACT)
def _metropolis(phi, o, total, n, hop, quad, quart, width, proposal, acceptance, accepted):
    restrict()
    for j in range(n):
        t = o + _U(j)
        p = phi[t]
        new = p + width * total.dtype.type(_I32(proposal[t])) * total.dtype.type(2.0**-31)
        passes = _passes(_change(p, new, hop * total[j], quad, quart), acceptance[t])
        phi[t] = new if passes else p
        accepted[j] += _F(1.0) if passes else _F(0.0)


@njit(**CONTRACT)
def _reflect(phi, o, total, n, hop, quad, quart, inverse, acceptance, accepted):
    restrict()
    for j in range(n):
        t = o + _U(j)
        p, b = phi[t], hop * total[j]
        new = b * inverse - p
        passes = _passes(_change(p, new, b, quad, quart), acceptance[t])
        phi[t] = new if passes else p
        accepted[j] += _F(1.0) if passes else _F(0.0)


@njit(**CONTRACT)
def sweeps(
    blocks, x, order, neighbours, couplings, width, curvature, n_reflections, key, lanes, n, stats
):
    """Make n rounds of `n_reflections` overrelaxation sweeps and one Metropolis sweep, in place.

    Parameters
    ----------
    blocks : (int, int)
        Which blocks to work on: the first, and the stride from one to the next.
    x : float32 or float64 array (n_blocks, n_sites, W)
    order : int64 array (n_sites,)
        The order in which sites are visited.
    neighbours : int32 array (n_sites, z)
        -1 where absent.
    couplings : float64 array (4,)
        hop, quad, quart, const.
    width, curvature : float
        Half width of Metropolis proposals; c of the reflections, > 0.
    n_reflections : int
        Overrelaxation sweeps before each Metropolis sweep, >= 0.
    key, lanes : as in `field_hmc.trajectories`
    n : int
        Rounds.
    stats : float64 array (n_blocks, 2, W)
        Numbers of accepted Metropolis moves and reflections are added.
    """
    n_sites, lane_count = x.shape[1], x.shape[2]
    size = -(-n_sites // 2) * 2 * lane_count
    shift = 0
    while 1 << shift < lane_count:
        shift += 1
    first, second = np.empty(size, np.uint32), np.empty(size, np.uint32)
    words = np.empty(2 * CHUNK, np.uint64)
    total = np.empty(lane_count, x.dtype)
    moved, reflected = np.empty(lane_count, np.float32), np.empty(lane_count, np.float32)
    c = np.empty(3, x.dtype)
    c[:] = couplings[:3]
    half_width, inverse = x.dtype.type(width), x.dtype.type(1.0 / curvature)
    per_round = (n_reflections + 1) // 2 + 1
    for b in range(blocks[0], x.shape[0], blocks[1]):
        phi = x[b].reshape(-1)
        for t in range(n):
            for r in range(n_reflections):
                if r % 2 == 0:
                    call = t * per_round + r // 2
                    fill_words(first, second, shift, b * lane_count, call, 2, key, lanes[b], words)
                reflected[:] = 0
                for site in order:
                    _site_sum(phi, total, neighbours, site, lane_count)
                    _reflect(
                        phi, _U(site) * _U(lane_count), total, lane_count, c[0], c[1], c[2],
                        inverse, first if r % 2 == 0 else second, reflected,
                    )  # fmt: skip
                stats[b, 1] += reflected
            fill_words(
                first, second, shift, b * lane_count, (t + 1) * per_round - 1, 2, key, lanes[b],
                words,
            )  # fmt: skip
            moved[:] = 0
            for site in order:
                _site_sum(phi, total, neighbours, site, lane_count)
                _metropolis(
                    phi, _U(site) * _U(lane_count), total, lane_count, c[0], c[1], c[2],
                    half_width, first, second, moved,
                )  # fmt: skip
            stats[b, 0] += moved

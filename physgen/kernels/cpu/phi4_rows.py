r"""One run of sites of a phi^4 field, for a block of interleaved chains.

.. math:: S = \sum_x \Big[ -\mathrm{hop} \sum_\mu \phi_x \phi_{x+\hat\mu}
              + \mathrm{quad}\, \phi_x^2 + \mathrm{quart}\, \phi_x^4 + \mathrm{const} \Big], \qquad
          F_x = -\frac{\partial S}{\partial \phi_x}
              = \mathrm{hop} \sum_{y \sim x} \phi_y - 2\,\mathrm{quad}\, \phi_x
                - 4\,\mathrm{quart}\, \phi_x^3 .

Arrays are flat, (sites x chains); `o`, `a`, `b`, ... are the first items of the run itself and of
its neighbours, `n` its number of items.  The functions are short, so each is one vector loop.
Numbers of sites and chains are uint64, because Numba tests int64 indices for a negative sign.

One pass over the lattice does kick and drift together,

.. math:: \pi_x \leftarrow \pi_x + k F_x(\phi), \qquad \phi'_x = \phi_x + d\, \pi_x ,

from one field buffer into another, because neighbours read the old field of a site after its move.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["force_row", "kick_drift", "neighbour_sum", "site_sum", "sum_energies"]

_U = np.uint64


@njit(**CONTRACT)
def _kick_drift4(phi, pi, out, o, a, b, c, d, n, hop, quad2, quart4, kick, drift):
    """Four neighbours, as on the square lattice: all in one loop."""
    restrict()
    for j in range(n):
        t = _U(j)
        p = phi[o + t]
        force = hop * ((phi[a + t] + phi[b + t]) + (phi[c + t] + phi[d + t]))
        m = pi[o + t] + kick * (force - p * (quad2 + quart4 * (p * p)))
        pi[o + t] = m
        out[o + t] = p + drift * m


@njit(**CONTRACT)
def _kick_drift_more(
    phi, total, pi, out, o, a, b, c, d, n, hop, quad2, quart4, kick, drift
):  # fmt: skip
    """Four neighbours, and more that are summed in total."""
    restrict()
    for j in range(n):
        t = _U(j)
        p = phi[o + t]
        force = hop * (total[t] + ((phi[a + t] + phi[b + t]) + (phi[c + t] + phi[d + t])))
        m = pi[o + t] + kick * (force - p * (quad2 + quart4 * (p * p)))
        pi[o + t] = m
        out[o + t] = p + drift * m


@njit(**CONTRACT)
def _kick_drift_few(phi, total, pi, out, o, n, hop, quad2, quart4, kick, drift):
    """Fewer than four neighbours, summed in total."""
    restrict()
    for j in range(n):
        t = _U(j)
        p = phi[o + t]
        m = pi[o + t] + kick * (hop * total[t] - p * (quad2 + quart4 * (p * p)))
        pi[o + t] = m
        out[o + t] = p + drift * m


@njit(**CONTRACT)
def _sum4(phi, total, at, a, b, c, d, n):
    restrict()
    for j in range(n):
        t = _U(j)
        total[at + t] = (phi[a + t] + phi[b + t]) + (phi[c + t] + phi[d + t])


@njit(**CONTRACT)
def _sum2(phi, total, at, a, b, n):
    restrict()
    for j in range(n):
        t = _U(j)
        total[at + t] = phi[a + t] + phi[b + t]


@njit(**CONTRACT)
def _add2(phi, total, at, a, b, n):
    restrict()
    for j in range(n):
        t = _U(j)
        total[at + t] += phi[a + t] + phi[b + t]


@njit(**CONTRACT)
def _add1(phi, total, at, a, n):
    restrict()
    for j in range(n):
        total[at + _U(j)] += phi[a + _U(j)]


@njit(**CONTRACT)
def _zero(total, at, n):
    for j in range(n):
        total[at + _U(j)] = 0


@njit(**CONTRACT)
def neighbour_sum(phi, total, at, runs, r, z, width):
    """Sum the first z neighbours of each site of run r into total[at : at + length * width]."""
    w, n = _U(width), runs[r, 1] * width
    a, b = _U(runs[r, 3]) * w, _U(runs[r, 4 if z > 1 else 3]) * w
    if z >= 4:
        _sum4(phi, total, at, a, b, _U(runs[r, 5]) * w, _U(runs[r, 6]) * w, n)
    elif z >= 2:
        _sum2(phi, total, at, a, b, n)
    else:
        _zero(total, at, n)
    k = 4 if z >= 4 else 2 if z >= 2 else 0
    while k + 1 < z:
        _add2(phi, total, at, _U(runs[r, 3 + k]) * w, _U(runs[r, 4 + k]) * w, n)
        k += 2
    if k < z:
        _add1(phi, total, at, _U(runs[r, 3 + k]) * w, n)


@njit(**CONTRACT)
def site_sum(phi, total, neighbours, site, width):
    """Sum the neighbours of one site into total[:width]; neighbours -1 where absent."""
    w, z, k = _U(width), neighbours.shape[1], 0
    if z >= 4:
        a, b, c, d = (
            neighbours[site, 0], neighbours[site, 1], neighbours[site, 2], neighbours[site, 3],
        )  # fmt: skip
        if min(min(a, b), min(c, d)) >= 0:
            _sum4(phi, total, _U(0), _U(a) * w, _U(b) * w, _U(c) * w, _U(d) * w, width)
            k = 4
    if k == 0:
        _zero(total, _U(0), width)
    for i in range(k, z):
        y = neighbours[site, i]
        if y >= 0:
            _add1(phi, total, _U(0), _U(y) * w, width)


@njit(**CONTRACT)
def kick_drift(phi, pi, out, total, runs, width, hop, quad2, quart4, kick, drift):
    """Kick and drift a block: pi += kick F(phi), out = phi + drift pi.

    Parameters
    ----------
    phi, pi, out : float arrays (n_sites * width,)
        Distinct; pi is changed, out is written.
    total : float array
        Scratch, as long as the longest run times width.
    runs : int64 array
        `phi4_layout.runs` of the lattice.
    quad2, quart4 : float
        2 quad and 4 quart, of the type of phi, like hop, kick and drift.
    """
    w = _U(width)
    for r in range(runs.shape[0]):  # no slices of runs: each would cost two atomic operations
        o, n, z = _U(runs[r, 0]) * w, runs[r, 1] * width, runs[r, 2]
        if z < 4:
            neighbour_sum(phi, total, _U(0), runs, r, z, width)
            _kick_drift_few(phi, total, pi, out, o, n, hop, quad2, quart4, kick, drift)
            continue
        a, b = _U(runs[r, z - 1]) * w, _U(runs[r, z]) * w  # the last four neighbours
        c, d = _U(runs[r, z + 1]) * w, _U(runs[r, z + 2]) * w
        if z == 4:
            _kick_drift4(phi, pi, out, o, a, b, c, d, n, hop, quad2, quart4, kick, drift)
        else:
            neighbour_sum(phi, total, _U(0), runs, r, z - 4, width)
            _kick_drift_more(
                phi, total, pi, out, o, a, b, c, d, n, hop, quad2, quart4, kick, drift
            )


@njit(**CONTRACT)
def force_row(phi, total, force, o, n, hop, quad2, quart4):
    """Write the force of a run whose neighbours are summed in total."""
    restrict()
    for j in range(n):
        t = _U(j)
        p = phi[o + t]
        force[o + t] = hop * total[j] - p * (quad2 + quart4 * (p * p))


@njit(inline="always", **CONTRACT)
def _densities(p, y, m, half_hop, quad, quart, kick):
    """Return the action of a site, with half of its bonds, and its kicked momentum squared."""
    b, q = half_hop * y, p * p
    v = p * (quad + quart * q)
    m += kick * (b - v - quart * (q * p))  # half of the force
    return np.float64(p * (v - b)), np.float64(m * m)


@njit(**CONTRACT)
def _sum_sites(phi, total, pi, n_sites, width, half_hop, quad, quart, kick, s, k):
    restrict()
    w = _U(width)
    fours = n_sites // 4
    for x in range(fours):  # four sites at a time: the sums are loaded and stored less often
        i0 = _U(4 * x) * w
        i1, i2, i3 = i0 + w, i0 + w + w, i0 + w + w + w
        for j in range(width):
            t = _U(j)
            a, b, c, d = i0 + t, i1 + t, i2 + t, i3 + t
            s0, k0 = _densities(phi[a], total[a], pi[a], half_hop, quad, quart, kick)
            s1, k1 = _densities(phi[b], total[b], pi[b], half_hop, quad, quart, kick)
            s2, k2 = _densities(phi[c], total[c], pi[c], half_hop, quad, quart, kick)
            s3, k3 = _densities(phi[d], total[d], pi[d], half_hop, quad, quart, kick)
            s[j] += (s0 + s1) + (s2 + s3)
            k[j] += (k0 + k1) + (k2 + k3)
    for x in range(4 * fours, n_sites):
        for j in range(width):
            a = _U(x) * w + _U(j)
            s0, k0 = _densities(phi[a], total[a], pi[a], half_hop, quad, quart, kick)
            s[j] += s0
            k[j] += k0


@njit(**CONTRACT)
def sum_energies(phi, pi, total, runs, width, half_hop, quad, quart, kick, s, k):
    """Add up the action of each chain, and sum pi^2 after a last kick, in float64.

    Parameters
    ----------
    phi, pi, runs, width : as in `kick_drift`
        Not changed.
    total : float array (n_sites * width,)
        Scratch.
    half_hop, quad, quart, kick : float, of the type of phi
        hop / 2, and the couplings.
    s, k : float64 arrays (width,)
        Out: sum over sites of -hop/2 phi sum_y phi_y + quad phi^2 + quart phi^4 (the action
        without its constant), and sum over sites of (pi + kick F)^2.
    """
    w = _U(width)
    s[:] = 0
    k[:] = 0
    for r in range(runs.shape[0]):
        neighbour_sum(phi, total, _U(runs[r, 0]) * w, runs, r, runs[r, 2], width)
    n_sites = phi.size // width
    _sum_sites(phi, total, pi, n_sites, width, half_hop, quad, quart, kick + kick, s, k)

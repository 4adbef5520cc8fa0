r"""One run of sites of a phi^4 field, for a block of interleaved chains.

.. math:: S = \sum_x \Big[ -\mathrm{hop} \sum_\mu \phi_x \phi_{x+\hat\mu}
              + \mathrm{quad}\, \phi_x^2 + \mathrm{quart}\, \phi_x^4 + \mathrm{const} \Big], \qquad
          F_x = -\frac{\partial S}{\partial \phi_x}
              = \mathrm{hop} \sum_{y \sim x} \phi_y - 2\,\mathrm{quad}\, \phi_x
                - 4\,\mathrm{quart}\, \phi_x^3 .

Arrays are flat, (sites x chains); `o`, `a`, `b`, ... are the first items of the run itself and of
its neighbours, `n` its number of items.  The functions are short, so that each is one vector loop.
Numbers of sites and chains are uint64: Numba would test int64 indices for a negative sign.

One pass over the lattice kicks and drifts at once,

.. math:: \pi_x \leftarrow \pi_x + k F_x(\phi), \qquad \phi'_x = \phi_x + d\, \pi_x ,

from one field buffer into another: a site is read by its neighbours after it has moved.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["force_row", "kick_drift", "neighbour_sum", "sum_energies"]

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
def _kick_drift(phi, total, pi, out, o, n, hop, quad2, quart4, kick, drift):
    restrict()
    for j in range(n):
        t = _U(j)
        p = phi[o + t]
        m = pi[o + t] + kick * (hop * total[j] - p * (quad2 + quart4 * (p * p)))
        pi[o + t] = m
        out[o + t] = p + drift * m


@njit(**CONTRACT)
def _sum4(phi, total, a, b, c, d, n):
    restrict()
    for j in range(n):
        t = _U(j)
        total[j] = (phi[a + t] + phi[b + t]) + (phi[c + t] + phi[d + t])


@njit(**CONTRACT)
def _add2(phi, total, a, b, n):
    restrict()
    for j in range(n):
        t = _U(j)
        total[j] += phi[a + t] + phi[b + t]


@njit(**CONTRACT)
def _add1(phi, total, a, n):
    restrict()
    for j in range(n):
        total[j] += phi[a + _U(j)]


@njit(**CONTRACT)
def neighbour_sum(phi, total, run, width):
    """Sum the neighbours of each site of a run into total[:length * width]."""
    w, n, z = _U(width), run[1] * width, run[2]
    k = 0
    if z >= 4:
        _sum4(phi, total, _U(run[3]) * w, _U(run[4]) * w, _U(run[5]) * w, _U(run[6]) * w, n)
        k = 4
    else:
        total[:n] = 0
    while k + 1 < z:
        _add2(phi, total, _U(run[3 + k]) * w, _U(run[4 + k]) * w, n)
        k += 2
    if k < z:
        _add1(phi, total, _U(run[3 + k]) * w, n)


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
        2 quad and 4 quart, of the type of phi; as hop, kick and drift.
    """
    w = _U(width)
    for r in range(runs.shape[0]):
        run = runs[r]
        o, n = _U(run[0]) * w, run[1] * width
        if run[2] == 4:
            _kick_drift4(
                phi, pi, out, o, _U(run[3]) * w, _U(run[4]) * w, _U(run[5]) * w, _U(run[6]) * w,
                n, hop, quad2, quart4, kick, drift,
            )  # fmt: skip
        else:
            neighbour_sum(phi, total, run, width)
            _kick_drift(phi, total, pi, out, o, n, hop, quad2, quart4, kick, drift)


@njit(**CONTRACT)
def force_row(phi, total, force, o, n, hop, quad2, quart4):
    """Write the force of a run whose neighbours are summed in total."""
    restrict()
    for j in range(n):
        t = _U(j)
        p = phi[o + t]
        force[o + t] = hop * total[j] - p * (quad2 + quart4 * (p * p))


@njit(**CONTRACT)
def _sum_site(phi, total, pi, o, i, n, hop, quad, quart, quad2, quart4, kick, s, k):
    restrict()
    for j in range(n):
        t = _U(j)
        p, y = phi[o + t], total[i + t]
        q, b = p * p, hop * y
        m = pi[o + t] + kick * (b - p * (quad2 + quart4 * q))
        s[j] += np.float64(q * (quad + quart * q)) - 0.5 * np.float64(b * p)
        k[j] += np.float64(m) * np.float64(m)


@njit(**CONTRACT)
def sum_energies(phi, pi, total, runs, width, hop, quad, quart, kick, s, k):
    """Add up the action of each chain, and sum pi^2 after a last kick, in float64.

    Parameters
    ----------
    phi, pi, total, runs, width : as in `kick_drift`
        pi is not changed.
    hop, quad, quart, kick : float, of the type of phi
    s, k : float64 arrays (width,)
        Out: sum over sites of -hop/2 phi sum_y phi_y + quad phi^2 + quart phi^4 (the action
        without its constant), and sum over sites of (pi + kick F)^2.
    """
    w = _U(width)
    s[:] = 0
    k[:] = 0
    quad2 = quad + quad
    quart4 = (quart + quart) + (quart + quart)
    for r in range(runs.shape[0]):
        run = runs[r]
        neighbour_sum(phi, total, run, width)
        for x in range(run[1]):
            _sum_site(
                phi, total, pi, _U(run[0] + x) * w, _U(x) * w, width,
                hop, quad, quart, quad2, quart4, kick, s, k,
            )  # fmt: skip

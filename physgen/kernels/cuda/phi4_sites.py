r"""Updates of the sites of a phi^4 field that belong to one thread of a CUDA device.

.. math:: F_x = \mathrm{hop} \sum_{y \sim x} \phi_y - 2\,\mathrm{quad}\, \phi_x
                - 4\,\mathrm{quart}\, \phi_x^3 , \qquad
          \pi_x \leftarrow \pi_x + k F_x(\phi), \quad \phi'_x = \phi_x + d\, \pi_x .

A CUDA block holds the W interleaved chains of a block of :mod:`physgen.kernels.cpu.field_layout`;
thread (w, s) updates chain w at the sites s, s + S, ..., so the threads of a warp access
neighbouring numbers.  Arrays are flat, (sites x chains).  Sums run in the order of the CPU.

Arguments common to all functions: ``table`` uint32 (n_sites, z), the neighbours, absent ones last;
``degrees`` uint32 (n_sites,); ``c`` = (hop, quad, quart, 0) and the factors k and d in the type of
the field; ``width, lane, first, stride`` uint32: W, w, s, S.
"""

from __future__ import annotations

import numpy as np

from physgen.kernels.cuda._numba import cuda

__all__ = [
    "MOST_THREADS",
    "add_up",
    "around",
    "copy",
    "drift",
    "energies",
    "kick",
    "kick_drift",
    "moments",
]

MOST_THREADS = 256  # threads of a CUDA block: the size of the shared arrays of sums

_U32, _D = np.uint32, np.float64


@cuda.jit(device=True)
def around(phi, table, z, site, width, lane, zero):
    """Return the sum of the z neighbours of a site."""
    k, total = 0, zero
    if z >= 4:
        a, b = phi[table[site, 0] * width + lane], phi[table[site, 1] * width + lane]
        total = (a + b) + (phi[table[site, 2] * width + lane] + phi[table[site, 3] * width + lane])
        k = 4
    while k + 1 < z:
        total += phi[table[site, k] * width + lane] + phi[table[site, k + 1] * width + lane]
        k += 2
    if k < z:
        total += phi[table[site, k] * width + lane]
    return total


@cuda.jit(device=True)
def kick_drift(phi, pi, out, table, degrees, c, kick, drift, width, lane, first, stride):
    """Kick and drift: pi += kick F(phi), out = phi + drift pi; out is not phi."""
    hop, quad, quart, zero = c
    quad2, quart4 = quad + quad, (quart + quart) + (quart + quart)
    for site in range(first, degrees.size, stride):
        at = site * width + lane
        p = phi[at]
        force = hop * around(phi, table, degrees[site], site, width, lane, zero)
        m = pi[at] + kick * (force - p * (quad2 + quart4 * (p * p)))
        pi[at] = m
        out[at] = p + drift * m


@cuda.jit(device=True)
def kick(phi, pi, table, degrees, c, time, width, lane, first, stride):
    """Kick: pi += time F(phi)."""
    hop, quad, quart, zero = c
    quad2, quart4 = quad + quad, (quart + quart) + (quart + quart)
    for site in range(first, degrees.size, stride):
        at = site * width + lane
        p = phi[at]
        force = hop * around(phi, table, degrees[site], site, width, lane, zero)
        pi[at] = pi[at] + time * (force - p * (quad2 + quart4 * (p * p)))


@cuda.jit(device=True)
def drift(phi, pi, time, n_sites, width, lane, first, stride):
    """Drift: phi += time pi."""
    for site in range(first, n_sites, stride):
        at = site * width + lane
        phi[at] = phi[at] + time * pi[at]


@cuda.jit(device=True)
def energies(phi, pi, table, degrees, c, kick, width, lane, first, stride):
    """Return this thread's share of the action without constant, and of (pi + kick F)^2."""
    hop, quad, quart, zero = c
    quad2, quart4 = quad + quad, (quart + quart) + (quart + quart)
    s, k = 0.0, 0.0
    for site in range(first, degrees.size, stride):
        at = site * width + lane
        p = phi[at]
        q = p * p
        b = hop * around(phi, table, degrees[site], site, width, lane, zero)
        m = _D(pi[at] + kick * (b - p * (quad2 + quart4 * q)))
        s += _D(q * (quad + quart * q)) - 0.5 * _D(b * p)
        k += m * m
    return s, k


@cuda.jit(device=True)
def moments(phi, n_sites, width, lane, first, stride):
    """Return this thread's share of the sums of phi and phi^2."""
    s, q = 0.0, 0.0
    for site in range(first, n_sites, stride):
        p = _D(phi[site * width + lane])
        s += p
        q += p * p
    return s, q


@cuda.jit(device=True)
def copy(source, out, n_sites, width, lane, first, stride):
    """Copy this thread's sites."""
    for site in range(first, n_sites, stride):
        out[site * width + lane] = source[site * width + lane]


@cuda.jit(device=True)
def add_up(shares, width, lane, stride):
    """Return the sum of the shares of a chain, ``shares[w + W s]``, in the order of s."""
    total = 0.0
    for part in range(stride):
        total += shares[part * width + lane]
    return total

r"""Passes over the lattice of a local action of real fields, for a block of interleaved chains.

.. math:: S = \sum_x \Big[ g_1 \phi_x + g_2 \phi_x^2 + g_4 \phi_x^4 + g_6 \phi_x^6 \Big]
              - \sum_{\langle xy \rangle} w_{xy}\, \phi_x \phi_y ,

where each group of neighbours has a weight w (:mod:`.field_layout`); nearest neighbours of phi^4
have w = hop.  With the pull of its neighbours, a site has the force and the share of the action

.. math:: b_x = \sum_y w_{xy} \phi_y , \qquad
          F_x = b_x - g_1 - \phi_x (2 g_2 + 4 g_4 \phi_x^2 + 6 g_6 \phi_x^4) , \qquad
          S_x = \phi_x^2 (g_2 + g_4 \phi_x^2 + g_6 \phi_x^4) - \phi_x (\tfrac12 b_x - g_1) .

Couplings and weights are arguments: new ones run the same code.

Arrays are flat, (sites x chains), and a pass goes over sites and over chains in vectors
(:mod:`.lanes`).  A field that neighbours are read from has one site more, which is 0.  Neighbours
read the old field of a site after its move, hence all passes write to a second buffer.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.lanes import add_wide, lanes_of, load, store, zeros
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = [
    "ahead",
    "coefficients",
    "force",
    "forces_and_sums",
    "four",
    "langevin_drift",
    "log2",
    "offsets",
    "sum_energies",
    "write_forces",
]

_U = np.uint64
_TOGETHER = 16  # sites that are summed in the type of the fields before float64


@njit(**CONTRACT)
def coefficients(couplings, x):
    """Return (-g_1, g_2, g_4, g_6, 2 g_2, 4 g_4, 6 g_6) in the type of x.

    `couplings` is float64 (5,): g_1, g_2, g_4, g_6, and a constant for each site.
    """
    c = np.empty(7, x.dtype)
    c[0], c[1:4] = -couplings[0], couplings[1:4]
    c[4], c[5], c[6] = 2 * couplings[1], 4 * couplings[2], 6 * couplings[3]
    return c[0], c[1], c[2], c[3], c[4], c[5], c[6]


@njit(**CONTRACT)
def offsets(table, width):
    """Return the first items of the neighbours in a block, uint32 (n_groups, 4 n_sites)."""
    n_sites, n_groups = table.shape[0], table.shape[1] // 4
    out = np.empty((n_groups, 4 * n_sites), np.uint32)
    for s in range(n_sites):
        for i in range(table.shape[1]):
            out[i // 4, 4 * s + i % 4] = table[s, i] * width
    return out


@njit(**CONTRACT)
def log2(width):
    """Return s of width = 2^s."""
    shift = 0
    while 1 << shift < width:
        shift += 1
    return shift


@njit(forceinline=True, **CONTRACT)
def four(phi, at, g, s, j):
    """Add up the vectors at chain j of the four neighbours of site s in group g."""
    k = s << _U(2)
    a, b = load(phi, _U(at[g, k]) + j), load(phi, _U(at[g, k | _U(1)]) + j)
    c, d = load(phi, _U(at[g, k | _U(2)]) + j), load(phi, _U(at[g, k | _U(3)]) + j)
    return (a + b) + (c + d)


@njit(forceinline=True, **CONTRACT)
def ahead(phi, t, a, b, c, d):
    """Add up the vectors of the four neighbours that lie a, b, c and d ahead of item t."""
    return (load(phi, t + a) + load(phi, t + b)) + (load(phi, t + c) + load(phi, t + d))


@njit(forceinline=True, **CONTRACT)
def force(p, q, b, c):
    """Return F from phi, phi^2 and b."""
    return (b + c[0]) - p * (c[4] + q * (c[5] + q * c[6]))


@njit(forceinline=True, **CONTRACT)
def _density(p, q, b, c):
    """Return S_x."""
    return q * (c[1] + q * (c[2] + q * c[3])) - p * (0.5 * b + c[0])


@njit(forceinline=True, **CONTRACT)
def _langevin(phi, noise, out, t, b, c, half, h):
    p = load(phi, t)
    store(out, t, p + h * (load(noise, t) + half * force(p, p * p, b, c)))


@njit(**CONTRACT)
def langevin_drift(phi, noise, out, at, runs, weights, width, c, half, h):
    """Write out = phi + h (noise + half F(phi)) of a block.

    Parameters
    ----------
    phi : float array (at least (n_sites + 1) * width,)
    noise, out : float arrays (at least n_sites * width,)
        Distinct; out is written.
    at : uint32 array (n_groups, 4 n_sites)
        :func:`offsets`.
    runs : uint64 array (n_runs, 6)
        :func:`.slabs.runs`.
    weights : float array (n_groups,)
        In the type of phi, like half and h.
    width : int
        Chains of the block, a power of 2 and a multiple of the lanes.
    c : tuple of float
        :func:`coefficients`.
    """
    restrict()
    lanes, n_groups, end = _U(lanes_of(phi)), _U(weights.size), _U((at.shape[1] // 4) * width)
    for r in range(_U(len(runs))):
        x, y, z, u = runs[r, _U(2)], runs[r, _U(3)], runs[r, _U(4)], runs[r, _U(5)]
        for t in range(runs[r, _U(0)], runs[r, _U(1)], lanes):
            b = weights[0] * ahead(phi, t, x, y, z, u)
            _langevin(phi, noise, out, t, b, c, half, h)
    if n_groups == 1:
        return
    shift, mask = _U(log2(width)), _U(width - 1)
    for t in range(_U(0), end, lanes):
        b = weights[0] * four(phi, at, _U(0), t >> shift, t & mask)
        for g in range(_U(1), n_groups):
            b = b + weights[g] * four(phi, at, g, t >> shift, t & mask)
        _langevin(phi, noise, out, t, b, c, half, h)


@njit(**CONTRACT)
def write_forces(phi, out, at, weights, width, c):
    """Write the force on every site; arguments as in :func:`langevin_drift`."""
    restrict()
    lanes, n_groups, end = _U(lanes_of(phi)), _U(weights.size), _U((at.shape[1] // 4) * width)
    shift, mask = _U(log2(width)), _U(width - 1)
    for t in range(_U(0), end, lanes):
        b = weights[0] * four(phi, at, _U(0), t >> shift, t & mask)
        for g in range(_U(1), n_groups):
            b = b + weights[g] * four(phi, at, g, t >> shift, t & mask)
        p = load(phi, t)
        store(out, t, force(p, p * p, b, c))


@njit(forceinline=True, **CONTRACT)
def _force_and_terms(phi, old, noise, out, t, b, c, half):
    """Write the force at the vector t; return its action and change of kinetic energy."""
    p = load(phi, t)
    q = p * p
    f = force(p, q, b, c)
    store(out, t, f)
    kick = half * (f + load(old, t))
    return _density(p, q, b, c), kick * (2.0 * load(noise, t) + kick)


@njit(**CONTRACT)
def forces_and_sums(phi, old, noise, force, at, weights, width, c, half, sums, kinetic):
    """Write the force at phi; sum the actions, and what a Langevin step did to the kinetic energy.

    Parameters
    ----------
    phi, at, weights, width, c : as in `langevin_drift`
        phi is the proposal.
    old, noise : float arrays (n_sites * width,)
        Force at the current point, and the normal deviates of the step.
    force : float array (n_sites * width,)
        Out: force at the proposal.
    half : float
        h / 2 of the step h.
    sums, kinetic : float64 arrays (width,)
        Out: sum over sites of S_x, and of (noise + g)^2 - noise^2 with g = half (old + force).
        Sixteen sites at most are summed in the type of phi, the rest in float64.
    """
    restrict()
    w, lanes, n_groups = _U(width), _U(lanes_of(phi)), _U(weights.size)
    n_sites = _U(at.shape[1] // 4)
    sums[:] = 0
    kinetic[:] = 0
    for first in range(_U(0), n_sites, _U(_TOGETHER)):
        end = min(first + _U(_TOGETHER), n_sites)
        for j in range(_U(0), w, lanes):
            part, more = zeros(phi), zeros(phi)
            if n_groups == 1:
                for s in range(first, end):
                    b = weights[0] * four(phi, at, _U(0), s, j)
                    x, y = _force_and_terms(phi, old, noise, force, s * w + j, b, c, half)
                    part, more = part + x, more + y
            else:
                for s in range(first, end):
                    b = weights[0] * four(phi, at, _U(0), s, j)
                    for g in range(_U(1), n_groups):
                        b = b + weights[g] * four(phi, at, g, s, j)
                    x, y = _force_and_terms(phi, old, noise, force, s * w + j, b, c, half)
                    part, more = part + x, more + y
            add_wide(sums, j, part)
            add_wide(kinetic, j, more)


@njit(forceinline=True, **CONTRACT)
def _energies(phi, pi, t, b, c, kick):
    p = load(phi, t)
    m = load(pi, t) + kick * force(p, p * p, b, c)
    return _density(p, p * p, b, c), m * m


@njit(**CONTRACT)
def sum_energies(phi, pi, at, weights, width, c, kick, sums, kinetic):
    """Add up the action of each chain, and (pi + kick F)^2: the last kick of a trajectory.

    Arguments as in :func:`forces_and_sums`; phi and pi are not changed.
    """
    restrict()
    w, lanes, n_groups = _U(width), _U(lanes_of(phi)), _U(weights.size)
    n_sites = _U(at.shape[1] // 4)
    sums[:] = 0
    kinetic[:] = 0
    for first in range(_U(0), n_sites, _U(_TOGETHER)):
        end = min(first + _U(_TOGETHER), n_sites)
        for j in range(_U(0), w, lanes):
            part, more = zeros(phi), zeros(phi)
            if n_groups == 1:
                for s in range(first, end):
                    b = weights[0] * four(phi, at, _U(0), s, j)
                    x, y = _energies(phi, pi, s * w + j, b, c, kick)
                    part, more = part + x, more + y
            else:
                for s in range(first, end):
                    b = weights[0] * four(phi, at, _U(0), s, j)
                    for g in range(_U(1), n_groups):
                        b = b + weights[g] * four(phi, at, g, s, j)
                    x, y = _energies(phi, pi, s * w + j, b, c, kick)
                    part, more = part + x, more + y
            add_wide(sums, j, part)
            add_wide(kinetic, j, more)

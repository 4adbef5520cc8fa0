r"""Hybrid Monte Carlo for phi^4: momenta, leapfrog trajectory, energies, acceptance.

With unit masses, :math:`H = S(\phi) + \tfrac12 \sum_x \pi_x^2`; n leapfrog steps of size eps are

.. math:: \pi \leftarrow \pi + \tfrac\epsilon2 F, \quad
          \big[\, \phi \leftarrow \phi + \epsilon \pi,\;
          \pi \leftarrow \pi + \epsilon F \,\big]^n,

the last kick halved; the end is accepted with probability :math:`\min(1, e^{-\Delta H})` (Duane,
Kennedy, Pendleton and Roweth 1987).  S is summed in float64 over the sites of each chain.

Random words: momenta by `normals.fill_normals` (step = trajectory, call 0); acceptance from
counter c0 = 2^32 - 1 (call 1).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.normals import CHUNK, fill_normals, uniform
from physgen.kernels.cpu.phi4_rows import force_row, kick_drift, neighbour_sum, sum_energies
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["actions", "forces", "leapfrog", "trajectories"]

_U = np.uint64
_ACCEPT = _U(0xFFFFFFFF)  # counter word c0 of the uniform deviates: no site has this number
_DIVERGED = 1000.0  # abs(Delta H) beyond this is no fluctuation


@njit(**CONTRACT)
def arena(n_arrays, n, like):
    """Return scratch for `n_arrays` arrays of n items, and the distance between their starts.

    Each starts at a cache line, and at another place within its page than the one before: stores
    to equal places of two pages delay later loads from them.
    """
    line = 64 // like.itemsize
    stride = -(-n // (64 * line)) * (64 * line) + 5 * line
    memory = np.empty(n_arrays * stride + line, like.dtype)
    start = (-memory.ctypes.data % 64) // like.itemsize
    return memory[start : start + n_arrays * stride], stride


@njit(**CONTRACT)
def _sum_squares(pi, o, width, k):
    restrict()
    for j in range(width):
        m = np.float64(pi[o + _U(j)])
        k[j] += m * m


@njit(**CONTRACT)
def _select(new, keep, phi, o, width):
    """Overwrite the chains that do not keep their place."""
    restrict()
    for j in range(width):
        t = o + _U(j)
        phi[t] = phi[t] if keep[j] else new[t]


@njit(**CONTRACT)
def _decide(action, moved, k0, k1, keep, chain0, step, key, stats):
    """Accept or reject each chain; return how many keep their place."""
    n_kept = 0
    for j in range(action.size):
        change = moved[j] - action[j] + 0.5 * (k1[j] - k0[j])
        finite = np.isfinite(change)
        p = min(1.0, np.exp(-change)) if finite else 0.0
        keep[j] = uniform(_ACCEPT, step, chain0 + j, 1, key) >= p
        stats[1, j] += p
        stats[3, j] += not finite or abs(change) > _DIVERGED
        stats[2, j] += change if finite else 0.0
        if keep[j]:
            n_kept += 1
        else:
            action[j] = moved[j]
            stats[0, j] += 1.0
    return n_kept


@njit(**CONTRACT)
def couplings_like(couplings, x):
    """Return hop, quad, quart, 2 quad, 4 quart in the type of x."""
    c = np.empty(5, x.dtype)
    c[:3] = couplings[:3]
    c[3], c[4] = 2 * couplings[1], 4 * couplings[2]
    return c


@njit(**CONTRACT)
def _block(x, action, runs, couplings, chain0, key, lanes, steps, n_leapfrog, stats):
    """All trajectories of one block; arguments as in `trajectories`, without the block axis."""
    n_sites, width = x.shape
    n = n_sites * width
    shift = 0
    while 1 << shift < width:
        shift += 1
    m = 4 if x.itemsize == 4 else 2
    padded = -(-n_sites // m) * m * width
    memory, d = arena(4, padded, x)
    phi, one, two = memory[:n], memory[d : d + n], memory[2 * d : 2 * d + n]
    momenta, pi = memory[3 * d : 3 * d + padded], memory[3 * d : 3 * d + n]
    total = np.empty(runs[:, 1].max() * width, x.dtype)
    words = np.empty(2 * CHUNK, np.uint64)
    k0, k1, moved = np.empty(width), np.empty(width), np.empty(width)
    keep = np.empty(width, np.bool_)
    c = couplings_like(couplings, x)
    constant = couplings[3] * n_sites
    phi[:] = x.reshape(n)
    for t in range(steps.size):
        fill_normals(momenta, shift, chain0, t, 0, key, lanes, words)
        k0[:] = 0
        for i in range(n_sites):
            _sum_squares(pi, _U(i * width), width, k0)
        eps = c.dtype.type(steps[t])
        half = eps * c.dtype.type(0.5)
        kick_drift(phi, pi, one, total, runs, width, c[0], c[3], c[4], half, eps)
        for _ in range(n_leapfrog - 1):
            kick_drift(one, pi, two, total, runs, width, c[0], c[3], c[4], eps, eps)
            one, two = two, one
        sum_energies(one, pi, total, runs, width, c[0], c[1], c[2], half, moved, k1)
        moved += constant
        n_kept = _decide(action, moved, k0, k1, keep, chain0, t, key, stats)
        if n_kept == 0:
            phi, one = one, phi
        elif n_kept < width:
            for i in range(n_sites):
                _select(one, keep, phi, _U(i * width), width)
    x.reshape(n)[:] = phi


@njit(**CONTRACT)
def trajectories(blocks, x, action, runs, couplings, key, lanes, steps, n_leapfrog, stats):
    """Run one trajectory for each step size; x and action are changed in place.

    Parameters
    ----------
    blocks : (int, int)
        Which blocks to work on: the first, and the stride from one to the next.
    x : float32 or float64 array (n_blocks, n_sites, W)
        Fields (`phi4_layout`).
    action : float64 array (n_blocks, W)
        Their actions; of the new fields on return.
    runs : int64 array (n_runs, 3 + z)
        `phi4_layout.runs`.
    couplings : float64 array (4,)
        hop, quad, quart, const.
    key : uint64 array (2,)
        Halves of the Philox key.
    lanes : uint64 array (n_blocks, 32) or (n_blocks, 0)
        Generators of fast mode, changed; empty for Philox.
    steps : float64 array (n,)
        Step size eps of each trajectory.
    n_leapfrog : int
        Steps of a trajectory, >= 1.
    stats : float64 array (n_blocks, 4, W)
        Sums over trajectories are added: accepted, min(1, e^-dH), dH, divergent.
    """
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _block(
            x[b], action[b], runs, couplings, b * x.shape[2], key, lanes[b], steps, n_leapfrog,
            stats[b],
        )  # fmt: skip


@njit(**CONTRACT)
def leapfrog(blocks, x, momenta, runs, couplings, eps, n_steps):
    """Move fields and momenta, both (n_blocks, n_sites, W), by leapfrog steps in place."""
    for b in range(blocks[0], x.shape[0], blocks[1]):
        width, n = x.shape[2], x.shape[1] * x.shape[2]
        memory, d = arena(3, n, x)
        one, two, pi = memory[:n], memory[d : d + n], memory[2 * d : 2 * d + n]
        total = np.empty(runs[:, 1].max() * width, x.dtype)
        c = couplings_like(couplings, x)
        step = c.dtype.type(eps)
        half, zero = step * c.dtype.type(0.5), c.dtype.type(0)
        one[:] = x[b].reshape(n)
        pi[:] = momenta[b].reshape(n)
        kick_drift(one, pi, two, total, runs, width, c[0], c[3], c[4], half, step)
        for _ in range(n_steps - 1):
            one, two = two, one
            kick_drift(one, pi, two, total, runs, width, c[0], c[3], c[4], step, step)
        kick_drift(two, pi, one, total, runs, width, c[0], c[3], c[4], half, zero)
        x[b].reshape(n)[:] = one
        momenta[b].reshape(n)[:] = pi


@njit(**CONTRACT)
def actions(blocks, x, runs, couplings, out):
    """Write the action of each chain, float64 (n_blocks, W)."""
    for b in range(blocks[0], x.shape[0], blocks[1]):
        width, n = x.shape[2], x.shape[1] * x.shape[2]
        phi = x[b].reshape(n)
        total = np.empty(runs[:, 1].max() * width, x.dtype)
        c = couplings_like(couplings, x)
        k = np.empty(width)
        sum_energies(phi, phi, total, runs, width, c[0], c[1], c[2], c.dtype.type(0), out[b], k)
        out[b] += couplings[3] * x.shape[1]


@njit(**CONTRACT)
def forces(blocks, x, runs, couplings, out):
    """Write the force on every site, the shape and type of x."""
    for b in range(blocks[0], x.shape[0], blocks[1]):
        width, n = x.shape[2], x.shape[1] * x.shape[2]
        phi, force = x[b].reshape(n), out[b].reshape(n)
        total = np.empty(runs[:, 1].max() * width, x.dtype)
        c = couplings_like(couplings, x)
        for r in range(runs.shape[0]):
            neighbour_sum(phi, total, runs[r], width)
            force_row(
                phi, total, force, _U(runs[r, 0] * width), runs[r, 1] * width, c[0], c[3], c[4]
            )

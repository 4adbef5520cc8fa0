r"""Hybrid Monte Carlo for phi^4: momenta, leapfrog trajectory, energies, acceptance.

With unit masses, :math:`H = S(\phi) + \tfrac12 \sum_x \pi_x^2`; n leapfrog steps of size eps are

.. math:: \pi \leftarrow \pi + \tfrac\epsilon2 F, \quad
          \big[\, \phi \leftarrow \phi + \epsilon \pi,\;
          \pi \leftarrow \pi + \epsilon F \,\big]^n,

with the last kick halved.  The end point is accepted with probability
:math:`\min(1, e^{-\Delta H})` (Duane, Kennedy, Pendleton and Roweth 1987).  S is summed in float64
over the sites of each chain.

Random words: momenta by `normals.fill_normals` (step = trajectory, call 0); acceptance from
counter c0 = 2^32 - 1 (call 1).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.normals import CHUNK, fill_normals, uniforms
from physgen.kernels.cpu.phi4_rows import force_row, kick_drift, neighbour_sum, sum_energies
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["actions", "forces", "leapfrog", "moments", "trajectories"]

_U = np.uint64
_ACCEPT = _U(0xFFFFFFFF)  # counter word c0 of the uniform deviates: no site has this number
_DIVERGED = 1000.0  # a larger abs(Delta H) is not a fluctuation but a divergence


@njit(**CONTRACT)
def log2(width):
    """Return s of width = 2^s."""
    shift = 0
    while 1 << shift < width:
        shift += 1
    return shift


@njit(**CONTRACT)
def padded_items(n_sites, width, itemsize):
    """Return the items of a buffer of normal deviates (`normals.padded_sites`)."""
    m = 4 if itemsize == 4 else 2
    return -(-n_sites // m) * m * width


@njit(**CONTRACT)
def arena(n_arrays, n, like):
    """Return scratch for `n_arrays` arrays of n items: array i begins at i size / n_arrays.

    Each array starts at a cache line, at an offset within its page that differs from the previous
    array: stores at equal offsets of two pages delay later loads.
    """
    line = 64 // like.itemsize
    stride = -(-n // (64 * line)) * (64 * line) + 5 * line
    memory = np.empty(n_arrays * stride + line, like.dtype)
    start = (-memory.ctypes.data % 64) // like.itemsize
    return memory[start : start + n_arrays * stride]


@njit(**CONTRACT)
def _sum_squares(pi, n_sites, width, k):
    """Add up pi^2 of each chain, four sites at a time, to load and store the sums less often."""
    restrict()
    w = _U(width)
    fours = n_sites // 4
    for i in range(fours):
        o = _U(4 * i) * w
        for j in range(width):
            t = o + _U(j)
            a, b = np.float64(pi[t]), np.float64(pi[t + w])
            c, d = np.float64(pi[t + w + w]), np.float64(pi[t + w + w + w])
            k[j] += (a * a + b * b) + (c * c + d * d)
    for i in range(4 * fours, n_sites):
        for j in range(width):
            a = np.float64(pi[_U(i) * w + _U(j)])
            k[j] += a * a


@njit(**CONTRACT)
def _select(new, keep, phi, n_sites, width):
    """Overwrite the rejected chains (keep = 0)."""
    restrict()
    for i in range(n_sites):
        o = _U(i) * _U(width)
        for j in range(width):
            t = o + _U(j)
            old, moved = phi[t], new[t]  # both are always read, so this can be a blend
            phi[t] = moved if keep[j] == 0 else old


@njit(**CONTRACT)
def _copy(a, b):
    restrict()
    for j in range(a.size):
        b[j] = a[j]


@njit(**CONTRACT)
def _decide(action, moved, k0, k1, u, keep, stats):
    """Accept or reject each chain; return how many keep their place."""
    n_kept = 0
    for j in range(action.size):
        change = moved[j] - action[j] + 0.5 * (k1[j] - k0[j])
        p = 1.0
        if not np.isfinite(change):
            p = 0.0
        elif change > 0.0:
            p = np.exp(-change)
        kept = u[j] >= p
        keep[j] = 1 if kept else 0
        stats[1, j] += p
        stats[2, j] += change if np.isfinite(change) else 0.0
        stats[3, j] += not abs(change) <= _DIVERGED
        if kept:
            n_kept += 1
        else:
            action[j] = moved[j]
            stats[0, j] += 1.0
    return n_kept


@njit(**CONTRACT)
def couplings_like(couplings, x):
    """Return hop, quad, quart, 2 quad, 4 quart, hop / 2 in the type of x."""
    c = np.empty(6, x.dtype)
    c[:3] = couplings[:3]
    c[3], c[4], c[5] = 2 * couplings[1], 4 * couplings[2], couplings[0] / 2
    return c


@njit(**CONTRACT)
def _block(
    x, action, runs, c, constant, chain0, key, lanes, steps, n_leapfrog, stats, memory, words
):  # fmt: skip
    """All trajectories of one block; arguments as in `trajectories`, without the block axis."""
    n_sites, width = x.shape
    n, d = n_sites * width, memory.size // 3
    phi, one, two, pi = x.reshape(n), memory[:n], memory[d : d + n], memory[2 * d : 2 * d + n]
    momenta = memory[2 * d : 2 * d + padded_items(n_sites, width, x.itemsize)]
    total = np.empty(runs[:, 1].max() * width, x.dtype)
    k0, k1, moved, u = np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    keep = np.empty(width, x.dtype)
    for t in range(steps.size):
        fill_normals(momenta, log2(width), chain0, t, 0, key, lanes, words)
        k0[:] = 0
        _sum_squares(pi, n_sites, width, k0)
        eps = c.dtype.type(steps[t])
        half = eps * c.dtype.type(0.5)
        kick_drift(phi, pi, one, total, runs, width, c[0], c[3], c[4], half, eps)
        for _ in range(n_leapfrog - 1):
            kick_drift(one, pi, two, total, runs, width, c[0], c[3], c[4], eps, eps)
            one, two = two, one
        sum_energies(one, pi, two, runs, width, c[5], c[1], c[2], half, moved, k1)
        moved += constant
        uniforms(_ACCEPT, _U(t), _U(chain0), _U(1), key[0], key[1], u)
        if _decide(action, moved, k0, k1, u, keep, stats) < width:
            _select(one, keep, phi, n_sites, width)


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
    n_sites, width = x.shape[1], x.shape[2]
    memory = arena(3, padded_items(n_sites, width, x.itemsize), x)
    words = np.empty(2 * CHUNK, np.uint64)
    c = couplings_like(couplings, x)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _block(
            x[b], action[b], runs, c, couplings[3] * n_sites, b * width, key, lanes[b], steps,
            n_leapfrog, stats[b], memory, words,
        )  # fmt: skip


@njit(**CONTRACT)
def leapfrog(blocks, x, momenta, runs, couplings, eps, n_steps):
    """Move fields and momenta, both (n_blocks, n_sites, W), by leapfrog steps in place."""
    width, n = x.shape[2], x.shape[1] * x.shape[2]
    memory = arena(3, n, x)
    d = memory.size // 3
    one, two, pi = memory[:n], memory[d : d + n], memory[2 * d : 2 * d + n]
    total = np.empty(runs[:, 1].max() * width, x.dtype)
    c = couplings_like(couplings, x)
    step = c.dtype.type(eps)
    half, zero = step * c.dtype.type(0.5), c.dtype.type(0)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        phi = x[b].reshape(n)
        _copy(momenta[b].reshape(n), pi)
        kick_drift(phi, pi, one, total, runs, width, c[0], c[3], c[4], half, step)
        for _ in range(n_steps - 1):
            kick_drift(one, pi, two, total, runs, width, c[0], c[3], c[4], step, step)
            one, two = two, one
        kick_drift(one, pi, phi, total, runs, width, c[0], c[3], c[4], half, zero)
        _copy(pi, momenta[b].reshape(n))


@njit(**CONTRACT)
def actions(blocks, x, runs, couplings, out):
    """Write the action of each chain, float64 (n_blocks, W)."""
    width, n = x.shape[2], x.shape[1] * x.shape[2]
    total, k = np.empty(n, x.dtype), np.empty(width)
    c = couplings_like(couplings, x)
    zero = c.dtype.type(0)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        phi = x[b].reshape(n)
        sum_energies(phi, phi, total, runs, width, c[5], c[1], c[2], zero, out[b], k)
        out[b] += couplings[3] * x.shape[1]


@njit(**CONTRACT)
def _sum_moments(phi, n_sites, width, first, second):
    restrict()
    w = _U(width)
    pairs = n_sites // 2
    for i in range(pairs):
        for j in range(width):
            t = _U(2 * i) * w + _U(j)
            a, b = np.float64(phi[t]), np.float64(phi[t + w])
            first[j] += a + b
            second[j] += a * a + b * b
    for i in range(2 * pairs, n_sites):
        for j in range(width):
            a = np.float64(phi[_U(i) * w + _U(j)])
            first[j] += a
            second[j] += a * a


@njit(**CONTRACT)
def moments(blocks, x, out):
    """Write the means over sites of phi and phi^2 of each chain, float64 (n_blocks, 2, W)."""
    n_sites, width = x.shape[1], x.shape[2]
    for b in range(blocks[0], x.shape[0], blocks[1]):
        out[b] = 0
        _sum_moments(x[b].reshape(n_sites * width), n_sites, width, out[b, 0], out[b, 1])
        out[b] /= n_sites


@njit(**CONTRACT)
def forces(blocks, x, runs, couplings, out):
    """Write the force on every site, the shape and type of x."""
    for b in range(blocks[0], x.shape[0], blocks[1]):
        width, n = x.shape[2], x.shape[1] * x.shape[2]
        phi, force = x[b].reshape(n), out[b].reshape(n)
        total = np.empty(runs[:, 1].max() * width, x.dtype)
        c = couplings_like(couplings, x)
        for r in range(runs.shape[0]):
            neighbour_sum(phi, total, _U(0), runs, r, runs[r, 2], width)
            force_row(
                phi, total, force, _U(runs[r, 0] * width), runs[r, 1] * width, c[0], c[3], c[4]
            )

r"""Hybrid Monte Carlo of a local action: momenta, leapfrog trajectory, energies, acceptance.

With unit masses, :math:`H = S(\phi) + \tfrac12 \sum_x \pi_x^2`; n leapfrog steps of size eps are

.. math:: \pi \leftarrow \pi + \tfrac\epsilon2 F, \quad
          \big[\, \phi \leftarrow \phi + \epsilon \pi,\;
          \pi \leftarrow \pi + \epsilon F \,\big]^n,

with the last kick halved.  The end point is accepted with probability
:math:`\min(1, e^{-\Delta H})` (Duane, Kennedy, Pendleton and Roweth 1987).  S is summed in float64
over the sites of each chain; the action is that of :mod:`.action_rows`, with its couplings.

Random words: momenta by `normals.fill_normals` (step = trajectory, call 0); acceptance from
counter c0 = 2^32 - 1 (call 1).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.action_rows import (
    coefficients,
    log2,
    offsets,
    sum_energies,
    write_forces,
)
from physgen.kernels.cpu.leapfrog_waves import kick_drifts
from physgen.kernels.cpu.normals import CHUNK, fill_normals, uniforms
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.slabs import slabs
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = [
    "ACCEPT",
    "actions",
    "decide",
    "fields",
    "forces",
    "leapfrog",
    "moments",
    "padded_items",
    "select",
    "trajectories",
]

_U = np.uint64
ACCEPT = _U(0xFFFFFFFF)  # counter word c0 of the uniform deviates: no site has this number
_DIVERGED = 1000.0  # a larger abs(Delta H) is not a fluctuation but a divergence


@njit(**CONTRACT)
def padded_items(n_sites, width, itemsize):
    """Return the items of a buffer of normal deviates (`normals.padded_sites`)."""
    m = 4 if itemsize == 4 else 2
    return -(-n_sites // m) * m * width


@njit(**CONTRACT)
def fields(n_arrays, n_sites, width, like):
    """Return scratch, 0, for `n_arrays` fields or deviates: array i begins at i size / n_arrays.

    Each has room for the site that is 0.  It starts at a cache line, at an offset within its page
    that differs from the previous array: stores at equal offsets of two pages delay later loads.
    """
    n, line = padded_items(n_sites + 1, width, like.itemsize), 64 // like.itemsize
    stride = -(-n // (64 * line)) * (64 * line) + 5 * line
    memory = np.zeros(n_arrays * stride + line, like.dtype)
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
def select(new, keep, phi, n_sites, width):
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
def decide(action, moved, k0, k1, u, keep, stats):
    """Accept or reject each chain, by 0.5 (k1 - k0) and its actions; return how many stay.

    A change that is not finite is a rejection, and counts as divergent.
    """
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
def _block(
    x, action, at, cut, weights, c, constant, chain0, key, lanes, steps, n_leapfrog, stats,
    memory, words,
):  # fmt: skip
    """All trajectories of one block; arguments as in `trajectories`, without the block axis."""
    n_sites, width = x.shape
    n, d = n_sites * width, memory.size // 4
    phi, pi = memory[:d], memory[3 * d : 3 * d + n]
    momenta = memory[3 * d : 3 * d + padded_items(n_sites, width, x.itemsize)]
    k0, k1, moved, u = np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    keep = np.empty(width, x.dtype)
    phi[:n] = x.reshape(n)
    for t in range(steps.size):
        fill_normals(momenta, log2(width), chain0, t, 0, key, lanes, words)
        k0[:] = 0
        _sum_squares(pi, n_sites, width, k0)
        eps = x.dtype.type(steps[t])
        half = eps * x.dtype.type(0.5)
        there = kick_drifts(memory, n_leapfrog, False, at, cut, weights, width, c, half, eps)
        new = memory[there : there + _U(d)]
        sum_energies(new, pi, at, weights, width, c, half, moved, k1)
        moved += constant
        uniforms(ACCEPT, _U(t), _U(chain0), _U(1), key[0], key[1], u)
        if decide(action, moved, k0, k1, u, keep, stats) < width:
            select(new, keep, phi, n_sites, width)
    x.reshape(n)[:] = phi[:n]


@njit(**CONTRACT)
def trajectories(
    blocks, x, action, table, weights, couplings, key, lanes, steps, n_leapfrog, stats
):
    """Run one trajectory for each step size; x and action are changed in place.

    Parameters
    ----------
    blocks : (int, int)
        Which blocks to work on: the first, and the stride from one to the next.
    x : float32 or float64 array (n_blocks, n_sites, W)
        Fields (`field_layout`).
    action : float64 array (n_blocks, W)
        Their actions; of the new fields on return.
    table, weights : int32 array (n_sites, 4 n_groups), float64 array (n_groups,)
        `field_layout.groups`.
    couplings : float64 array (5,)
        `action_rows.coefficients`.
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
    memory, words = fields(4, n_sites, width, x), np.empty(2 * CHUNK, np.uint64)
    c, w, at = coefficients(couplings, x), weights.astype(x.dtype), offsets(table, width)
    cut = slabs(table, at, width, x.itemsize)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _block(
            x[b], action[b], at, cut, w, c, couplings[4] * n_sites, b * width, key, lanes[b],
            steps, n_leapfrog, stats[b], memory, words,
        )  # fmt: skip


@njit(**CONTRACT)
def leapfrog(blocks, x, momenta, table, weights, couplings, eps, n_steps):
    """Move fields and momenta, both (n_blocks, n_sites, W), by leapfrog steps in place."""
    n_sites, width = x.shape[1], x.shape[2]
    n, memory = n_sites * width, fields(4, n_sites, width, x)
    pi = memory[3 * (memory.size // 4) : 3 * (memory.size // 4) + n]
    c, w, at = coefficients(couplings, x), weights.astype(x.dtype), offsets(table, width)
    cut, step = slabs(table, at, width, x.itemsize), x.dtype.type(eps)
    half = step * x.dtype.type(0.5)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _copy(x[b].reshape(n), memory[:n])
        _copy(momenta[b].reshape(n), pi)
        there = kick_drifts(memory, n_steps + 1, True, at, cut, w, width, c, half, step)
        _copy(memory[there : there + _U(n)], x[b].reshape(n))
        _copy(pi, momenta[b].reshape(n))


@njit(**CONTRACT)
def actions(blocks, x, table, weights, couplings, out):
    """Write the action of each chain, float64 (n_blocks, W)."""
    n_sites, width = x.shape[1], x.shape[2]
    n, phi, k = n_sites * width, fields(1, n_sites, width, x), np.empty(width)
    c, w, at = coefficients(couplings, x), weights.astype(x.dtype), offsets(table, width)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _copy(x[b].reshape(n), phi[:n])
        sum_energies(phi, phi, at, w, width, c, x.dtype.type(0), out[b], k)
        out[b] += couplings[4] * n_sites


@njit(**CONTRACT)
def forces(blocks, x, table, weights, couplings, out):
    """Write the force on every site, the shape and type of x."""
    n_sites, width = x.shape[1], x.shape[2]
    n, phi = n_sites * width, fields(1, n_sites, width, x)
    c, w, at = coefficients(couplings, x), weights.astype(x.dtype), offsets(table, width)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _copy(x[b].reshape(n), phi[:n])
        write_forces(phi, out[b].reshape(n), at, w, width, c)


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

r"""Energy and force of a dense network in a quadratic well, and the chains that they move.

.. math:: S(x) = a |x|^2 + \frac1m \sum_{\sigma} v \cdot h_n(\sigma x) , \qquad
          h_l = \tanh(W_l h_{l-1} + b_l), \quad h_0 = \sigma x ,

with sigma = 1 alone (m = 1), or 1 and -1 (m = 2, an even energy).  Backwards, with
:math:`\delta_n = v (1 - h_n^2)`,

.. math:: \delta_{l-1} = (W_l^T \delta_l)(1 - h_{l-1}^2) , \qquad
          F = -2 a x - \frac1m \sum_\sigma \sigma W_1^T \delta_1 .

Energy and force are computed together, and what stands between two products of matrices is one
pass.  The products, of small matrices with (units x chains), are written here: a BLAS library
takes 1.5 times longer at these sizes.  Rows of a matrix are packed by eight, filled up with 0.

Layout, random words and acceptance are those of :mod:`.field_hmc`; float32 alone.  Sums over sites
and units are float64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.action_rows import log2
from physgen.kernels.cpu.field_hmc import ACCEPT, decide, padded_items, select
from physgen.kernels.cpu.lanes import lanes_of, load, store, zeros
from physgen.kernels.cpu.mala import settle, settle_and_propose
from physgen.kernels.cpu.normals import CHUNK, fill_normals, uniforms
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT, tanh

__all__ = ["actions", "forces", "langevin", "proposals", "trajectories"]

_U, _F, _D = np.uint64, np.float32, np.float64
_ROWS = 8  # of a matrix at a time: as many sums as hide the latency of a multiply-add
_TOGETHER = 8  # units that are summed in float32 before float64


@njit(**CONTRACT)
def _packed(W):
    """Return a matrix (rows, inner) as (rows / 8, inner, 8), flat, filled up with 0."""
    rows, inner = W.shape
    blocks = -(-rows // _ROWS)
    out = np.zeros((blocks, inner, _ROWS), np.float32)
    for i in range(rows):
        for k in range(inner):
            out[i // _ROWS, k, i % _ROWS] = W[i, k]
    return out.reshape(-1)


@njit(**CONTRACT)
def _product(W, x, z, rows, inner, width):
    """Write z = W x, of a packed matrix with x (inner, width); z has whole eights of rows."""
    restrict()
    w, n = _U(width), _U(inner)
    for i in range(_U(0), _U(rows), _U(_ROWS)):
        for j in range(_U(0), w, _U(lanes_of(x))):
            a, b, c, d = zeros(x), zeros(x), zeros(x), zeros(x)
            e, f, g, h = zeros(x), zeros(x), zeros(x), zeros(x)
            k, t = i * n, j
            for _ in range(n):
                v = load(x, t)
                a = a + W[k] * v
                b = b + W[k + _U(1)] * v
                c = c + W[k + _U(2)] * v
                d = d + W[k + _U(3)] * v
                e = e + W[k + _U(4)] * v
                f = f + W[k + _U(5)] * v
                g = g + W[k + _U(6)] * v
                h = h + W[k + _U(7)] * v
                k, t = k + _U(_ROWS), t + w
            o = i * w + j
            store(z, o, a)
            store(z, o + w, b)
            store(z, o + _U(2) * w, c)
            store(z, o + _U(3) * w, d)
            store(z, o + _U(4) * w, e)
            store(z, o + _U(5) * w, f)
            store(z, o + _U(6) * w, g)
            store(z, o + _U(7) * w, h)


@njit(**CONTRACT)
def _unit(z, h, n_units, width, sign, bias):
    """Write h = tanh(sign z + bias)."""
    restrict()
    for i in range(n_units):
        o, b = _U(i) * _U(width), bias[i]
        for j in range(width):
            h[o + _U(j)] = tanh(sign * z[o + _U(j)] + b)


@njit(**CONTRACT)
def _top(z, delta, first, last, width, sign, bias, out, share, part):
    """Add share v h of these units of the last layer to `part`; write their delta, times share."""
    restrict()
    for i in range(first, last):
        o, b, v = _U(i) * _U(width), bias[i], share * out[i]
        for j in range(width):
            t = o + _U(j)
            h = tanh(sign * z[t] + b)
            delta[t] = v * (_F(1.0) - h * h)
            part[j] += v * h


@njit(**CONTRACT)
def _back(h, delta, n):
    """Multiply delta by 1 - h^2."""
    restrict()
    for i in range(n):
        delta[i] *= _F(1.0) - h[i] * h[i]


@njit(**CONTRACT)
def _well(x, force, n_sites, width, a, sums):
    """Write the action and the force of the well."""
    restrict()
    for i in range(n_sites):
        o = _U(i) * _U(width)
        for j in range(width):
            p = x[o + _U(j)]
            force[o + _U(j)] = _F(-2.0) * a * p
            sums[j] += _D(a * p * p)


@njit(**CONTRACT)
def _add(force, pull, sign, n):
    restrict()
    for i in range(n):
        force[i] -= sign * pull[i]


@njit(**CONTRACT)
def _evaluate(x, force, sums, network, memory):
    """Write force (n_sites, W) and action (W,) of fields x (n_sites, W)."""
    first, first_t, rest, rest_t, biases, out, a, m = network
    z, units, delta, other, pull, part = memory
    n_sites, width = x.shape
    n_units, n_layers = biases.shape[1], biases.shape[0]
    one, top = _F(1.0), n_layers - 1
    share = _F(1.0 / m)
    sums[:] = 0
    _well(x.reshape(-1), force.reshape(-1), n_sites, width, a, sums)
    _product(first, x.reshape(-1), z[0], n_units, n_sites, width)
    for side in range(m):
        sign = _F(1.0 - 2.0 * side)
        for i in range(top):
            _unit(z[i], units[i], n_units, width, sign if i == 0 else one, biases[i])
            _product(rest[i], units[i], z[i + 1], n_units, n_units, width)
        for i in range(0, n_units, _TOGETHER):
            part[:] = 0
            end = min(i + _TOGETHER, n_units)
            outer = sign if top == 0 else one
            _top(z[top], delta, i, end, width, outer, biases[top], out, share, part)
            sums += part
        for i in range(top - 1, -1, -1):
            _product(rest_t[i], delta, other, n_units, n_units, width)
            delta, other = other, delta
            _back(units[i], delta, n_units * width)
        _product(first_t, delta, pull, n_sites, n_units, width)
        _add(force.reshape(-1), pull, sign, n_sites * width)


@njit(**CONTRACT)
def _prepared(first, rest, biases, out, numbers, width):
    """Return the network, packed with its transposes, and scratch for a block."""
    n_layers, n_units = biases.shape
    full = -(-n_units // _ROWS) * _ROWS
    packed = np.empty((n_layers - 1, full * n_units), np.float32)
    packed_t = np.empty_like(packed)
    for i in range(n_layers - 1):
        packed[i], packed_t[i] = _packed(rest[i]), _packed(rest[i].T)
    network = (
        _packed(first), _packed(first.T), packed, packed_t, biases, out, _F(numbers[0]),
        int(numbers[1]),
    )  # fmt: skip
    memory = (
        np.empty((n_layers, full * width), np.float32),
        np.empty((n_layers, full * width), np.float32),
        np.empty(full * width, np.float32),
        np.empty(full * width, np.float32),
        np.empty(-(-first.shape[1] // _ROWS) * _ROWS * width, np.float32),
        np.empty(width, np.float32),
    )
    return network, memory


@njit(**CONTRACT)
def actions(blocks, x, first, rest, biases, out, numbers, action):
    """Write the action of each chain, float64 (n_blocks, W).

    Parameters
    ----------
    blocks, x : as in `field_hmc.trajectories`
        float32.
    first : float32 array (n_units, n_sites)
        W_1.
    rest : float32 array (n_layers - 1, n_units, n_units)
        W_2, ...
    biases, out : float32 arrays (n_layers, n_units), (n_units,)
        b_l and v.
    numbers : float64 array (2,)
        a, and m = 1 or 2.
    """
    network, memory = _prepared(first, rest, biases, out, numbers, x.shape[2])
    force = np.empty(x.shape[1:], np.float32)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _evaluate(x[b], force, action[b], network, memory)


@njit(**CONTRACT)
def forces(blocks, x, first, rest, biases, out, numbers, force):
    """Write the force on every site, the shape and type of x."""
    network, memory = _prepared(first, rest, biases, out, numbers, x.shape[2])
    action = np.empty(x.shape[2])
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _evaluate(x[b], force[b], action, network, memory)


@njit(**CONTRACT)
def _drift(x, noise, force, half, h, n):
    restrict()
    for i in range(n):
        x[i] += h * (noise[i] + half * force[i])


@njit(**CONTRACT)
def langevin(blocks, x, first, rest, biases, out, numbers, key, lanes, eps, n_steps):
    """Make n unadjusted steps; x is changed in place.  See :func:`.langevin.langevin`."""
    n_sites, width = x.shape[1], x.shape[2]
    network, memory = _prepared(first, rest, biases, out, numbers, width)
    force, action = np.empty((n_sites, width), np.float32), np.empty(width)
    noise = np.empty(padded_items(n_sites, width, 4), np.float32)
    words = np.empty(2 * CHUNK, np.uint64)
    h = _F(np.sqrt(2 * eps))
    for b in range(blocks[0], x.shape[0], blocks[1]):
        for t in range(n_steps):
            _evaluate(x[b], force, action, network, memory)
            fill_normals(noise, log2(width), b * width, t, 0, key, lanes[b], words)
            _drift(x[b].reshape(-1), noise, force.reshape(-1), h * _F(0.5), h, n_sites * width)


@njit(**CONTRACT)
def _kinetic(old, new, noise, half, n_sites, width, sums):
    """Sum (noise + g)^2 - noise^2 with g = half (old + new) force."""
    restrict()
    for i in range(n_sites):
        o = _U(i) * _U(width)
        for j in range(width):
            t = o + _U(j)
            g = half * (old[t] + new[t])
            sums[j] += _D(g * (_F(2.0) * noise[t] + g))


@njit(**CONTRACT)
def proposals(
    blocks, x, force, action, first, rest, biases, out, numbers, key, lanes, steps, stats
):
    """Make MALA proposals; x, force and action are changed in place: :func:`.mala.proposals`."""
    n_sites, width = x.shape[1], x.shape[2]
    n = n_sites * width
    network, memory = _prepared(first, rest, biases, out, numbers, width)
    new, new_force = np.zeros((n_sites, width), np.float32), np.zeros((n_sites, width), np.float32)
    noise = np.empty(padded_items(n_sites, width, 4), np.float32)
    words = np.empty(2 * CHUNK, np.uint64)
    zero, kinetic = np.zeros(width), np.empty(width)
    moved, u, keep = np.empty(width), np.empty(width), np.empty(width, np.float32)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        keep[:] = 1
        phi, f = x[b].reshape(n), force[b].reshape(n)
        for t in range(steps.size):
            h = _F(steps[t])
            half = h * _F(0.5)
            fill_normals(noise, log2(width), b * width, t, 0, key, lanes[b], words)
            settle_and_propose(phi, f, new.reshape(n), new_force.reshape(n), noise, keep, half, h)
            _evaluate(new, new_force, moved, network, memory)
            kinetic[:] = 0
            _kinetic(f, new_force.reshape(n), noise, half, n_sites, width, kinetic)
            uniforms(ACCEPT, _U(t), _U(b * width), _U(1), key[0], key[1], u)
            decide(action[b], moved, zero, kinetic, u, keep, stats[b])
        settle(phi, f, new.reshape(n), new_force.reshape(n), keep)


@njit(**CONTRACT)
def _kick(pi, force, kick, n):
    restrict()
    for i in range(n):
        pi[i] += kick * force[i]


@njit(**CONTRACT)
def _squares(pi, n_sites, width, sums):
    restrict()
    for i in range(n_sites):
        for j in range(width):
            p = _D(pi[_U(i) * _U(width) + _U(j)])
            sums[j] += p * p


@njit(**CONTRACT)
def trajectories(
    blocks, x, action, first, rest, biases, out, numbers, key, lanes, steps, n_leapfrog, stats
):
    """Run HMC trajectories; x and action are changed in place.  See `field_hmc.trajectories`."""
    n_sites, width = x.shape[1], x.shape[2]
    n = n_sites * width
    network, memory = _prepared(first, rest, biases, out, numbers, width)
    new, force = np.empty((n_sites, width), np.float32), np.empty((n_sites, width), np.float32)
    pi = np.empty(padded_items(n_sites, width, 4), np.float32)
    words = np.empty(2 * CHUNK, np.uint64)
    k0, k1, moved, u = np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    keep, none = np.empty(width, np.float32), np.zeros(n, np.float32)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        for t in range(steps.size):
            eps = _F(steps[t])
            fill_normals(pi, log2(width), b * width, t, 0, key, lanes[b], words)
            k0[:], k1[:] = 0, 0
            _squares(pi, n_sites, width, k0)
            new[:] = x[b]
            _evaluate(new, force, moved, network, memory)
            for _ in range(n_leapfrog):
                _kick(pi, force.reshape(n), eps * _F(0.5), n)
                _drift(new.reshape(n), pi, none, _F(0.0), eps, n)
                _evaluate(new, force, moved, network, memory)
                _kick(pi, force.reshape(n), eps * _F(0.5), n)
            _squares(pi, n_sites, width, k1)
            uniforms(ACCEPT, _U(t), _U(b * width), _U(1), key[0], key[1], u)
            if decide(action[b], moved, k0, k1, u, keep, stats[b]) < width:
                select(new.reshape(n), keep, x[b].reshape(n), n_sites, width)

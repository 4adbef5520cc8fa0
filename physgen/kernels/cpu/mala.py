r"""Metropolis-adjusted Langevin steps of real fields with a local action, in one pass of forces.

.. math:: \phi' = \phi + h \big( \xi + \tfrac h2 F \big), \qquad h = \sqrt{2\epsilon}, \quad
          F = F(\phi), \quad F' = F(\phi'), \quad \xi \sim N(0, 1) ,

is accepted with probability :math:`\min(1, e^{-\Delta H})`,

.. math:: \Delta H = S(\phi') - S(\phi) + \log \frac{q(\phi' | \phi)}{q(\phi | \phi')}
                   = S(\phi') - S(\phi) + \tfrac12 \sum_x \big[ (\xi_x + g_x)^2 - \xi_x^2 \big],
          \qquad g = \tfrac h2 (F + F') :

the reverse step starts at phi', with its force, and would need the noise :math:`-(\xi + g)`.  The
force of the current point is kept, so a step visits the neighbours of every site once, for the
action and the force of the proposal together.

Random words: as in :mod:`.field_hmc` (step = proposal, call 0; acceptance call 1): these are the
chains of HMC with one leapfrog step h, up to rounding.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.action_rows import coefficients, forces_and_sums, log2, offsets
from physgen.kernels.cpu.field_hmc import ACCEPT, decide, fields, padded_items
from physgen.kernels.cpu.lanes import lanes_of, load, select, store
from physgen.kernels.cpu.normals import CHUNK, fill_normals, uniforms
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["proposals", "settle", "settle_and_propose"]

_U = np.uint64


@njit(**CONTRACT)
def settle(phi, force, new, new_force, keep):
    """Move the chains that were accepted (keep = 0) to the last proposal."""
    restrict()
    mask = _U(keep.size - 1)
    for t in range(_U(0), _U(phi.size), _U(lanes_of(phi))):
        j = t & mask
        store(phi, t, select(keep, j, load(new, t), load(phi, t)))
        store(force, t, select(keep, j, load(new_force, t), load(force, t)))


@njit(**CONTRACT)
def settle_and_propose(phi, force, new, new_force, noise, keep, half, h):
    """Move the chains that were accepted, and write the next proposal over the last."""
    restrict()
    mask = _U(keep.size - 1)
    for t in range(_U(0), _U(phi.size), _U(lanes_of(phi))):
        j = t & mask
        p = select(keep, j, load(new, t), load(phi, t))
        f = select(keep, j, load(new_force, t), load(force, t))
        store(phi, t, p)
        store(force, t, f)
        store(new, t, p + h * (load(noise, t) + half * f))


@njit(**CONTRACT)
def _block(
    x, force, action, at, weights, c, constant, chain0, key, lanes, steps, stats, memory, words
):  # fmt: skip
    """All proposals of one block; arguments as in `proposals`, without the block axis."""
    n_sites, width = x.shape
    n, d = n_sites * width, memory.size // 5
    phi, f, new_f = memory[:n], memory[d : d + n], memory[2 * d : 2 * d + n]
    noise = memory[3 * d : 3 * d + padded_items(n_sites, width, x.itemsize)]
    new = memory[4 * d :]
    zero, kinetic = np.zeros(width), np.empty(width)
    moved, u, keep = np.empty(width), np.empty(width), np.ones(width, x.dtype)
    phi[:], f[:] = x.reshape(n), force.reshape(n)
    for t in range(steps.size):
        h = x.dtype.type(steps[t])
        half = h * x.dtype.type(0.5)
        fill_normals(noise, log2(width), chain0, t, 0, key, lanes, words)
        settle_and_propose(phi, f, new, new_f, noise, keep, half, h)
        forces_and_sums(new, f, noise, new_f, at, weights, width, c, half, moved, kinetic)
        moved += constant
        uniforms(ACCEPT, _U(t), _U(chain0), _U(1), key[0], key[1], u)
        decide(action, moved, zero, kinetic, u, keep, stats)
    settle(phi, f, new, new_f, keep)
    x.reshape(n)[:], force.reshape(n)[:] = phi, f


@njit(**CONTRACT)
def proposals(blocks, x, force, action, table, weights, couplings, key, lanes, steps, stats):
    """Make one proposal of each step h; x, force and action are changed in place.

    Parameters
    ----------
    force : the shape and type of x
        The forces of the fields; of the new fields on return.
    steps : float64 array (n,)
        h, the square root of 2 eps.
    blocks, x, action, table, weights, couplings, key, lanes, stats
        As in :func:`.field_hmc.trajectories`.
    """
    n_sites, width = x.shape[1], x.shape[2]
    memory, words = fields(5, n_sites, width, x), np.empty(2 * CHUNK, np.uint64)
    c, w, at = coefficients(couplings, x), weights.astype(x.dtype), offsets(table, width)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        _block(
            x[b], force[b], action[b], at, w, c, couplings[4] * n_sites, b * width, key, lanes[b],
            steps, stats[b], memory, words,
        )  # fmt: skip

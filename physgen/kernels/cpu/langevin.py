r"""Unadjusted Langevin steps of real fields with a local action.

.. math:: \phi'_x = \phi_x + \epsilon F_x + \sqrt{2 \epsilon}\, \xi_x , \qquad
          \xi_x \sim N(0, 1) ,

This is one leapfrog step of size :math:`h = \sqrt{2\epsilon}` from momenta xi, without the last
kick and without the accept step: :math:`\phi' = \phi + h (\xi + \tfrac h2 F)`.

Random words: as in :mod:`.field_hmc` (step, call 0).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.action_rows import coefficients, langevin_drift, log2, offsets
from physgen.kernels.cpu.field_hmc import fields, padded_items
from physgen.kernels.cpu.normals import CHUNK, fill_normals
from physgen.kernels.cpu.slabs import slabs
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["langevin"]


@njit(**CONTRACT)
def langevin(blocks, x, table, weights, couplings, key, lanes, eps, n_steps):
    """Make n unadjusted steps of size eps; x is changed in place.

    Arguments as in :func:`.field_hmc.trajectories`.
    """
    n_sites, width = x.shape[1], x.shape[2]
    n, memory = n_sites * width, fields(3, n_sites, width, x)
    d = memory.size // 3
    one, two = memory[:d], memory[d : 2 * d]
    noise = memory[2 * d : 2 * d + padded_items(n_sites, width, x.itemsize)]
    words = np.empty(2 * CHUNK, np.uint64)
    c, w, at = coefficients(couplings, x), weights.astype(x.dtype), offsets(table, width)
    runs = slabs(table, at, width, x.itemsize)[1]
    h = x.dtype.type(np.sqrt(2 * eps))
    half = h * x.dtype.type(0.5)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        one[:n] = x[b].reshape(n)
        for t in range(n_steps):
            fill_normals(noise, log2(width), b * width, t, 0, key, lanes[b], words)
            langevin_drift(one, noise, two, at, runs, w, width, c, half, h)
            one, two = two, one
        x[b].reshape(n)[:] = one[:n]

r"""Unadjusted Langevin steps of phi^4 fields.

.. math:: \phi'_x = \phi_x + \epsilon F_x + \sqrt{2 \epsilon}\, \xi_x , \qquad
          \xi_x \sim N(0, 1) ,

This is one leapfrog step of size :math:`h = \sqrt{2\epsilon}` from momenta xi, without the last
kick and without the accept step: :math:`\pi = \xi + \tfrac h2 F`, :math:`\phi' = \phi + h \pi`.

Random words: as in :mod:`.phi4_hmc` (step, call 0).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.normals import CHUNK, fill_normals
from physgen.kernels.cpu.phi4_hmc import arena, couplings_like, log2, padded_items
from physgen.kernels.cpu.phi4_rows import kick_drift
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["langevin"]


@njit(**CONTRACT)
def langevin(blocks, x, runs, couplings, key, lanes, eps, n_steps):
    """Make n unadjusted steps of size eps; x is changed in place.

    Arguments as in :func:`.phi4_hmc.trajectories`.
    """
    n_sites, width = x.shape[1], x.shape[2]
    n, padded = n_sites * width, padded_items(n_sites, width, x.itemsize)
    memory = arena(3, padded, x)
    d = memory.size // 3
    one, two = memory[:n], memory[d : d + n]
    noise, pi = memory[2 * d : 2 * d + padded], memory[2 * d : 2 * d + n]
    total = np.empty(runs[:, 1].max() * width, x.dtype)
    words = np.empty(2 * CHUNK, np.uint64)
    c = couplings_like(couplings, x)
    h = c.dtype.type(np.sqrt(2 * eps))
    half = h * c.dtype.type(0.5)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        one[:] = x[b].reshape(n)
        for t in range(n_steps):
            fill_normals(noise, log2(width), b * width, t, 0, key, lanes[b], words)
            kick_drift(one, pi, two, total, runs, width, c[0], c[3], c[4], half, h)
            one, two = two, one
        x[b].reshape(n)[:] = one

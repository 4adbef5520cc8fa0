r"""Leapfrog passes over a block of interleaved chains, a few together (:mod:`.slabs`).

One pass does kick and drift together,

.. math:: \pi_x \leftarrow \pi_x + k F_x(\phi), \qquad \phi'_x = \phi_x + d\, \pi_x ,

from one field buffer into another, because neighbours read the old field of a site after its move.
Forces are those of :mod:`.action_rows`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.action_rows import ahead, force, four, log2
from physgen.kernels.cpu.lanes import lanes_of, load, store
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["kick_drifts"]

_U = np.uint64


@njit(forceinline=True, **CONTRACT)
def _kick_drift(memory, phi, pi, out, t, b, c, kick, drift):
    p = load(memory, phi + t)
    m = load(memory, pi + t) + kick * force(p, p * p, b, c)
    store(memory, pi + t, m)
    store(memory, out + t, p + drift * m)


@njit(**CONTRACT)
def kick_drifts(memory, n, closed, at, cut, weights, width, c, half, eps):
    """Make n passes: the first kicks by `half`, all others kick and all drift by `eps`.

    Parameters
    ----------
    memory : float array (4 d,)
        Fields of the block from item 0 on, and momenta from 3 d on; two buffers between them
        (:func:`.field_hmc.fields`).  Only the fields are left as they are.
    n : int
    closed : bool
        Whether the last pass kicks by `half` and does not drift: n - 1 whole steps.
    at : uint32 array (n_groups, 4 n_sites)
        :func:`.action_rows.offsets`.
    cut : tuple
        :func:`.slabs.slabs`.
    weights : float array (n_groups,)
        In the type of the fields, like half and eps.
    width : int
        Chains of the block, a power of 2 and a multiple of the lanes.
    c : tuple of float
        :func:`.action_rows.coefficients`.

    Returns
    -------
    uint64
        Item from which on the moved fields lie, d or 2 d.
    """
    # Places in one array and no arrays: a swap of arrays, or a call, costs as much as a slab.
    first_sites, runs, first_runs, n_together = cut
    d = _U(memory.size // 4)
    pi, shift, mask, lanes = d + d + d, _U(log2(width)), _U(width - 1), _U(lanes_of(memory))
    n_slabs, n_groups, w, still = first_sites.size - 1, _U(weights.size), weights[0], eps - eps
    for begin in range(0, n, n_together):
        g = min(n_together, n - begin)
        for i in range(n_slabs + 2 * (g - 1)):
            for j in range(max(0, (i - n_slabs) // 2 + 1), min(g, i // 2 + 1)):
                k, slab = begin + j, _U(i - j if i - j < n_slabs else i - j - n_slabs)
                last = closed and k == n - 1
                kick, drift = half if k == 0 or last else eps, still if last else eps
                out = d if k % 2 == 0 else d + d
                phi = _U(0) if k == 0 else pi - out
                if n_groups == _U(1):
                    for r in range(first_runs[slab], first_runs[slab + _U(1)]):
                        x, y = phi + runs[r, _U(2)], phi + runs[r, _U(3)]
                        z, u = phi + runs[r, _U(4)], phi + runs[r, _U(5)]
                        for t in range(runs[r, _U(0)], runs[r, _U(1)], lanes):
                            b = w * ahead(memory, t, x, y, z, u)
                            _kick_drift(memory, phi, pi, out, t, b, c, kick, drift)
                    continue
                first, end = _U(first_sites[slab]) << shift, _U(first_sites[slab + _U(1)]) << shift
                if n_groups == _U(2):  # cubes, and nearest neighbours with diagonal ones
                    for t in range(first, end, lanes):
                        s, chain = t >> shift, phi + (t & mask)
                        b = w * four(memory, at, _U(0), s, chain)
                        b = b + weights[1] * four(memory, at, _U(1), s, chain)
                        _kick_drift(memory, phi, pi, out, t, b, c, kick, drift)
                    continue
                for t in range(first, end, lanes):
                    s, chain = t >> shift, phi + (t & mask)
                    b = w * four(memory, at, _U(0), s, chain)
                    for h in range(_U(1), n_groups):
                        b = b + weights[h] * four(memory, at, h, s, chain)
                    _kick_drift(memory, phi, pi, out, t, b, c, kick, drift)
    return d if n % 2 == 1 else d + d

r"""Clusters of the signs of a phi^4 field (Brower and Tamayo, Phys. Rev. Lett. 62, 1087 (1989)).

At fixed magnitudes the signs are Ising spins with couplings :math:`K_{xy} = \mathrm{hop}\,
|\phi_x \phi_y|`.  From a random site a cluster grows over bonds with :math:`\mathrm{hop}\, \phi_x
\phi_y > 0`, each occupied with probability

.. math:: p_{xy} = 1 - e^{-2\, \mathrm{hop}\, \phi_x \phi_y} ,

and its fields change sign (Wolff).  Magnitudes do not change, so other sweeps must update them.
At the end the whole field is flipped with probability 1/2: deep in the broken phase every cluster
is the whole lattice, and the sign would only count the parity of the number of clusters.

Probabilities are computed in float32 and are accurate to 1e-7.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.clusters_words import next_word, seed_chain, unit
from physgen.kernels.cpu.vecmath import CONTRACT, exp2

__all__ = ["grow_clusters"]

_F = np.float32


@njit(**CONTRACT)
def grow_clusters(blocks, x, neighbours, hop, n, key, size):
    """Flip n clusters in every chain, in place.

    Parameters
    ----------
    blocks : (int, int)
        Which blocks to work on: the first, and the stride from one to the next.
    x : float32 or float64 array (n_blocks, n_sites, W)
    neighbours : int32 array (n_sites, z)
        -1 where absent.
    hop : float
        If negative, the lattice must be bipartite: a site of the cluster is recognised by its
        flipped sign.
    n : int
        Number of clusters, >= 1.
    key : uint64 array (2,)
        Key of the random numbers, which for each chain depend only on the key and its index.
    size : float64 array (n_blocks, W)
        Out: mean number of sites of a cluster.
    """
    n_sites, width = x.shape[1], x.shape[2]
    z = neighbours.shape[1]
    scale = 2.0 * hop * 1.4426950408889634  # p = 1 - 2^-t
    field = np.empty(n_sites)
    members = np.empty(n_sites + 1, np.int32)
    for b in range(blocks[0], x.shape[0], blocks[1]):
        for lane in range(width):
            for i in range(n_sites):
                field[i] = x[b, i, lane]
            s0, s1, s2, s3 = seed_chain(key, b * width + lane)
            sites = 0
            for _ in range(n):
                word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                root = np.int32(unit(word) * n_sites)
                members[0] = root
                field[root] = -field[root]
                head, count = 0, 1
                while head < count:
                    i = members[head]
                    head += 1
                    pull = _F(-scale * field[i])  # of the field before the flip
                    for k in range(z):
                        # No random branch: a site that does not join is not changed.
                        j = neighbours[i, k]
                        at = max(j, 0)
                        there = field[at]
                        t = pull * _F(there)
                        t = t if t > _F(0.0) else _F(0.0)  # 2^-0 is exactly 1: never joins
                        t = t if t < _F(100.0) else _F(100.0)
                        word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                        joins = (j >= 0) & (unit(word) >= exp2(-t))
                        field[at] = -there if joins else there
                        members[count] = at
                        count += joins
                sites += count
            word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
            sign = 1.0 if unit(word) < 0.5 else -1.0
            for i in range(n_sites):
                x[b, i, lane] = sign * field[i]
            size[b, lane] = sites / n

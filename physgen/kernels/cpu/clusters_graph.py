r"""Wolff and Swendsen-Wang clusters of Ising spins on any graph, with one coupling for each bond.

A satisfied bond, :math:`K_{ij} s_i s_j > 0`, is occupied with probability
:math:`1 - e^{-2|K_{ij}|}`.  Swendsen-Wang (1987) flips every cluster with probability 1/2; Wolff
(Phys. Rev. Lett. 62, 361 (1989)) grows the cluster of one random site and flips it.  A field
:math:`H_i s_i` is a bond of strength :math:`H_i` to the ghost spin, which always stays up: its
cluster is not flipped.

The bonds of each site are a row of a neighbour table (-1 where there is none), so each bond is in
two rows.  Tables of couplings hold one row for all sites, or one row for each site.  The spins are
int8 in {-1, +1}; a bond is drawn by comparing 64 random bits with :math:`2^{64} p`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.clusters_words import ONE, ZERO, join, next_word, seed_chain, unit
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["grow_clusters", "sweep_graph"]


@njit(**CONTRACT)
def grow_clusters(part, x, neighbours, threshold, sign, field, field_sign, n, key, metrics):
    """Flip n Wolff clusters in each chain, in place.

    Parameters
    ----------
    part : (int, int)
        First chain and stride of the chains in this call.
    x : int8 array (n_chains, n_sites)
        Spins.
    neighbours : int32 array (n_sites, z)
        Neighbours of each site, -1 where absent.
    threshold, sign : uint64, int8 array (n_sites or 1, z)
        2^64 (1 - exp(-2 |K|)) and the sign of K, aligned with `neighbours`.
    field, field_sign : uint64, int8 array (n_sites or 1,)
        2^64 (1 - exp(-2 |H|)) and the sign of H.
    n : int
        Clusters.
    key : uint64 array (2,)
        Key of the random numbers, which for each chain depend only on the key and its index.
    metrics : float64 array (2, n_chains)
        Out: share of the clusters that were flipped (not held by the ghost), and the mean number
        of sites flipped a cluster.

    Notes
    -----
    No loop of bonds may be frustrated: only then are bonds between sites of the cluster always
    satisfied, so that a site of the cluster is recognised by its flipped spin.
    """
    for chain in range(part[0], x.shape[0], part[1]):
        _grow(x[chain], chain, neighbours, threshold, sign, field, field_sign, n, key, metrics)


@njit(**CONTRACT)
def _grow(x, chain, neighbours, threshold, sign, field, field_sign, n, key, metrics):
    n_sites, z = neighbours.shape
    each = 1 if threshold.shape[0] > 1 else 0
    each_field = 1 if field.shape[0] > 1 else 0
    s0, s1, s2, s3 = seed_chain(key, chain)
    members = np.empty(n_sites + 1, np.int32)
    flipped, sites = 0, 0
    for _ in range(n):
        word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
        members[0] = np.int32(unit(word) * n_sites)
        x[members[0]] = -x[members[0]]
        head, count, held = 0, 1, False
        while head < count:
            i = members[head]
            head += 1
            was = -x[i]
            f = each_field * i
            if field[f] != ZERO and was * field_sign[f] > 0:
                word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                if word < field[f]:
                    held = True
                    break
            for k in range(z):
                # No random branch: a site that does not join changes nothing.
                j = neighbours[i, k]
                word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                at = max(j, 0)
                spin = x[at]
                satisfied = (j >= 0) & (spin * was * sign[each * i, k] > 0)
                joins = satisfied & (word < threshold[each * i, k])
                x[at] = -spin if joins else spin
                members[count] = at
                count += joins
        if held:
            for m in range(count):
                x[members[m]] = -x[members[m]]
        else:
            flipped += 1
            sites += count
    metrics[0, chain] = flipped / n
    metrics[1, chain] = sites / n


@njit(**CONTRACT)
def sweep_graph(part, x, neighbours, threshold, sign, field, field_sign, n, key, metrics):
    """Sweep chains n times by Swendsen-Wang, in place.

    Parameters
    ----------
    part, x, neighbours, threshold, sign, field, field_sign, key
        As in :func:`grow_clusters`.
    n : int
        Sweeps.
    metrics : float64 array (2, n_chains)
        Out: mean number of clusters a sweep (without the ghost's cluster), and in the last sweep
        sum_c n_c^2 / n_sites.
    """
    for chain in range(part[0], x.shape[0], part[1]):
        _sweeps(x[chain], chain, neighbours, threshold, sign, field, field_sign, n, key, metrics)


@njit(**CONTRACT)
def _sweeps(x, chain, neighbours, threshold, sign, field, field_sign, n, key, metrics):
    n_sites, z = neighbours.shape
    each = 1 if threshold.shape[0] > 1 else 0
    each_field = 1 if field.shape[0] > 1 else 0
    s0, s1, s2, s3 = seed_chain(key, chain)
    parent = np.empty(n_sites + 1, np.int32)  # node 0 is the ghost, node i + 1 site i
    coin = np.empty(n_sites + 1, np.uint8)
    clusters = 0
    for _ in range(n):
        for q in range(n_sites + 1):
            parent[q] = q
        for i in range(n_sites):
            for k in range(z):
                j = neighbours[i, k]
                if j > i:
                    word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                    satisfied = x[i] * x[j] * sign[each * i, k] > 0
                    if satisfied & (word < threshold[each * i, k]):
                        join(parent, i + 1, j + 1)
            f = each_field * i
            if field[f] != ZERO and x[i] * field_sign[f] > 0:
                word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                if word < field[f]:
                    join(parent, i + 1, 0)
        coin[0] = 0
        for q in range(1, n_sites + 1):  # a parent comes first: its coin is its root's by now
            if parent[q] == q:
                word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                coin[q] = word & ONE
                clusters += 1
            else:
                coin[q] = coin[parent[q]]
            if coin[q]:
                x[q - 1] = -x[q - 1]
    size = np.ones(n_sites + 1, np.int64)
    size[0] = 0
    total = 0.0
    for q in range(n_sites, -1, -1):
        if parent[q] != q:
            size[parent[q]] += size[q]
        else:
            total += float(size[q]) ** 2
    metrics[0, chain] = clusters / n
    metrics[1, chain] = total / n_sites

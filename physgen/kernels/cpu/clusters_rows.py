r"""Swendsen-Wang sweeps of a hypercubic lattice with couplings that depend only on the axis.

A satisfied bond :math:`b` in direction :math:`\mu`, :math:`K_\mu s s' > 0`, is occupied with
probability

.. math:: p_\mu = 1 - e^{-2 |K_\mu|} ,

and every cluster of sites joined by occupied bonds is flipped with probability 1/2 (Swendsen &
Wang, Phys. Rev. Lett. 58, 86 (1987)).  A uniform field H acts as one more spin, the ghost, joined
to the spins along H with probability :math:`1 - e^{-2|H|}`; its cluster is not flipped.

A row along the last axis is a row of bits, 1 for spin up.  Bonds are drawn 64 at a time.  A *run*
of sites joined along the row is one node of the union-find forest, found by counting the bits that
start a run; node 0 is the ghost.  At the critical point there are thus half as many nodes as
sites, and 0.43 joins a site.  A parent never comes after its child, so one ascending pass without
branches gives every run the coin of its root, and a prefix XOR spreads the coins along the row.
The remaining cost is the random walk through the forest: about one mispredicted branch a join.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.clusters_words import (
    ALL,
    ONE,
    ZERO,
    biased_bits,
    join,
    next_word,
    popcount,
    seed_chain,
    trailing_zeros,
)
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["row_moments", "sweep_rows"]

_U = np.uint64


@njit(inline="always", **CONTRACT)
def _right(row, w, L):
    """Word w of the row with site i + 1 of a periodic row at bit i."""
    if w + 1 < row.shape[0]:
        return (row[w] >> ONE) | (row[w + 1] << _U(63))
    return (row[w] >> ONE) | ((row[0] & ONE) << _U((L - 1) & 63))


@njit(inline="always", **CONTRACT)
def _valid(w, n_words, L):
    """Bits of word w that are sites."""
    return (ALL >> _U((64 - L) & 63)) if w == n_words - 1 else ALL


@njit(**CONTRACT)
def sweep_rows(part, x, L, forward, wraps, threshold, anti, field, field_up, n, key, metrics):
    """Sweep chains n times, in place.

    Parameters
    ----------
    part : (int, int)
        First chain and stride of the chains in this call.
    x : uint64 array (n_chains, n_rows, n_words)
        Spins: bit i of word w is site 64 w + i of the row, 1 for up; bits beyond L are 0.
    L : int
        Length of a row.
    forward : int32 array (n_rows, dim - 1)
        Forward neighbour of each row along the other axes, -1 where there is none.
    wraps : bool
        Whether a row has a bond from its last site to its first.
    threshold : uint64 array (dim,)
        2^64 p of each axis, the axis of the row last.
    anti : uint64 array (dim,)
        All bits set where the coupling is negative, else 0.
    field : uint64
        2^64 (1 - exp(-2 |H|)).
    field_up : uint64
        All bits set if H points up, else 0.
    n : int
        Sweeps.
    key : uint64 array (2,)
        Key of the random numbers, which for each chain depend only on the key and its index.
    metrics : float64 array (2, n_chains)
        Out: mean number of clusters a sweep, and in the last sweep sum_c n_c^2 / n_sites, the
        mean size of the cluster of a site.
    """
    for chain in range(part[0], x.shape[0], part[1]):
        _sweeps(
            x[chain], chain, L, forward, wraps, threshold, anti, field, field_up, n, key, metrics
        )


@njit(**CONTRACT)
def _sweeps(x, chain, L, forward, wraps, threshold, anti, field, field_up, n, key, metrics):
    n_rows, n_words = x.shape
    axes = forward.shape[1]
    parent = np.empty(n_rows * L + 1, np.int32)
    coin = np.empty(n_rows * L + 1, np.uint8)
    starts = np.empty((n_rows, n_words), np.uint64)
    before = np.empty((n_rows, n_words), np.int64)  # runs before each word, the ghost not counted
    s0, s1, s2, s3 = seed_chain(key, chain)
    last = _U((L - 1) & 63)
    clusters = 0
    for _ in range(n):
        # Runs: bonds along the rows.
        node = 0
        parent[0] = 0
        for y in range(n_rows):
            row = x[y]
            first, carry, bond = node + 1, ZERO, ZERO
            for w in range(n_words):
                mask = _valid(w, n_words, L)
                if w == n_words - 1 and not wraps:
                    mask &= ~(ONE << last)
                mask &= ~(row[w] ^ _right(row, w, L) ^ anti[axes])
                bond, s0, s1, s2, s3 = biased_bits(threshold[axes], mask, s0, s1, s2, s3)
                begin = ~((bond << ONE) | carry) & _valid(w, n_words, L)
                if w == 0:
                    begin |= ONE
                carry = bond >> _U(63)
                starts[y, w] = begin
                before[y, w] = node
                node += np.int64(popcount(begin))
            for q in range(first, node + 1):
                parent[q] = q
            if (bond >> last) & ONE:
                join(parent, first, node)
        # Bonds between rows, and to the ghost.
        for y in range(n_rows):
            for axis in range(axes):
                z = np.int64(forward[y, axis])
                if z < 0:
                    continue
                carry = ZERO
                for w in range(n_words):
                    mask = ~(x[y, w] ^ x[z, w] ^ anti[axis]) & _valid(w, n_words, L)
                    bond, s0, s1, s2, s3 = biased_bits(threshold[axis], mask, s0, s1, s2, s3)
                    here, there = starts[y, w], starts[z, w]
                    # The bond to the left joins the same two runs: this one adds nothing.
                    known = ((bond << ONE) | carry) & ~here & ~there
                    carry = bond >> _U(63)
                    bond &= ~known
                    while bond != ZERO:
                        upto = bond ^ (bond - ONE)
                        bond &= bond - ONE
                        a = before[y, w] + np.int64(popcount(here & upto))
                        b = before[z, w] + np.int64(popcount(there & upto))
                        join(parent, a, b)
            if field != ZERO:
                for w in range(n_words):
                    mask = ~(x[y, w] ^ field_up) & _valid(w, n_words, L)
                    bond, s0, s1, s2, s3 = biased_bits(field, mask, s0, s1, s2, s3)
                    while bond != ZERO:
                        upto = bond ^ (bond - ONE)
                        bond &= bond - ONE
                        join(parent, before[y, w] + np.int64(popcount(starts[y, w] & upto)), 0)
        # Coins: every run draws one and then takes its parent's, which is its root's by then.
        coin[0] = 0
        for y in range(n_rows):
            left = ZERO
            for w in range(n_words):
                word, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
                begin, q = starts[y, w], before[y, w]
                turn, spread = ZERO, ZERO - left
                while begin != ZERO:
                    i = trailing_zeros(begin)
                    begin &= begin - ONE
                    q += 1
                    coin[q] = (word >> i) & ONE
                    c = _U(coin[parent[q]])
                    coin[q] = c
                    clusters += parent[q] == q
                    turn |= (c ^ left) << i
                    left = c
                turn ^= turn << _U(1)
                turn ^= turn << _U(2)
                turn ^= turn << _U(4)
                turn ^= turn << _U(8)
                turn ^= turn << _U(16)
                turn ^= turn << _U(32)
                x[y, w] ^= (turn ^ spread) & _valid(w, n_words, L)
    metrics[0, chain] = clusters / n
    metrics[1, chain] = _mean_size(parent, starts, before, L, node)


@njit(**CONTRACT)
def _mean_size(parent, starts, before, L, n_runs):
    """Sum of the squared sizes of the clusters over the number of sites."""
    n_rows, n_words = starts.shape
    size = np.zeros(n_runs + 1, np.int64)
    for y in range(n_rows):
        q, start = before[y, 0], 0
        for w in range(n_words):
            begin = starts[y, w]
            while begin != ZERO:
                i = 64 * w + np.int64(trailing_zeros(begin))
                begin &= begin - ONE
                size[q] += i - start
                q += 1
                start = i
        size[q] += L - start
    total = 0.0
    for q in range(n_runs, -1, -1):  # children come after their parents
        if parent[q] != q:
            size[parent[q]] += size[q]
        else:
            total += float(size[q]) ** 2
    return total / (n_rows * L)


@njit(**CONTRACT)
def row_moments(part, x, L, forward, wraps, products, ups):
    """Count equal and unequal neighbours and spins up.

    Parameters
    ----------
    part, x, L, forward, wraps
        As in :func:`sweep_rows`.
    products : int64 array (n_chains, dim)
        Out: sum of s s' over the bonds of each axis, the axis of the row last.
    ups : int64 array (n_chains,)
        Out: number of spins up.
    """
    n_rows, n_words, axes = x.shape[1], x.shape[2], forward.shape[1]
    for chain in range(part[0], x.shape[0], part[1]):
        up = 0
        products[chain, :] = 0
        for y in range(n_rows):
            row = x[chain, y]
            for w in range(n_words):
                valid = _valid(w, n_words, L)
                up += np.int64(popcount(row[w]))
                for axis in range(axes):
                    z = np.int64(forward[y, axis])
                    if z >= 0:
                        odd = np.int64(popcount(row[w] ^ x[chain, z, w]))
                        products[chain, axis] += np.int64(popcount(valid)) - 2 * odd
                if w == n_words - 1 and not wraps:
                    valid &= ~(ONE << _U((L - 1) & 63))
                odd = np.int64(popcount((row[w] ^ _right(row, w, L)) & valid))
                products[chain, axes] += np.int64(popcount(valid)) - 2 * odd
        ups[chain] = up

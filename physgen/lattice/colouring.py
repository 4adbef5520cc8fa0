"""Colourings and sign patterns of a neighbour table, as arrays (no lattice objects here)."""

from __future__ import annotations

import numpy as np

__all__ = ["greedy_colouring", "spread_signs"]


def greedy_colouring(neighbours: np.ndarray) -> np.ndarray:
    """Return a proper colouring, sites of high degree first (Welsh and Powell 1967).

    Parameters
    ----------
    neighbours : ndarray of int, shape (n_sites, z)
        Neighbours, -1 where there is none.

    Returns
    -------
    ndarray of uint8, shape (n_sites,)
        Colours from 0, at most one more than the largest degree (at most 255).
    """
    n_sites, z = neighbours.shape
    colour = np.full(n_sites + 1, -1, dtype=np.int64)  # the last entry stands for "none"
    degree = (neighbours >= 0).sum(axis=1)
    for site in np.argsort(-degree, kind="stable"):
        taken = colour[neighbours[site]]
        free = np.ones(z + 1, dtype=bool)
        free[taken[taken >= 0]] = False
        colour[site] = np.argmax(free)
    return colour[:n_sites].astype(np.uint8)


def spread_signs(
    neighbours: np.ndarray, couplings: np.ndarray, seeds: np.ndarray | None = None
) -> np.ndarray:
    """Return signs s with J_xy s_x s_y > 0 along a spanning forest of the graph.

    If any signs satisfy every bond, then these do (given correct `seeds`).  With J = -1 they are
    the two colours of a bipartite graph.

    Parameters
    ----------
    neighbours : ndarray of int, shape (n_sites, z)
        Neighbours, -1 where there is none.
    couplings : ndarray, shape (n_sites, z)
        J of every entry; zero means no bond.
    seeds : ndarray, shape (n_sites,), optional
        Signs to begin with, 0 where free.  A connected part of the graph without seeds begins
        with + on its first site.

    Returns
    -------
    ndarray of int8, shape (n_sites,)
    """
    n_sites = len(neighbours)
    couplings = np.where(neighbours >= 0, np.sign(couplings), 0).astype(np.int8)
    s = np.zeros(n_sites, dtype=np.int8)
    if seeds is not None:
        s[:] = np.sign(seeds)
    front = np.flatnonzero(s)
    first = 0
    while True:
        while len(front):  # one layer of neighbours at a time
            sign = couplings[front] * s[front, None]
            site = neighbours[front]
            new = (sign != 0) & (s[site] == 0)
            site, sign = site[new], sign[new]
            s[site] = sign
            front = np.unique(site)
        while first < n_sites and s[first] != 0:
            first += 1
        if first == n_sites:
            return s
        s[first] = 1
        front = np.array([first])

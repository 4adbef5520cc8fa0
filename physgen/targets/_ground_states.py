"""Spins of low energy: cold starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.lattice.colouring import spread_signs

__all__ = ["quench", "satisfying_spins"]


def satisfying_spins(lattice: Any, J: np.ndarray, h: np.ndarray) -> np.ndarray | None:
    """Return spins with J_b s_x s_y >= 0 on all bonds and h_x s_x >= 0, int8; None: frustrated.

    Parameters
    ----------
    lattice : Hypercubic or Graph
    J : ndarray, shape (n_bonds,)
    h : ndarray, shape (n_sites,)
    """
    i, j = lattice.bonds.T
    if np.all(J >= 0) and np.all(h >= 0):
        return np.ones(lattice.n_sites, dtype=np.int8)
    s = spread_signs(lattice.neighbours, np.append(J, 0.0)[lattice.bond_index], h)
    return s if np.all(J * s[i] * s[j] >= 0) and np.all(h * s >= 0) else None


def quench(target: Any, x: np.ndarray) -> np.ndarray:
    """Return local minima of the energy of an Ising model, below the configurations x.

    All spins of one colour at a time follow their local field, until none changes; that ends,
    since every change lowers the energy.
    """
    colour = target.lattice.colouring().reshape(target.event_shape)
    x = x.copy()
    moved = True
    while moved:
        moved = False
        for c in range(int(colour.max()) + 1):
            against = (x * target.local_field(x) < 0) & (colour == c)
            moved = moved or bool(against.any())
            x[against] *= -1
    return x

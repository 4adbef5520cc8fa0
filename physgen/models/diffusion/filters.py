r"""Filters with the symmetries of a lattice, diagonal in plane waves.

A filter from sites x to sites y depends on the displacement y - x up to reflections of the axes
(and, with the point group, up to their order).  On the modes E of
:class:`~physgen.lattice.orbits.PairOrbits` it is a number a mode,

.. math:: F_{yx} = \sum_k M_{yk} \hat f_k E_{xk} , \qquad
          \hat f_k = \sum_o f_o \chi_{ok} , \quad
          \chi_{ok} = |o|^{-1/2} \sum_{d \in o} \cos k \cdot d .

The sites y are those of x, with M = E; or the other sublattice of the even sites, with M the same
waves on odd sites.  There M has a column of zeros for momenta whose wave vanishes on them, and
:math:`\hat f_k` is then 0 as well.  Products of filters from x to y and back are diagonal in E,
and :math:`\sum_k c_k M_{yk}^2 = \frac1n \sum_k c_k` for every y if c has the symmetries: traces
need no matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from physgen.lattice.hypercubic import Hypercubic
from physgen.lattice.orbits import PairOrbits

__all__ = ["Filters", "Place"]


@dataclass(frozen=True)
class Place:
    """The sites where a filter ends.

    Attributes
    ----------
    modes : ndarray (n, n)
        M: waves on these sites, one a column.
    characters : ndarray (n_orbits, n)
        Chi.
    sizes : ndarray of int (n_orbits,)
        Displacements in each orbit.
    lengths : ndarray of float (n_orbits,)
        Of these displacements; orbits are sorted by them.
    orbits : ndarray of int (n,)
        Orbit of the displacement from the origin to every site.
    displacements : ndarray of int (n, dim)
        These displacements, every component in (-L/2, L/2].
    signs : ndarray of int (n,)
        Signs of the columns of chi relative to the first one of their star: a momentum and its
        image under k -> k + (pi, pi, ...) are one wave on even sites, and opposite ones on odd.
    """

    modes: np.ndarray
    characters: np.ndarray
    sizes: np.ndarray
    lengths: np.ndarray
    orbits: np.ndarray
    displacements: np.ndarray
    signs: np.ndarray

    def number(self, d: np.ndarray) -> np.ndarray:
        """Return the orbits of displacements (..., dim) on this lattice, int (...)."""
        known = {
            tuple(row): o for row, o in zip(self.displacements.tolist(), self.orbits, strict=True)
        }
        flat = d.reshape(-1, d.shape[-1]).tolist()
        return np.array([known[tuple(row)] for row in flat]).reshape(d.shape[:-1])


class Filters:
    """Filters of all sites of a periodic lattice, or of its even sites.

    Parameters
    ----------
    lattice : Hypercubic
    even : bool
        The even sites alone; filters then lead to the odd sites too.
    point_group : bool
        Symmetry under permutations of the axes, which must have equal extents, as well.

    Attributes
    ----------
    lattice, even, point_group
        The arguments.
    n : int
        Sites.
    sites : ndarray of int (n,)
        Their numbers on the lattice.
    modes : ndarray (n, n)
        E, orthogonal.
    places : tuple of Place
        The sites themselves, and the odd sites if there are any.
    stars : tuple of ndarray of int
        Columns of modes that the symmetries relate: one number of a spectrum each.
    """

    def __init__(self, lattice: Hypercubic, even: bool = False, point_group: bool = True) -> None:
        orbits = PairOrbits(lattice, even, point_group)
        self.lattice, self.even, self.point_group = lattice, even, point_group
        self.n, self.sites, self.modes = orbits.n, orbits.sites, orbits.modes
        k, extents = orbits.mode_momenta, np.array(lattice.shape)
        here = lattice.coordinates[orbits.sites]
        found = _orbits(here, extents, point_group)
        chi = _characters(found, k)
        _, star = np.unique(np.round(chi, 9), axis=1, return_inverse=True)
        self._star = star.ravel()
        self.stars = tuple(
            np.flatnonzero(self._star == number) for number in range(self._star.max() + 1)
        )
        self.places = (self._place(self.modes, found, chi),)
        if even:
            there = lattice.coordinates[lattice.odd_sites]
            # A column is a cosine if it does not vanish at the origin, and its norm is known.
            cosine = np.abs(self.modes[0]) > 1e-9
            phase, odd_phase = here @ k.T, there @ k.T
            norm = np.linalg.norm(np.where(cosine, np.cos(phase), np.sin(phase)), axis=0)
            odd = np.where(cosine, np.cos(odd_phase), np.sin(odd_phase)) / norm
            odd[np.abs(odd) < 1e-9] = 0
            found = _orbits(there, extents, point_group)
            self.places += (self._place(odd, found, _characters(found, k)),)

    def symmetric(self, spectrum: np.ndarray) -> np.ndarray:
        """Return a spectrum (n,) averaged over momenta that the symmetries relate."""
        total = np.bincount(self._star, spectrum)
        return (total / np.bincount(self._star))[self._star]

    def _place(self, modes: np.ndarray, found: _Orbits, chi: np.ndarray) -> Place:
        first = np.array([columns[0] for columns in self.stars])[self._star]
        signs = np.sign((chi * chi[:, first]).sum(0)).astype(np.int64)
        return Place(modes, chi, found.sizes, found.lengths, found.number, found.d, signs)


class _Orbits(NamedTuple):
    """Displacements d (n, dim) of sites from the origin, their orbits (n,), sizes and lengths."""

    d: np.ndarray
    number: np.ndarray
    sizes: np.ndarray
    lengths: np.ndarray


def _orbits(sites: np.ndarray, extents: np.ndarray, point_group: bool) -> _Orbits:
    d = sites % extents
    d = np.where(2 * d > extents, d - extents, d)
    keys = np.abs(d)
    keys = np.sort(keys, axis=1)[:, ::-1] if point_group else keys
    unique, orbit = np.unique(keys, axis=0, return_inverse=True)
    lengths = np.sqrt((unique.astype(float) ** 2).sum(1))
    order = np.argsort(lengths, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    orbit = rank[orbit.ravel()]
    return _Orbits(d, orbit, np.bincount(orbit), lengths[order])


def _characters(orbits: _Orbits, k: np.ndarray) -> np.ndarray:
    """Return chi (n_orbits, n)."""
    chi = np.zeros((len(orbits.sizes), len(k)))
    np.add.at(chi, orbits.number, np.cos(orbits.d @ k.T))
    chi[np.abs(chi) < 1e-9] = 0
    return chi / np.sqrt(orbits.sizes)[:, None]

r"""Filters with the symmetries of a lattice, diagonal in plane waves.

A filter from sites x to sites y depends on the displacement y - x up to reflections of the axes
(and, with the point group, up to their order).  On the modes E of
:class:`~physgen.lattice.orbits.PairOrbits` it is a number a mode,

.. math:: F_{yx} = \sum_k M_{yk} \hat f_k E_{xk} , \qquad
          \hat f_k = \sum_o f_o \chi_{ok} , \quad
          \chi_{ok} = |o|^{-1/2} \sum_{d \in o} \cos k \cdot d .

The sites y are those of x, with M = E; or the other sublattice of the even sites, with M the same
waves on odd sites.  There M has a column of zeros for momenta whose wave vanishes on them, and
:math:`\hat f_k` is then 0 as well.  Products of filters from x to y and back are diagonal in E, and
:math:`\sum_k c_k M_{yk}^2 = \frac1n \sum_k c_k` for every y if c has the symmetries: traces need
no matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    nearest : ndarray of float (n_orbits,)
        Their lengths; orbits are sorted by them.
    """

    modes: np.ndarray
    characters: np.ndarray
    sizes: np.ndarray
    nearest: np.ndarray


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
    n : int
        Sites.
    modes : ndarray (n, n)
        E, orthogonal.
    places : tuple of Place
        The sites themselves, and the odd sites if there are any.
    stars : ndarray of int (n,)
        Modes of equal numbers have equal spectra: momenta related by the symmetries.
    """

    def __init__(self, lattice: Hypercubic, even: bool = False, point_group: bool = True) -> None:
        orbits = PairOrbits(lattice, even, point_group)
        self.n, self.modes = orbits.n, orbits.modes
        k, extents = orbits.mode_momenta, np.array(lattice.shape)
        here = lattice.coordinates[orbits.sites]
        self.places = (_place(here, self.modes, k, extents, point_group),)
        if even:
            there = lattice.coordinates[lattice.odd_sites]
            # A column is a cosine if it does not vanish at the origin, and its norm is known.
            cosine = np.abs(self.modes[0]) > 1e-9
            phase = here @ k.T
            waves = np.where(cosine, np.cos(phase), np.sin(phase))
            norm = np.linalg.norm(waves, axis=0)
            phase = there @ k.T
            odd = np.where(cosine, np.cos(phase), np.sin(phase)) / norm
            odd[np.abs(odd) < 1e-9] = 0
            self.places += (_place(there, odd, k, extents, point_group),)
        _, self.stars = np.unique(
            np.round(self.places[0].characters, 9), axis=1, return_inverse=True
        )
        self.stars = self.stars.ravel()

    def symmetric(self, spectrum: np.ndarray) -> np.ndarray:
        """Return a spectrum (n,) averaged over momenta that the symmetries relate."""
        total = np.bincount(self.stars, spectrum)
        return (total / np.bincount(self.stars))[self.stars]


def _place(
    sites: np.ndarray, modes: np.ndarray, k: np.ndarray, extents: np.ndarray, point_group: bool
) -> Place:
    d = sites % extents  # displacements from the origin
    d = np.where(2 * d > extents, d - extents, d)
    keys = np.abs(d)
    keys = np.sort(keys, axis=1)[:, ::-1] if point_group else keys
    unique, orbit = np.unique(keys, axis=0, return_inverse=True)
    lengths = np.sqrt((unique.astype(float) ** 2).sum(1))
    order = np.argsort(lengths, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    orbit = rank[orbit.ravel()]
    sizes = np.bincount(orbit)
    chi = np.zeros((len(unique), len(k)))
    np.add.at(chi, orbit, np.cos(d @ k.T))
    chi[np.abs(chi) < 1e-9] = 0
    return Place(modes, chi / np.sqrt(sizes)[:, None], sizes, lengths[order])

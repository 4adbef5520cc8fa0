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
    signs : ndarray of int (n,)
        Signs of the columns of chi relative to the first one of their star: a momentum and its
        image under k -> k + (pi, pi, ...) are one wave on even sites, and opposite ones on odd.
    """

    modes: np.ndarray
    characters: np.ndarray
    sizes: np.ndarray
    lengths: np.ndarray
    signs: np.ndarray


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
    stars : tuple of ndarray of int
        Columns of modes that the symmetries relate: one number of a spectrum each.
    """

    def __init__(self, lattice: Hypercubic, even: bool = False, point_group: bool = True) -> None:
        orbits = PairOrbits(lattice, even, point_group)
        self.n, self.modes = orbits.n, orbits.modes
        k, extents = orbits.mode_momenta, np.array(lattice.shape)
        here = lattice.coordinates[orbits.sites]
        chi = _characters(here, k, extents, point_group)
        _, star = np.unique(np.round(chi[0], 9), axis=1, return_inverse=True)
        self._star = star.ravel()
        self.stars = tuple(
            np.flatnonzero(self._star == number) for number in range(self._star.max() + 1)
        )
        self.places = (self._place(self.modes, *chi),)
        if even:
            there = lattice.coordinates[lattice.odd_sites]
            # A column is a cosine if it does not vanish at the origin, and its norm is known.
            cosine = np.abs(self.modes[0]) > 1e-9
            phase, odd_phase = here @ k.T, there @ k.T
            norm = np.linalg.norm(np.where(cosine, np.cos(phase), np.sin(phase)), axis=0)
            odd = np.where(cosine, np.cos(odd_phase), np.sin(odd_phase)) / norm
            odd[np.abs(odd) < 1e-9] = 0
            self.places += (self._place(odd, *_characters(there, k, extents, point_group)),)

    def symmetric(self, spectrum: np.ndarray) -> np.ndarray:
        """Return a spectrum (n,) averaged over momenta that the symmetries relate."""
        total = np.bincount(self._star, spectrum)
        return (total / np.bincount(self._star))[self._star]

    def _place(
        self, modes: np.ndarray, chi: np.ndarray, sizes: np.ndarray, lengths: np.ndarray
    ) -> Place:
        first = np.array([columns[0] for columns in self.stars])[self._star]
        signs = np.sign((chi * chi[:, first]).sum(0)).astype(np.int64)
        return Place(modes, chi, sizes, lengths, signs)


def _characters(
    sites: np.ndarray, k: np.ndarray, extents: np.ndarray, point_group: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return characters, sizes and lengths of the orbits of displacements from the origin."""
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
    sizes = np.bincount(orbit)
    chi = np.zeros((len(unique), len(k)))
    np.add.at(chi, orbit, np.cos(d @ k.T))
    chi[np.abs(chi) < 1e-9] = 0
    return chi / np.sqrt(sizes)[:, None], sizes, lengths[order]

r"""Orbits of pairs of sites under translations and the point group, and their modes.

On a periodic lattice, or on its even sublattice, translations reach every site from every other.
A matrix that commutes with them (and optionally with the point group) has one number for each
orbit o of pairs (displacements that agree up to the order and the signs of their components),

.. math:: M_{xy} = a_{o(x - y)} , \qquad
          M = E \,\mathrm{diag}(\hat a)\, E^T , \qquad
          \hat a_k = \sum_o a_o \chi_{ok} , \quad \chi_{ok} = \sum_{x \in o} \cos k \cdot x ,

with the real plane waves E of the n momenta (on the even sublattice k and k + (pi, pi, ...) count
once).  The second and third equations hold for symmetric matrices.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from physgen.core.errors import InputError
from physgen.lattice.hypercubic import Hypercubic

__all__ = ["PairOrbits"]


class PairOrbits:
    """The orbits of pairs of sites of a periodic lattice.

    Parameters
    ----------
    lattice : Hypercubic
        A periodic lattice.
    even : bool
        Take the even sublattice only; all periodic extents must be even.
    point_group : bool
        Merge orbits related by permutations and reflections of the axes; extents must be equal.
    components : bool
        The last axis counts components of a field instead: its permutations are a symmetry, so a
        pair of components is equal or different, and no other axis mixes with it.

    Attributes
    ----------
    n, n_orbits : int
        Sites and orbits.
    index : ndarray of int (n, n)
        o(x - y); the diagonal is orbit 0.
    displacements : tuple of tuple of int
        A representative of every orbit; it also labels that orbit on a larger lattice.
    sizes : ndarray of int (n_orbits,)
        Sites y of each orbit around one site x.

    Raises
    ------
    InputError
        If an axis is open, or the extents do not allow `even` or `point_group`.
    """

    def __init__(
        self,
        lattice: Hypercubic,
        even: bool = False,
        point_group: bool = True,
        components: bool = False,
    ) -> None:
        if not lattice.is_periodic:
            raise InputError(
                f"translations need a periodic lattice, got boundary {lattice.boundary!r}"
            )
        if components and (even or lattice.dim < 2):
            raise InputError(
                f"components must be those of a whole lattice, got shape {lattice.shape}"
                + ", and its even sites" * bool(even)
            )
        if point_group and len(set(lattice.shape[:-1] if components else lattice.shape)) > 1:
            raise InputError(f"the point group needs equal extents, got shape {lattice.shape}")
        self.lattice, self.even, self.point_group = lattice, bool(even), bool(point_group)
        self.components = bool(components)
        self.sites = lattice.even_sites if even else np.arange(lattice.n_sites)
        self.coordinates = lattice.coordinates[self.sites]
        self.n = len(self.sites)
        extents = np.array(lattice.shape)
        d = (self.coordinates - self.coordinates[0]) % extents
        d = np.where(2 * d > extents, d - extents, d)  # in (-L/2, L/2]
        keys = [self._key(row) for row in d.tolist()]
        self.displacements = tuple(sorted(set(keys), key=lambda k: (sum(i * i for i in k), k)))
        number = {key: o for o, key in enumerate(self.displacements)}
        self.of_displacement = np.array([number[key] for key in keys])
        self.n_orbits = len(self.displacements)
        self.sizes = np.bincount(self.of_displacement)

    def _key(self, d: list[int]) -> tuple[int, ...]:
        if self.components:
            sites = sorted(map(abs, d[:-1]), reverse=True) if self.point_group else d[:-1]
            return (*sites, int(d[-1] != 0))
        return tuple(sorted(map(abs, d), reverse=True)) if self.point_group else tuple(d)

    @cached_property
    def index(self) -> np.ndarray:
        """Orbit of every pair (x, y), given by the displacement x - y."""
        place = np.full(self.lattice.n_sites, -1)
        place[self.sites] = np.arange(self.n)
        strides = np.cumprod([1, *self.lattice.shape[:0:-1]])[::-1]
        index = np.empty((self.n, self.n), dtype=np.int64)
        for y in range(self.n):
            d = (self.coordinates - self.coordinates[y]) % np.array(self.lattice.shape)
            # coordinates[0] is the origin: sublattices begin with site 0.
            index[:, y] = self.of_displacement[place[d @ strides]]
        return index

    @cached_property
    def momenta(self) -> np.ndarray:
        """Momenta of the columns of E, shape (n, dim); k and -k are two columns."""
        k = self.lattice.momenta().reshape(-1, self.lattice.dim)
        if not self.even:
            return k
        # k and k + (pi, ..., pi) agree on even sites.  Keep the first of each pair.
        labels = np.round(k * np.array(self.lattice.shape) / (2 * np.pi)).astype(int)
        half = np.array(self.lattice.shape) // 2
        seen: set[tuple[int, ...]] = set()
        keep = []
        for row, n in enumerate(labels):
            pair = [tuple((m % np.array(self.lattice.shape)).tolist()) for m in (n, n + half)]
            if not seen.intersection(pair):
                keep.append(row)
            seen.update(pair)
        return k[keep]

    @cached_property
    def modes(self) -> np.ndarray:
        """E, orthogonal (n, n): one real plane wave a column, constant first."""
        return self._waves[0]

    @property
    def mode_momenta(self) -> np.ndarray:
        """Momenta of the columns of `modes`, shape (n, dim); a pair of waves has one momentum."""
        return self._waves[1]

    @cached_property
    def characters(self) -> np.ndarray:
        """Chi (n_orbits, n), columns in the order of `modes`."""
        k = self._waves[1]
        waves = np.cos(self.coordinates @ k.T)
        chi = np.zeros((self.n_orbits, self.n))
        np.add.at(chi, self.of_displacement, waves)
        return chi

    @cached_property
    def _waves(self) -> tuple[np.ndarray, np.ndarray]:
        columns, momenta, done = [], [], np.zeros(self.n, dtype=bool)
        k = self.momenta
        phase = self.coordinates @ k.T
        c, s = np.cos(phase), np.sin(phase)
        for j in range(self.n):
            if done[j]:
                continue
            # The column of -k is the conjugate of this one.
            partner = int(np.argmax(c.T @ c[:, j] - s.T @ s[:, j]))
            done[[j, partner]] = True
            if partner == j:
                columns.append(c[:, j] / np.sqrt(self.n))
                momenta.append(k[j])
                continue
            columns += [c[:, j] * np.sqrt(2 / self.n), s[:, j] * np.sqrt(2 / self.n)]
            momenta += [k[j], k[j]]
        return np.stack(columns, axis=1), np.array(momenta)

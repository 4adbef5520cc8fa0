r"""Hypercubic lattices: sites, bonds, neighbours, parity, momenta.

Sites :math:`x = (x_0, \dots, x_{d-1})`, :math:`0 \le x_\mu < L_\mu`, are numbered in C order of
``shape``.  Every site owns one forward bond per axis, :math:`(x, x + \hat\mu)`; a periodic axis of
extent 2 therefore has *two* bonds between the same two sites, as in Kaufman's formula, and an axis
of extent 1 has none.  On the periodic lattice

.. math:: k_\mu = 2\pi n_\mu / L_\mu, \qquad
          \hat k^2 = \sum_\mu 4 \sin^2 (k_\mu / 2)

are the momenta and the eigenvalues of minus the lattice Laplacian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.lattice.sublattices import Sublattices
from physgen.lattice.sums import axis_bond_sum, axis_neighbour_sum

__all__ = ["Hypercubic"]

MAX_SITES = 2**31 - 1  # neighbour tables are int32

_BOUNDARIES = ("periodic", "open")


@dataclass(frozen=True)
class Hypercubic(Sublattices):
    """A hypercubic lattice of any dimension, with any extents.

    Parameters
    ----------
    shape : tuple of int
        Extents L_mu >= 1.
    boundary : {"periodic", "open"} or tuple of them
        One for all axes, or one for each.

    Raises
    ------
    InputError
        If an extent is no positive integer, there is none, the sites need more than 31 bits, or a
        boundary is unknown or not one for each axis.

    Examples
    --------
    >>> lattice = Hypercubic((4, 6))
    >>> lattice.n_sites, lattice.n_bonds
    (24, 48)
    """

    shape: tuple[int, ...]
    boundary: str | tuple[str, ...] = "periodic"

    def __post_init__(self) -> None:
        if isinstance(self.shape, str) or not hasattr(self.shape, "__iter__"):
            raise InputError(f"shape must be a tuple of extents, got {self.shape!r}")
        shape = tuple(check_positive_int("each extent of a lattice", n) for n in self.shape)
        if not shape:
            raise InputError("shape must have at least one extent, got ()")
        if math.prod(shape) > MAX_SITES:
            raise InputError(
                f"a lattice must have at most 2^31 - 1 sites, got {math.prod(shape)}: sites are "
                "numbered in 32 bits"
            )
        given = self.boundary
        if not isinstance(given, str | tuple | list):
            raise InputError(f"boundary must be 'periodic', 'open' or a tuple, got {given!r}")
        each = (given,) * len(shape) if isinstance(given, str) else tuple(given)
        if len(each) != len(shape):
            raise InputError(
                f"boundary must be one word, or one for each of {len(shape)} axes, got {given!r}"
            )
        for word in each:
            check_choice("boundary", word, _BOUNDARIES)
        # One spelling for one lattice, so that equal lattices compare and hash equal.
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "boundary", each[0] if len(set(each)) == 1 else each)

    @property
    def boundaries(self) -> tuple[str, ...]:
        """The boundary of each axis."""
        return (self.boundary,) * self.dim if isinstance(self.boundary, str) else self.boundary

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return math.prod(self.shape)

    @property
    def n_bonds(self) -> int:
        """Number of bonds; double bonds count twice."""
        return int(self.has_forward_bond.sum())

    @property
    def is_periodic(self) -> bool:
        """Whether every axis is periodic."""
        return self.boundary == "periodic"

    @cached_property
    def coordinates(self) -> np.ndarray:
        """Coordinates x_mu of every site, shape (n_sites, dim), int64."""
        grid = np.indices(self.shape).reshape(self.dim, -1)
        return _frozen(np.ascontiguousarray(grid.T))

    @cached_property
    def has_forward_bond(self) -> np.ndarray:
        """Whether the bond (x, x + mu) exists, shape (n_sites, dim), bool."""
        extents = np.array(self.shape)
        periodic = np.array([word == "periodic" for word in self.boundaries])
        inside = self.coordinates < extents - 1
        return _frozen((inside | periodic) & (extents > 1))

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Neighbour of every site, shape (n_sites, 2 dim), int32.

        Column 2 mu is x + mu, column 2 mu + 1 is x - mu; -1 where there is none.
        """
        sites = np.arange(self.n_sites).reshape(self.shape)
        table = np.empty((self.n_sites, 2 * self.dim), dtype=np.int32)
        for mu in range(self.dim):
            forward = self.has_forward_bond[:, mu].reshape(self.shape)
            backward = np.roll(forward, 1, mu)
            table[:, 2 * mu] = np.where(forward, np.roll(sites, -1, mu), -1).ravel()
            table[:, 2 * mu + 1] = np.where(backward, np.roll(sites, 1, mu), -1).ravel()
        return _frozen(table)

    @cached_property
    def bonds(self) -> np.ndarray:
        """End points (x, x + mu) of every bond, shape (n_bonds, 2), int32.

        In the order of the sites, and of the axes within a site.
        """
        start, mu = np.nonzero(self.has_forward_bond)
        return _frozen(np.stack([start.astype(np.int32), self.neighbours[start, 2 * mu]], axis=1))

    @cached_property
    def bond_index(self) -> np.ndarray:
        """Bond for every entry of `neighbours`, shape (n_sites, 2 dim), int32; -1: none."""
        owned = self.has_forward_bond
        number = np.where(owned, np.cumsum(owned.ravel()).reshape(owned.shape) - 1, -1)
        index = np.empty((self.n_sites, 2 * self.dim), dtype=np.int32)
        index[:, ::2] = number
        for mu in range(self.dim):
            index[:, 2 * mu + 1] = np.roll(number[:, mu].reshape(self.shape), 1, mu).ravel()
        return _frozen(index)

    @cached_property
    def is_bipartite(self) -> bool:
        """Whether even sites have only odd neighbours: no odd periodic extent above 1."""
        return not self._odd_axes()

    def checkerboard(self) -> np.ndarray:
        """Return the parity (sum of coordinates mod 2) of every site, shape (n_sites,), uint8.

        Raises
        ------
        InputError
            If a periodic extent is odd: its first and last sites are neighbours of equal parity.
        """
        odd = self._odd_axes()
        if odd:
            raise InputError(
                f"a checkerboard must have even periodic extents, got shape {self.shape}: along "
                f"axis {odd[0]} the first and the last site are neighbours of equal colour; use "
                "an even extent, an open boundary, or a sampler that needs no checkerboard"
            )
        extents = np.array(self.shape)
        return ((self.coordinates * (extents > 1)).sum(axis=1) % 2).astype(np.uint8)

    def colouring(self) -> np.ndarray:
        """Return a proper colouring with the fewest colours (at most 3), shape (n_sites,), uint8.

        An odd periodic axis needs a third colour on its last layer.  The colours of the axes are
        added modulo 3: along each axis neighbours differ.
        """
        odd = self._odd_axes()
        if not odd:
            return self.checkerboard()
        colour = np.zeros(self.n_sites, dtype=np.int64)
        for mu, extent in enumerate(self.shape):
            along = self.coordinates[:, mu]
            colour += np.where((mu in odd) & (along == extent - 1), 2, along % 2)
        return (colour % 3).astype(np.uint8)

    def momenta(self) -> np.ndarray:
        """Return k_mu = 2 pi n_mu / L_mu in [-pi, pi), shape (*shape, dim), in FFT order.

        Raises
        ------
        InputError
            If an axis is open: its modes are not plane waves.
        """
        self._need_periodic("momenta")
        k = [2 * np.pi * np.fft.fftfreq(extent) for extent in self.shape]
        return np.stack(np.meshgrid(*k, indexing="ij"), axis=-1)

    def laplacian(self) -> np.ndarray:
        """Return khat^2 = sum_mu 4 sin^2(k_mu / 2), shape `shape`, in FFT order."""
        return (4 * np.sin(self.momenta() / 2) ** 2).sum(axis=-1)

    def bond_sum(self, x: Any, weights: np.ndarray | None = None) -> Any:
        """Return sum over bonds of w_b x_i x_j, shape (...), in float64.

        Parameters
        ----------
        x : array or tensor, shape (..., *shape)
            Spins or fields.
        weights : ndarray, shape (n_bonds,), optional
            One weight w_b a bond, in the order of `bonds`; 1 if not given.
        """
        return axis_bond_sum(x, self.dim, self.axis_weights(weights))

    def neighbour_sum(self, x: Any, weights: np.ndarray | None = None) -> Any:
        """Return sum over the neighbours y of each site of w_b x_y, shape and type of x.

        Arguments as for `bond_sum`; integers become float64.
        """
        return axis_neighbour_sum(x, self.dim, self.axis_weights(weights))

    def axis_weights(self, weights: np.ndarray | None) -> list[np.ndarray | None]:
        """Return the weight of the forward bonds along each axis, arrays of shape `shape`.

        None stands for ones: a periodic axis with no weights given.
        """
        each: list[np.ndarray | None] = []
        for mu in range(self.dim):
            if weights is None and self.boundaries[mu] == "periodic" and self.shape[mu] > 1:
                each.append(None)
                continue
            w = np.zeros(self.n_sites)
            own = self.has_forward_bond[:, mu]
            w[own] = 1.0 if weights is None else weights[self.bond_index[own, 2 * mu]]
            each.append(w.reshape(self.shape))
        return each

    def _odd_axes(self) -> list[int]:
        pairs = enumerate(zip(self.shape, self.boundaries))
        return [mu for mu, (n, word) in pairs if word == "periodic" and n > 1 and n % 2]

    def _need_periodic(self, what: str) -> None:
        if not self.is_periodic:
            raise InputError(
                f"{what} need a periodic lattice, got boundary {self.boundary!r}; the modes of "
                "an open axis are no plane waves"
            )


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array

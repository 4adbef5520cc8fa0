r"""Any graph as a lattice: sites 0..n-1 and a list of edges.

An edge listed twice is a double bond, like the bonds of a periodic extent of 2; both count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.lattice.colouring import greedy_colouring, spread_signs
from physgen.lattice.sublattices import Sublattices
from physgen.lattice.sums import gather_sum, gathered

__all__ = ["Graph"]


@dataclass(frozen=True)
class Graph(Sublattices):
    """A graph, with those members of :class:`~physgen.lattice.Hypercubic` that make sense for it.

    Parameters
    ----------
    n_sites : int
        Number of sites.
    edges : sequence of pairs of int, or integer array of shape (n_bonds, 2)
        End points of the bonds, in the order in which couplings are given.

    Raises
    ------
    InputError
        If there is no site, or an edge is no pair of two sites of the graph, or stands twice.

    Examples
    --------
    >>> Graph(3, [(0, 1), (1, 2), (2, 0)]).is_bipartite
    False
    """

    n_sites: int
    edges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        n = check_positive_int("n_sites", self.n_sites)
        given = to_numpy(self.edges)
        ends = given.reshape(0, 2).astype(np.int64) if given.size == 0 else given
        if ends.ndim != 2 or ends.shape[1] != 2 or ends.dtype.kind not in "iu":
            raise InputError(
                f"edges must be pairs of site numbers, shape (n_bonds, 2), got {ends.dtype} of "
                f"shape {ends.shape}"
            )
        for rule, bad in (
            (f"must join sites in 0..{n - 1}", ((ends < 0) | (ends >= n)).any(axis=1)),
            ("must join two different sites", ends[:, 0] == ends[:, 1]),
        ):
            if bad.any():
                first = int(np.argmax(bad))
                raise InputError(f"edges {rule}, got {ends[first].tolist()} as edge {first}")
        object.__setattr__(self, "n_sites", n)
        object.__setattr__(self, "edges", tuple((int(i), int(j)) for i, j in ends))

    def __repr__(self) -> str:
        return f"Graph({self.n_sites}, {self.n_bonds} edges)"

    @property
    def shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """(n_sites,): configurations are vectors."""
        return (self.n_sites,)

    @property
    def dim(self) -> int:
        """1: number of axes of a configuration."""
        return 1

    @property
    def n_bonds(self) -> int:
        """Number of edges."""
        return len(self.edges)

    @cached_property
    def bonds(self) -> np.ndarray:
        """End points of every edge, shape (n_bonds, 2), int32."""
        return _frozen(np.array(self.edges, dtype=np.int32).reshape(-1, 2))

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        ends = np.concatenate([self.bonds, self.bonds[:, ::-1]])
        number = np.tile(np.arange(self.n_bonds, dtype=np.int32), 2)
        order = np.argsort(ends[:, 0], kind="stable")
        site, other, number = ends[order, 0], ends[order, 1], number[order]
        degree = np.bincount(site, minlength=self.n_sites)
        column = np.arange(len(site)) - np.repeat(np.cumsum(degree) - degree, degree)
        neighbours = np.full((self.n_sites, int(degree.max(initial=0))), -1, dtype=np.int32)
        bond_index = neighbours.copy()
        neighbours[site, column], bond_index[site, column] = other, number
        return _frozen(neighbours), _frozen(bond_index)

    @property
    def neighbours(self) -> np.ndarray:
        """Neighbours of every site, shape (n_sites, largest degree), int32, -1 beyond them."""
        return self._tables[0]

    @property
    def bond_index(self) -> np.ndarray:
        """Number of the edge for every entry of `neighbours`, int32, -1 where there is none."""
        return self._tables[1]

    @cached_property
    def _parity(self) -> tuple[np.ndarray, bool]:
        sign = spread_signs(self.neighbours, -np.ones(self.neighbours.shape))
        i, j = self.bonds.T
        return ((1 - sign) // 2).astype(np.uint8), bool(np.all(sign[i] != sign[j]))

    @property
    def is_bipartite(self) -> bool:
        """Whether two colours suffice."""
        return self._parity[1]

    def checkerboard(self) -> np.ndarray:
        """Return a colouring with two colours, shape (n_sites,), uint8; 0 on site 0.

        Raises
        ------
        InputError
            If the graph has a cycle of odd length.
        """
        parity, proper = self._parity
        if not proper:
            i, j = self.bonds.T
            e = int(np.argmax(parity[i] == parity[j]))
            raise InputError(
                "a checkerboard must have cycles of even length only, got a graph with an odd "
                f"one through edge {self.edges[e]}; use a sampler that needs no checkerboard"
            )
        return parity.copy()

    def colouring(self) -> np.ndarray:
        """Return a proper colouring, shape (n_sites,), uint8: 2 colours if they suffice."""
        if self.is_bipartite:
            return self.checkerboard()
        return greedy_colouring(self.neighbours)

    def bond_sum(self, x: Any, weights: np.ndarray | None = None) -> Any:
        """Return sum over edges of w_b x_i x_j, shape (...), in float64."""
        xp = array_namespace(x)
        x = xp.astype(x, xp.float64)
        return 0.5 * xp.sum(x * self.neighbour_sum(x, weights), axis=-1)

    def neighbour_sum(self, x: Any, weights: np.ndarray | None = None) -> Any:
        """Return sum over the neighbours y of each site of w_b x_y; integers become float64."""
        w = np.ones(self.n_bonds) if weights is None else np.asarray(weights)
        # Entry -1 reads the zero appended for absent neighbours.
        return gather_sum(x, gathered(self.neighbours, np.append(w, 0.0)[self.bond_index]))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array

r"""Sums over outcome strings of products of matrices, without the table of K^L strings.

.. math:: t_P = \sum_j y_j \prod_i g_i(a_{ji}, P_i) \qquad \text{and its transpose} \qquad
          z_j = \sum_P r_P \prod_i g_i(a_{ji}, P_i) ,

for m distinct strings :math:`a_j` and the 4^L Pauli strings P.  If g are the coefficients of the
elements of a POVM, z are the probabilities in a state with Pauli expectation values r.  If g are
the weights of its duals, t are the expectation values from linear inversion.

Sites are contracted one by one and strings with the same beginning share the work: site i costs
:math:`4^{L-i}` for each distinct prefix of i outcomes (at most min(m, K^i) prefixes).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["StringSums"]


class StringSums:
    """The two sums over one set of strings.

    Parameters
    ----------
    strings : ndarray of uint8, shape (m, L)
        Distinct, in lexicographic order, as ``np.unique(..., axis=0)`` returns them.
    factors : ndarray, shape (K, 4) or (L, K, 4)
        g(a, P), P in the order I, X, Y, Z; for every site, or one array a site.
    """

    def __init__(self, strings: np.ndarray, factors: np.ndarray) -> None:
        m, L = strings.shape
        self.m, self.L = m, L
        g = np.broadcast_to(factors, (L, *factors.shape[-2:]))
        differs = np.ones((m, L), dtype=bool)
        differs[1:] = strings[1:] != strings[:-1]
        begins = np.logical_or.accumulate(differs, axis=1)  # a new prefix of i + 1 outcomes
        self._levels: list[tuple[np.ndarray, np.ndarray]] = []
        parent_of_row = np.zeros(m, dtype=np.int64)
        for i in range(L):
            first = np.flatnonzero(begins[:, i])
            self._levels.append((parent_of_row[first], g[i][strings[first, i]]))
            parent_of_row = np.cumsum(begins[:, i]) - 1

    def pauli(self, y: np.ndarray) -> np.ndarray:
        """Return t_P, shape (4^L,), first site slowest; y has shape (m,)."""
        block = y.reshape(self.m, 1)
        for gather in self._gather:
            block = (gather @ block).reshape(gather.shape[0] // 4, -1)
        return block[0]

    def strings(self, r: np.ndarray) -> np.ndarray:
        """Return z_j, shape (m,), for r of shape (4^L,)."""
        block = r.reshape(1, -1)
        for spread in self._spread:
            block = spread @ block.reshape(spread.shape[1], -1)
        return block[:, 0]

    @cached_property
    def _spread(self) -> list[Any]:
        """Sum over the Pauli matrices of each site: (nodes, 4 parents), first site first."""
        matrices = []
        for parent, values in self._levels:
            columns = (4 * parent[:, None] + np.arange(4)).ravel()
            shape = (len(parent), 4 * (int(parent[-1]) + 1))
            entries = (values.ravel(), columns, np.arange(0, 4 * len(parent) + 1, 4))
            matrices.append(sparse.csr_matrix(entries, shape=shape))
        return matrices

    @cached_property
    def _gather(self) -> list[Any]:
        """Sum over the outcomes of each site: (4 parents, nodes), last site first."""
        return [spread.T.tocsr() for spread in reversed(self._spread)]

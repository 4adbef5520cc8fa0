r"""A matrix of L qubits in the Pauli basis, and back.

.. math:: r_P = \mathrm{Tr}(A P), \qquad A = 2^{-L} \sum_P r_P P , \qquad
          \mathrm{Tr}(A B) = 2^{-L} \sum_P r_P s_P ,

where P runs over the 4^L products of I, X, Y, Z, site 0 slowest.  A is Hermitian if r is real.
"""

from __future__ import annotations

import numpy as np

from physgen.quantum.povm import PAULI

__all__ = ["from_pauli", "to_pauli"]

_BASIS = np.array([PAULI[p] for p in "IXYZ"])
_FORWARD = _BASIS.transpose(0, 2, 1).reshape(4, 4)  # Tr(A P) = sum_st A_st P_ts
_BACKWARD = _BASIS.reshape(4, 4).T / 2


def to_pauli(matrix: np.ndarray) -> np.ndarray:
    """Return r, shape (4^L,), of a Hermitian matrix (2^L, 2^L)."""
    L = _sites(len(matrix))
    pairs = [axis for i in range(L) for axis in (i, L + i)]  # (s_0 .. t_0 ..) to (s_0 t_0 s_1 ..)
    x = np.asarray(matrix, dtype=complex).reshape((2,) * (2 * L)).transpose(pairs)
    return np.ascontiguousarray(np.real(_on_every_site(_FORWARD, x, L)))


def from_pauli(r: np.ndarray) -> np.ndarray:
    """Return the Hermitian matrix (2^L, 2^L) of real r, shape (4^L,)."""
    L = _sites(r.size) // 2
    x = _on_every_site(_BACKWARD, r, L).reshape((2,) * (2 * L))
    sites = [*range(0, 2 * L, 2), *range(1, 2 * L, 2)]
    return np.ascontiguousarray(x.transpose(sites).reshape(2**L, 2**L))


def _on_every_site(matrix: np.ndarray, x: np.ndarray, L: int) -> np.ndarray:
    for _ in range(L):  # the first site becomes the last: after L times all are in order again
        x = (matrix @ x.reshape(4, -1)).T
    return x.reshape(-1)


def _sites(size: int) -> int:
    return size.bit_length() - 1

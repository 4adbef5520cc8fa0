r"""States with an exact matrix product form.

=============  ====================================================================  ====
GHZ            (\|00...0> + e^{i phase} \|11...1>) / sqrt 2                            2
W              (\|10...0> + \|01...0> + ... + \|00...1>) / sqrt L                      2
product        one single-qubit state on each site                                   1
cluster        prod CZ(i, i+1) \|+...+>: stabilised by Z X Z, by X Z and Z X at ends   2
=============  ====================================================================  ====

with the bond dimension in the last column, and \|0> the +1 eigenstate of Z.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.quantum.mps import MPS

__all__ = [
    "bloch_state",
    "cluster_state",
    "ghz_state",
    "product_state",
    "random_mps",
    "w_state",
]

_LETTERS = {
    "0": (1, 0),
    "1": (0, 1),
    "+": (1, 1),
    "-": (1, -1),
    "r": (1, 1j),
    "l": (1, -1j),
}


def ghz_state(L: int, phase: float = 0.0) -> MPS:
    """Return the GHZ state of L >= 2 qubits, with a relative phase in radians (pi: minus).

    Parameters
    ----------
    L : int
        Qubits, >= 2.
    phase : float
        Between 0...0 and 1...1, radians.

    Raises
    ------
    InputError
        If L is smaller, or the phase is not finite.
    """
    L = check_positive_int("L", L, 2)
    phase = check_finite("phase", phase)
    turn = complex(np.exp(1j * phase))
    factor = turn.real if abs(turn.imag) < 1e-15 else turn  # pi gives a real state, as it should
    copy = np.zeros((2, 2, 2))
    copy[0, 0, 0] = copy[1, 1, 1] = 1
    first = copy.sum(axis=0, keepdims=True) / np.sqrt(2)
    last = (copy * np.array([1, factor])[:, None, None]).sum(axis=2, keepdims=True)
    return MPS([first, *[copy] * (L - 2), last], {"state": "GHZ", "phase": phase})


def w_state(L: int) -> MPS:
    """Return the W state of L >= 2 qubits: one 1, on any site.

    Parameters
    ----------
    L : int
        Qubits, >= 2.

    Raises
    ------
    InputError
        If L is smaller.

    Examples
    --------
    >>> w_state(5).L
    5
    """
    L = check_positive_int("L", L, 2)
    site = np.zeros((2, 2, 2))  # the bond records whether the 1 has been placed
    site[0, 0, 0] = site[0, 1, 1] = site[1, 0, 1] = 1
    return MPS([site[:1] / np.sqrt(L), *[site] * (L - 2), site[:, :, 1:]], {"state": "W"})


def bloch_state(theta: Any, phi: Any) -> np.ndarray:
    """Return cos(theta/2) |0> + e^{i phi} sin(theta/2) |1>, shape (..., 2), angles in radians.

    Parameters
    ----------
    theta, phi : float or array, shape (...)
        Angles of the Bloch vector, radians.
    """
    theta, phi = np.broadcast_arrays(theta, phi)
    return np.stack([np.cos(theta / 2), np.exp(1j * phi) * np.sin(theta / 2)], axis=-1)


def product_state(states: Any, L: int | None = None) -> MPS:
    """Return a product of single-qubit states.

    Parameters
    ----------
    states : str, or array_like of shape (2,) or (L, 2)
        One letter a site, from 0, 1, + and - (along X), r and l (along Y); or amplitudes with any
        norm, as from :func:`bloch_state`.
    L : int, optional
        Number of sites, required for one state on all sites.

    Raises
    ------
    InputError
        If there are unknown letters, or vectors of another shape, that are not finite, or zero.

    Examples
    --------
    >>> product_state("0101+-").L
    6
    """
    if isinstance(states, str):
        unknown = sorted(set(states) - set(_LETTERS))
        if unknown or not states:
            raise InputError(
                f"letters of a product state must be of {''.join(_LETTERS)}, got {states!r}"
            )
        vectors = np.array([_LETTERS[letter] for letter in states])
    else:
        vectors = np.asarray(states)
    if np.iscomplexobj(vectors) and not np.any(np.imag(vectors)):
        vectors = np.real(vectors)
    if vectors.shape in ((2,), (1, 2)) and L is not None:
        L = check_positive_int("L", L)
        vectors = np.broadcast_to(vectors, (L, 2))
    if vectors.ndim != 2 or vectors.shape[1] != 2 or L not in (None, len(vectors)):
        wanted = "(2,) with L, or (L, 2)" if L is None else f"(2,) or ({L}, 2)"
        raise InputError(f"states of a product must have shape {wanted}, got {vectors.shape}")
    if vectors.dtype.kind not in "iufc" or not np.all(np.isfinite(vectors)):
        raise InputError(
            "states of a product must be finite amplitudes, got text, NaN or infinity"
        )
    norms = np.linalg.norm(vectors, axis=1)
    if not np.all(norms > 0):
        raise InputError(
            f"states of a product must not be zero, got zero at site {norms.argmin()}"
        )
    return MPS([v[None, :, None] for v in vectors / norms[:, None]], {"state": "product"})


def cluster_state(L: int) -> MPS:
    """Return the linear cluster state of L >= 2 qubits.

    Parameters
    ----------
    L : int
        Qubits, >= 2.

    Raises
    ------
    InputError
        If L is smaller.
    """
    L = check_positive_int("L", L, 2)
    site = np.zeros((2, 2, 2))  # the bond records the previous bit: CZ is a sign between the two
    for left, s in np.ndindex(2, 2):
        site[left, s, s] = (-1) ** (left * s) / np.sqrt(2)
    return MPS(
        [site[:1], *[site] * (L - 2), site.sum(axis=2, keepdims=True)], {"state": "cluster"}
    )


def random_mps(L: int, chi: int, rng: Stream | int, *, complex_valued: bool = True) -> MPS:
    """Return a normalised state of independent normal tensors.

    Parameters
    ----------
    L : int
        Number of sites.
    chi : int
        Bond dimension; smaller near the ends, where only 2^i states exist.
    rng : Stream or int
        Stream or seed.
    complex_valued : bool
        Whether the tensors are complex.

    Raises
    ------
    InputError
        If L or chi is no positive integer.
    """
    L, chi = check_positive_int("L", L), check_positive_int("chi", chi)
    generator = as_stream(rng).numpy()
    exact = [2 ** min(i, L - i, 62) for i in range(L + 1)]
    tensors = []
    for left, right in pairwise(min(chi, bond) for bond in exact):
        A = generator.standard_normal((left, 2, right))
        if complex_valued:
            A = A + 1j * generator.standard_normal(A.shape)
        tensors.append(A)
    return MPS(tensors, {"state": "random", "chi": chi}).right_canonical()

r"""Operators as matrix products, and their mean and variance in a matrix product state.

.. math:: O = W_1 W_2 \cdots W_L , \qquad
          \mathrm{Var}\, O = \langle (O - \langle O \rangle)^2 \rangle

with :math:`W_i` of shape (left, right, out, in).  The rows and columns of :math:`W_i` are the
states of an automaton that reads a product of one-site operators from the left: *begin*, *end*,
or the factors that are still to come.  Products with the same factors still to come share a state.
So the Heisenberg chain of any length has bond 5, a strip of :math:`L_y` rows :math:`L_y + 2`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from physgen.quantum.environments import expectation_of_strings
from physgen.quantum.pauli_sum import PauliSum

__all__ = ["FACTORS", "Factors", "matrix_product", "mean_and_variance", "real_factors"]

FACTORS: dict[str, np.ndarray] = {
    "I": np.eye(2),
    "X": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "iY": np.array([[0.0, 1.0], [-1.0, 0.0]]),  # i Y, which is real
    "Z": np.diag([1.0, -1.0]),
    "P": np.array([[0.0, 1.0], [0.0, 0.0]]),  # sigma^+ = |0><1|
    "M": np.array([[0.0, 0.0], [1.0, 0.0]]),
}
Factors = tuple[tuple[int, str], ...]
_BEGIN: Factors = ((-1, "begin"),)
_END: Factors = ()


def real_factors(operator: PauliSum) -> dict[Factors, complex]:
    """Return the operator in the letters of :data:`FACTORS`, Y = -i (iY)."""
    return {
        tuple((i, "iY" if p == "Y" else p) for i, p in s): c * (-1j) ** sum(p == "Y" for _, p in s)
        for s, c in operator
    }


def matrix_product(
    products: Mapping[Factors, complex], L: int
) -> tuple[list[np.ndarray], list[list[Factors]]]:
    """Return the tensors W_i, real where every coefficient is, and the states at the L + 1 bonds.

    Parameters
    ----------
    products : mapping of Factors to number
        Letters of :data:`FACTORS`, sites in order; the empty product is the identity.
    L : int
    """
    real = all(abs(complex(c).imag) == 0 for c in products.values())
    spread: dict[Factors, complex] = {}
    for factors, c in products.items():
        # The identity is spread over the sites, which keeps partial sums small.
        parts = [factors] if factors else [((i, "I"),) for i in range(L)]
        for part in parts:
            spread[part] = spread.get(part, 0.0) + (c if factors else c / L)
    begun_at: dict[int, list[tuple[Factors, complex]]] = {}
    for factors, c in spread.items():
        begun_at.setdefault(factors[0][0], []).append((factors, c))
    last_begin = max(begun_at, default=0)
    bonds: list[list[Factors]] = [[_BEGIN]]
    tensors: list[np.ndarray] = []
    for i in range(L):
        entries: list[tuple[Factors, Factors, str, complex]] = []
        for state in bonds[-1]:
            if state == _BEGIN:
                if last_begin > i:
                    entries.append((state, state, "I", 1.0))
                for factors, c in begun_at.get(i, []):
                    entries.append((state, factors[1:], factors[0][1], c))
            elif state and state[0][0] == i:
                entries.append((state, state[1:], state[0][1], 1.0))
            else:
                entries.append((state, state, "I", 1.0))
        after = list(dict.fromkeys(state for _, state, _, _ in entries)) or [_END]
        left, right = ({s: k for k, s in enumerate(states)} for states in (bonds[-1], after))
        W = np.zeros((len(left), len(right), 2, 2), dtype=float if real else complex)
        for before, state, letter, c in entries:
            W[left[before], right[state]] += (c.real if real else c) * FACTORS[letter]
        tensors.append(W)
        bonds.append(after)
    return tensors, bonds


def mean_and_variance(tensors: Sequence[np.ndarray], operator: PauliSum) -> tuple[float, float]:
    """Return <O> and <O^2> - <O>^2 in a right-canonical state.

    The mean is subtracted from O before it is squared, so that a variance far below <O>^2 is not
    lost in rounding.
    """
    middle, products = expectation_of_strings(tensors, operator), real_factors(operator)
    shifted = products | {(): products.get((), 0.0) - middle}
    return middle, max(_squared(tensors, matrix_product(shifted, operator.L)[0]), 0.0)


def _squared(tensors: Sequence[np.ndarray], Ws: Sequence[np.ndarray]) -> float:
    env, one = np.ones((1, 1, 1, 1)), np.ones((1, 1))  # (bra, W of the left factor, W, ket)
    for A, W in zip(tensors, Ws):
        ket = np.tensordot(env, A, axes=(3, 0))  # bra, v, w, s, ket'
        ket = np.tensordot(ket, W, axes=((2, 3), (0, 3)))  # bra, v, ket', w', t
        ket = np.tensordot(ket, W, axes=((1, 4), (0, 3)))  # bra, ket', w', v', u
        env = np.tensordot(A.conj(), ket, axes=((0, 1), (0, 4))).transpose(0, 3, 2, 1)
        one = np.tensordot(A.conj(), np.tensordot(one, A, axes=(1, 0)), axes=((0, 1), (0, 1)))
    return float((env[0, 0, 0, 0] / one[0, 0]).real)

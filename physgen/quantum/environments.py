r"""Sums of Pauli strings on a matrix product state, with one environment for what strings share.

.. math:: \langle O \rangle = \sum_k c_k \langle \psi | P_{k, i_1} \cdots P_{k, i_m} | \psi \rangle

by one sweep from the left over a right-canonical state, whose environments to the right of a
string are identities.  Strings that are under way and have the same letters still to come are one
environment: their sum.  So the cost is one transfer, O(chi^3), for the norm, for every letter with
which strings begin at a site, and for every different rest that is under way there: seven a site
for the Heisenberg chain of any length, against L for every one of its 3 (L - 1) strings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from physgen.quantum.pauli_sum import PauliString

__all__ = ["expectation_of_strings", "transfer"]

_SIGNS = {"Y": np.array([-1j, 1j])[:, None], "Z": np.array([1.0, -1.0])[:, None]}


def transfer(left: np.ndarray, A: np.ndarray, operator: np.ndarray | None = None) -> np.ndarray:
    """Carry the environment <...|...> over one site, with an operator on its physical leg."""
    ket = np.tensordot(left, A, axes=(1, 0))
    if operator is not None:
        ket = np.einsum("st,atb->asb", operator, ket)
    return _closed(ket, A)


def expectation_of_strings(
    tensors: Sequence[np.ndarray], strings: Iterable[tuple[PauliString, float]]
) -> float:
    """Return the sum of c <P> over strings, in a right-canonical state with norm 1.

    Parameters
    ----------
    tensors : sequence of ndarray, each (left bond, 2, right bond)
    strings : iterable of (PauliString, float)
        Factors in the order of sites, and the coefficient c.
    """
    total = 0.0
    begun_at: dict[int, dict[PauliString, float]] = {}
    for factors, c in strings:
        if not factors:
            total += c
            continue
        here = begun_at.setdefault(factors[0][0], {})
        here[factors] = here.get(factors, 0.0) + c
    left, under_way = np.ones((1, 1)), dict[PauliString, np.ndarray]()
    for i, A in enumerate(tensors):
        ket = np.tensordot(left, A, axes=(1, 0))
        begun = begun_at.pop(i, {})
        if not begun and not under_way and not begun_at:
            break
        after: dict[PauliString, np.ndarray] = {}
        for rest, environment in under_way.items():
            carried = np.tensordot(environment, A, axes=(1, 0))
            if rest[0][0] == i:
                carried, rest = _applied(rest[0][1], carried), rest[1:]
            _add(after, rest, _closed(carried, A))
        of_letter = {
            letter: _closed(_applied(letter, ket), A)
            for letter in {factors[0][1] for factors in begun}
        }
        for factors, c in begun.items():
            _add(after, factors[1:], c * of_letter[factors[0][1]])
        finished = after.pop((), None)
        if finished is not None:
            total += float(np.trace(finished).real)
        left, under_way = _closed(ket, A), after
    return total


def _add(found: dict[PauliString, np.ndarray], rest: PauliString, term: np.ndarray) -> None:
    found[rest] = found[rest] + term if rest in found else term


def _applied(letter: str, ket: np.ndarray) -> np.ndarray:
    """Return a Pauli matrix applied to the physical leg of (left, 2, right)."""
    turned = ket if letter == "Z" else ket[:, ::-1]
    return turned * _SIGNS[letter] if letter in _SIGNS else turned


def _closed(ket: np.ndarray, A: np.ndarray) -> np.ndarray:
    return np.tensordot(A.conj(), ket, axes=((0, 1), (0, 1)))

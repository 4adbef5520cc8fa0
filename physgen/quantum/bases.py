r"""POVMs that are made of bases: each outcome tells which basis was measured, noise or not.

If the outcomes fall into pairs with

.. math:: M_{b+} + M_{b-} = p_b \, 1 ,

then basis b happens with probability :math:`p_b` in every state, and the two outcomes of b are a
measurement of their own, :math:`E_\pm = M_{b\pm} / p_b`.  pauli-6 has three such pairs, and so has
pauli-6 after any noise (channels and readout errors of the bit keep the sums).  So settings can be
tested, labelled and weighted, whatever the noise.  If :math:`E_+ = e_0 + e_P P` with one Pauli
matrix P, the pair alone estimates it:

.. math:: \langle P \rangle = E[v], \qquad v_+ = \frac{1 - e_0}{e_P}, \quad v_- = -\frac{e_0}{e_P},

which are +1 and -1 without noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["PAULI_BASES", "Bases", "bases_of", "pair_values"]

_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Bases:
    """The bases that a POVM is made of.

    Attributes
    ----------
    names : tuple of str, length S
        "Z", "X", "Y" for Pauli bases; otherwise the label of the outcomes, or a number.
    of : ndarray of uint8, shape (K,)
        The basis of each outcome.
    share : ndarray, shape (S,)
        Its probability p_b.
    plus, minus : tuple of int, length S
        The two outcomes of each basis: first the one towards the positive axis.
    """

    names: tuple[str, ...]
    of: np.ndarray
    share: np.ndarray
    plus: tuple[int, ...]
    minus: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_uniform(self) -> bool:
        """Whether all bases have the same probability."""
        return bool(np.ptp(self.share) < _TOLERANCE)

    @cached_property
    def of_letters(self) -> np.ndarray | None:
        """The basis with the name Z, X, Y, shape (3,); None if there are not exactly these."""
        if sorted(self.names) != ["X", "Y", "Z"]:
            return None
        return np.array([self.names.index(letter) for letter in "ZXY"])

    def same_as(self, other: Bases | None) -> bool:
        """Whether each outcome belongs to the same basis."""
        return (
            other is not None
            and self.names == other.names
            and np.array_equal(self.of, other.of)
            and bool(np.allclose(self.share, other.share, atol=_TOLERANCE))
        )

    def letters(self, row: Sequence[int] | np.ndarray) -> str:
        """Return a setting, one basis a site, as text such as "ZXY"."""
        between = "" if max(map(len, self.names)) == 1 else " "
        return between.join(self.names[int(b)] for b in row)


PAULI_BASES = Bases(
    ("Z", "X", "Y"),
    np.array([0, 1, 2, 0, 1, 2], np.uint8),
    np.full(3, 1 / 3),
    (0, 1, 2),
    (3, 4, 5),
)


def bases_of(coefficients: np.ndarray, outcomes: Sequence[str]) -> Bases | None:
    """Return the bases of a POVM, or None if it is not made of at least two.

    Pairs are found by the labels "Z+" and "Z-"; without such labels, by the elements, if there is
    only one way to pair them.

    Parameters
    ----------
    coefficients : ndarray, shape (K, 4)
        (c_I, c_X, c_Y, c_Z) of each element, M = sum_P c_P P.
    outcomes : sequence of str, length K
        Labels.
    """
    if len(outcomes) < 4 or len(outcomes) % 2:
        return None
    pairs = _labelled(outcomes)
    pairs = _opposite(coefficients[:, 1:]) if pairs is None else pairs
    if pairs is None:
        return None
    sums = np.array([coefficients[a] + coefficients[b] for a, b in pairs])
    if np.abs(sums[:, 1:]).max() > _TOLERANCE or sums[:, 0].min() <= _TOLERANCE:
        return None
    of = np.empty(len(outcomes), np.uint8)
    for basis, pair in enumerate(pairs):
        of[list(pair)] = basis
    names, signs = zip(
        *(
            _name(coefficients[a, 1:], outcomes[a], outcomes[b], k)
            for k, (a, b) in enumerate(pairs)
        )
    )
    if len(set(names)) < len(names):
        names = tuple(str(k) for k in range(len(names)))
    plus = tuple(a if sign > 0 else b for (a, b), sign in zip(pairs, signs))
    minus = tuple(b if sign > 0 else a for (a, b), sign in zip(pairs, signs))
    return Bases(names, of, sums[:, 0].copy(), plus, minus)


def pair_values(coefficients: np.ndarray, bases: Bases, pauli: str) -> np.ndarray:
    """Return v(a), whose mean over the shots of one basis is <P>; NaN where the basis is blind.

    Parameters
    ----------
    coefficients : ndarray, shape (..., K, 4)
    bases : Bases
    pauli : {"X", "Y", "Z"}

    Returns
    -------
    ndarray, shape (..., K)
    """
    at = "IXYZ".index(pauli)
    values = np.full(coefficients.shape[:-1], np.nan)
    for b, share in enumerate(bases.share):
        plus = coefficients[..., bases.plus[b], :] / share
        others = np.delete(plus, [0, at], axis=-1)
        along = (np.abs(others).max(axis=-1) < _TOLERANCE) & (np.abs(plus[..., at]) > _TOLERANCE)
        e0, e = plus[..., 0], np.where(along, plus[..., at], np.nan)
        values[..., bases.plus[b]] = (1 - e0) / e
        values[..., bases.minus[b]] = -e0 / e
    return values


def _labelled(outcomes: Sequence[str]) -> list[tuple[int, int]] | None:
    """Return pairs such as Z+ and Z-, or None if not all outcomes are in one."""
    places = {label: a for a, label in enumerate(outcomes)}
    if len(places) < len(outcomes) or not all(label[-1:] in ("+", "-") for label in outcomes):
        return None
    stems = list(dict.fromkeys(label[:-1] for label in outcomes))
    if not all({f"{stem}+", f"{stem}-"} <= set(places) for stem in stems):
        return None
    return [(places[f"{stem}+"], places[f"{stem}-"]) for stem in stems]


def _opposite(vectors: np.ndarray) -> list[tuple[int, int]] | None:
    """Return pairs of opposite vectors, or None if there is no or more than one way to pair."""
    sums = np.abs(vectors[:, None] + vectors[None]).max(axis=-1) < _TOLERANCE
    if not (sums.sum(axis=1) == 1).all() or sums.diagonal().any():
        return None
    partner = sums.argmax(axis=1)
    return [(a, int(b)) for a, b in enumerate(partner) if a < b]


def _name(axis: np.ndarray, first: str, second: str, number: int) -> tuple[str, int]:
    """Return the name of a basis, and the sign of its first outcome."""
    if first[:-1] == second[:-1] and first[-1:] == "+" and second[-1:] == "-":
        return first[:-1], 1
    length = float(np.linalg.norm(axis))
    along = int(np.argmax(np.abs(axis)))
    if length > 0 and np.abs(np.delete(axis, along)).max() < _TOLERANCE:
        return "XYZ"[along], 1 if axis[along] > 0 else -1
    return str(number), 1

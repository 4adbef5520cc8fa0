r"""Measurement settings: shots that share one fixed Pauli basis on every site.

A setting is a string of bases, one a site, such as ZXY.  A POVM that is made of bases
(:mod:`physgen.quantum.bases`: pauli-6 and pauli-rebit, with any noise) is the measurement that
draws basis b with probability :math:`p_b` for every site and shot: 1/3 for pauli-6, in whose order
(Z+, X+, Y+, Z-, X-, Y-) the basis is the outcome mod 3.  If a laboratory chose the settings
differently, a complete set becomes that of the POVM with the weights

.. math:: w_s = \frac{n \, p(b_s)}{n_{b_s}}, \quad p(b) = \prod_i p_{b_i} \; (3^{-L}
          \text{ for pauli-6}), \qquad \frac1n \sum_s w_s = 1 ,

with :math:`n_b` shots of setting b.  A Pauli string is seen by the settings that agree with it on
its support; the data do not determine a string that no setting sees.

Whether settings look random is tested in :mod:`physgen.quantum.randomness`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.quantum.bases import PAULI_BASES, Bases

__all__ = ["BASES", "Settings", "check_labels", "label_settings", "unique_rows"]

BASES = "ZXY"  # bases of the outcomes 0, 1, 2 of pauli-6, and of 3, 4, 5 with the other sign
SHOWN = 4  # settings that a message names
BLOCK = 1 << 24  # outcomes handled at a time


@dataclass(frozen=True, eq=False)
class Settings:
    """The settings of a data set.

    Attributes
    ----------
    labels : ndarray of int, shape (S,)
        The label of each setting, ascending.
    bases : ndarray of uint8, shape (S, L)
        Its basis on each site, in the order of `frame`; pauli-6: 0 = Z, 1 = X, 2 = Y.
    index : ndarray of int, shape (n,)
        The row of each shot in `labels` and `bases`.
    frame : Bases
        The bases of the POVM.
    """

    labels: np.ndarray
    bases: np.ndarray
    index: np.ndarray
    frame: Bases = PAULI_BASES

    @classmethod
    def of(cls, outcomes: Any, labels: np.ndarray, frame: Bases = PAULI_BASES) -> Settings:
        """Return the settings from outcomes, shape (n, L), and their labels, shape (n,).

        Raises
        ------
        InputError
            If two shots with the same label were measured in different bases.
        """
        known, first, index = np.unique(labels, return_index=True, return_inverse=True)
        n, L = outcomes.shape
        bases = np.empty((len(known), L), np.uint8)
        step = max(1, BLOCK // L)
        order = np.argsort(first)
        for start in range(0, n, step):
            here = frame.of[np.asarray(outcomes[start : start + step])]
            new = order[slice(*np.searchsorted(first[order], [start, start + len(here)]))]
            bases[new] = here[first[new] - start]
            wrong = (here != bases[index[start : start + step]]).any(axis=1)
            if wrong.any():
                k = int(np.argmax(wrong))
                row = index[start + k]
                raise InputError(
                    "shots of one setting must share their basis on every site, got label "
                    f"{known[row]} for {frame.letters(bases[row])} and, in shot {start + k}, for "
                    f"{frame.letters(here[k])}"
                )
        return cls(known, bases, index, frame)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def L(self) -> int:
        """Number of sites."""
        return self.bases.shape[1]

    @property
    def names(self) -> list[str]:
        """The bases of each setting as letters, e.g. "ZXY"."""
        return [self.frame.letters(row) for row in self.bases]

    @cached_property
    def counts(self) -> np.ndarray:
        """Shots of each setting, shape (S,)."""
        return np.bincount(self.index, minlength=len(self))

    @cached_property
    def _distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct bases, and the index of the bases of each label; labels may share bases."""
        rows, which = unique_rows(self.bases, len(self.frame))
        return self.bases[rows], which

    @property
    def n_all(self) -> int:
        """How many settings there are, 3^L for pauli-6."""
        return len(self.frame) ** self.L

    @property
    def n_missing(self) -> int:
        """How many of all settings have no shot."""
        return self.n_all - len(self._distinct[0])

    def missing(self, limit: int = SHOWN) -> list[str]:
        """Return the first settings without shots, as letters, at most `limit`."""
        present = {row.tobytes() for row in self._distinct[0]}
        every = (bytes(row) for row in product(range(len(self.frame)), repeat=self.L))
        absent = (row for row in every if row not in present)
        return [self.frame.letters(row) for row in islice(absent, limit)]

    def describe_missing(self) -> str:
        """Return "XX, XY (2 of 9 settings)", or "none"."""
        if not self.n_missing:
            return "none"
        more = ", ..." if self.n_missing > SHOWN else ""
        total = f"{self.n_all:,}" if self.L < 20 else f"{len(self.frame)}^{self.L}"
        absent = f"{self.n_missing:,} of {total}" if self.L < 20 else f"nearly all of {total}"
        return f"{', '.join(self.missing())}{more} ({absent} settings)"

    def weights(self) -> np.ndarray:
        """Return the weights, of mean 1, that make the settings those of the POVM; shape (n,).

        Raises
        ------
        InputError
            If a setting has no shot: weights cannot replace it.
        """
        if self.n_missing:
            raise InputError(
                f"all {len(self.frame)}^L settings must be measured to weight them, got none of "
                f"{self.describe_missing()}; measure them, or import the file with settings "
                "'random' if each shot drew its bases at random"
            )
        distinct, which = self._distinct
        shots = np.bincount(which, weights=self.counts, minlength=len(distinct))
        share = self.frame.share[distinct].prod(axis=1)
        return (len(self.index) * share / shots)[which][self.index]

    def seeing(self, string: Mapping[int, str]) -> np.ndarray:
        """Return which settings see a Pauli string {site: "X", "Y" or "Z"}; bool, shape (S,)."""
        seen = np.ones(len(self), bool)
        for site, pauli in string.items():
            if pauli not in BASES or not 0 <= site < self.L:
                raise InputError(
                    f"a Pauli string must name X, Y or Z on sites 0..{self.L - 1}, "
                    f"got {pauli!r} on {site!r}"
                )
            seen &= self._is(pauli)[:, site]
        return seen

    def _is(self, pauli: str) -> np.ndarray:
        """Return where the basis is this one; bool, shape (S, L)."""
        if pauli not in self.frame.names:
            return np.zeros(self.bases.shape, bool)
        return self.bases == self.frame.names.index(pauli)

    def coverage(self, weight: int = 1) -> tuple[int, int]:
        """Return how many Pauli strings on `weight` = 1 or 2 sites are seen, and the total."""
        check_positive_int("weight", weight)
        marks = np.concatenate([self._is(pauli) for pauli in BASES], axis=1)
        if weight == 1:
            return int(marks.any(axis=0).sum()), 3 * self.L
        if weight != 2:
            raise InputError(f"weight must be 1 or 2, got {weight}; ask `seeing` about one string")
        pairs = np.zeros((3 * self.L, 3 * self.L), np.float32)
        for start in range(0, len(marks), 1 << 14):
            block = marks[start : start + (1 << 14)].astype(np.float32)
            pairs += block.T @ block
        seen = pairs.reshape(3, self.L, 3, self.L).transpose(1, 3, 0, 2) > 0
        upper = np.triu_indices(self.L, 1)
        return int(seen[upper].sum()), 9 * len(upper[0])


def label_settings(bases: np.ndarray) -> np.ndarray:
    """Return a label for the setting of each shot: 0, 1, ... in the order of first appearance.

    Parameters
    ----------
    bases : ndarray of uint8, shape (n, L)
        The basis of each site and shot, a small integer.
    """
    first, which = unique_rows(bases, int(bases.max(initial=0)) + 1)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[which]


def check_labels(labels: Any, n: int) -> np.ndarray:
    """Return labels as int64 of shape (n,), or raise :class:`InputError`."""
    array = np.asarray(labels)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise InputError(
            f"settings must be one integer label a shot, shape ({n},), "
            f"got shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64)


def unique_rows(rows: np.ndarray, base: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return the first position of each distinct row, in lexical order, and each row's index.

    Values are below `base`.
    """
    rows = np.ascontiguousarray(rows)
    width = rows.shape[1]
    if width * np.log2(max(base, 2)) < 64:
        keys = np.zeros(len(rows), np.uint64)
        for column in rows.T:
            keys = keys * np.uint64(base) + column.astype(np.uint64)
    else:
        keys = rows.view(np.dtype((np.void, width))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return first, which.ravel()

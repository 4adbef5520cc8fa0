r"""Measurement settings: shots that share one fixed Pauli basis on every site.

A setting is a string of bases, one a site, such as ZXY.  In the order of pauli-6 (Z+, X+, Y+, Z-,
X-, Y-) the basis of a shot is its outcome mod 3, the sign its outcome div 3.  pauli-6 itself is
the measurement that draws one of the :math:`3^L` settings uniformly for every shot.  If a
laboratory chose them differently, a complete set becomes uniform with the weights

.. math:: w_s = \frac{n}{3^L \, n_{b(s)}}, \qquad \frac1n \sum_s w_s = 1 ,

with :math:`n_b` shots of setting b.  A Pauli string is seen by the settings that agree with it on
its support; the data do not determine a string that no setting sees.

Four tests decide whether settings look uniformly random for each site and shot: (1) chi-square of
the bases on every site, 2 L degrees of freedom; (2) how often two shots have the same setting,
compared with its distribution (chi-square of all settings, two-sided, if there are fewer settings
than shots, else Poisson), which detects repeated and balanced designs; (3) how often a site keeps
its basis from one shot to the next; and (4) how often neighbours have the same basis, both
binomial with probability 1/3, two-sided.  Each test has a quarter of the total false alarm rate
:data:`FALSE_ALARM` = 1e-3.
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

__all__ = ["BASES", "FALSE_ALARM", "Settings", "check_labels", "label_settings", "random_p"]

BASES = "ZXY"  # bases of the outcomes 0, 1, 2 of pauli-6, and of 3, 4, 5 with the other sign
FALSE_ALARM = 1e-3
SHOWN = 4  # settings that a message names
BLOCK = 1 << 24  # outcomes handled at a time
_TESTS = 4


@dataclass(frozen=True, eq=False)
class Settings:
    """The settings of a data set.

    Attributes
    ----------
    labels : ndarray of int, shape (S,)
        The label of each setting, ascending.
    bases : ndarray of uint8, shape (S, L)
        Its basis on each site: 0 = Z, 1 = X, 2 = Y.
    index : ndarray of int, shape (n,)
        The row of each shot in `labels` and `bases`.
    """

    labels: np.ndarray
    bases: np.ndarray
    index: np.ndarray

    @classmethod
    def of(cls, outcomes: Any, labels: np.ndarray) -> Settings:
        """Return the settings from pauli-6 outcomes, shape (n, L), and their labels, shape (n,).

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
            here = np.asarray(outcomes[start : start + step]) % 3
            new = order[slice(*np.searchsorted(first[order], [start, start + len(here)]))]
            bases[new] = here[first[new] - start]
            wrong = (here != bases[index[start : start + step]]).any(axis=1)
            if wrong.any():
                k = int(np.argmax(wrong))
                row = index[start + k]
                raise InputError(
                    "shots of one setting must share their basis on every site, got label "
                    f"{known[row]} for {letters(bases[row])} and, in shot {start + k}, for "
                    f"{letters(here[k])}"
                )
        return cls(known, bases, index)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def L(self) -> int:
        """Number of sites."""
        return self.bases.shape[1]

    @property
    def names(self) -> list[str]:
        """The bases of each setting as letters, e.g. "ZXY"."""
        return [letters(row) for row in self.bases]

    @cached_property
    def counts(self) -> np.ndarray:
        """Shots of each setting, shape (S,)."""
        return np.bincount(self.index, minlength=len(self))

    @cached_property
    def _distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct bases, and the index of the bases of each label; labels may share bases."""
        rows, which = _unique_rows(self.bases)
        return self.bases[rows], which

    @property
    def n_missing(self) -> int:
        """How many of the 3^L settings have no shot."""
        return 3**self.L - len(self._distinct[0])

    def missing(self, limit: int = SHOWN) -> list[str]:
        """Return the first settings without shots, as letters, at most `limit`."""
        present = {row.tobytes() for row in self._distinct[0]}
        every = (bytes(row) for row in product(range(3), repeat=self.L))
        absent = (row for row in every if row not in present)
        return [letters(row) for row in islice(absent, limit)]

    def describe_missing(self) -> str:
        """Return "XX, XY (2 of 9 settings)", or "none"."""
        if not self.n_missing:
            return "none"
        more = ", ..." if self.n_missing > SHOWN else ""
        total = f"{3**self.L:,}" if self.L < 20 else f"3^{self.L}"
        absent = f"{self.n_missing:,} of {total}" if self.L < 20 else f"nearly all of {total}"
        return f"{', '.join(self.missing())}{more} ({absent} settings)"

    def weights(self) -> np.ndarray:
        """Return the weights, of mean 1, that make the settings uniform; shape (n,).

        Raises
        ------
        InputError
            If a setting has no shot: weights cannot replace it.
        """
        if self.n_missing:
            raise InputError(
                f"all 3^L settings must be measured to weight them equally, got none of "
                f"{self.describe_missing()}; measure them, or import the file with settings "
                "'random' if each shot drew its bases at random"
            )
        distinct, which = self._distinct
        shots = np.bincount(which, weights=self.counts, minlength=len(distinct))
        return (len(self.index) / (len(distinct) * shots))[which][self.index]

    def seeing(self, string: Mapping[int, str]) -> np.ndarray:
        """Return which settings see a Pauli string {site: "X", "Y" or "Z"}; bool, shape (S,)."""
        seen = np.ones(len(self), bool)
        for site, pauli in string.items():
            if pauli not in BASES or not 0 <= site < self.L:
                raise InputError(
                    f"a Pauli string must name X, Y or Z on sites 0..{self.L - 1}, "
                    f"got {pauli!r} on {site!r}"
                )
            seen &= self.bases[:, site] == BASES.index(pauli)
        return seen

    def coverage(self, weight: int = 1) -> tuple[int, int]:
        """Return how many Pauli strings on `weight` = 1 or 2 sites are seen, and the total."""
        check_positive_int("weight", weight)
        marks = np.concatenate([self._distinct[0] == basis for basis in range(3)], axis=1)
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


def letters(bases: Any) -> str:
    """Return bases 0, 1, 2 as text, e.g. "ZXY"."""
    return "".join(BASES[int(b)] for b in bases)


def label_settings(bases: np.ndarray) -> np.ndarray:
    """Return a label for the setting of each shot: 0, 1, ... in the order of first appearance.

    Parameters
    ----------
    bases : ndarray of uint8, shape (n, L)
        0 = Z, 1 = X, 2 = Y.
    """
    first, which = _unique_rows(bases)
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


def random_p(bases: np.ndarray) -> float:
    """Return the p-value of the hypothesis that all bases were drawn uniformly from Z, X and Y.

    It is four times the lowest p-value of the four tests above; below :data:`FALSE_ALARM` the
    settings count as chosen.

    Parameters
    ----------
    bases : ndarray of uint8, shape (n, L)
        0 = Z, 1 = X, 2 = Y, in the order of measurement.
    """
    from scipy import stats

    n, L = bases.shape
    counts = np.array([(bases == basis).sum(axis=0) for basis in range(3)])
    found = [float(stats.chi2.sf(((counts - n / 3) ** 2).sum() / (n / 3), 2 * L))]
    shots_of = np.bincount(_unique_rows(bases)[1]).astype(float)
    if n > 3**L:
        found.append(_two_sided(stats.chi2(3**L - 1), (shots_of**2).sum() * 3**L / n - n))
    else:
        pairs = (shots_of * (shots_of - 1)).sum() / 2
        found.append(_two_sided(stats.poisson(n * (n - 1) / 2 * 3.0**-L), pairs, 1))
    for a, b in ((bases[1:], bases[:-1]), (bases[:, 1:], bases[:, :-1])):
        if a.size:
            found.append(_two_sided(stats.binom(a.size, 1 / 3), float((a == b).sum()), 1))
    return min(1.0, _TESTS * min(found))


def _two_sided(law: Any, value: float, step: int = 0) -> float:
    """Return twice the smaller tail, `value` included; `step` is 1 for laws on the integers."""
    return float(2 * min(law.cdf(value), law.sf(value - step)))


def _unique_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first position of each distinct row, in lexical order, and each row's index."""
    rows = np.ascontiguousarray(rows)
    width = rows.shape[1]
    if width <= 40:  # 3^40 < 2^64
        keys = np.zeros(len(rows), np.uint64)
        for column in rows.T:
            keys = keys * np.uint64(3) + column.astype(np.uint64)
    else:
        keys = rows.view(np.dtype((np.void, width))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return first, which.ravel()

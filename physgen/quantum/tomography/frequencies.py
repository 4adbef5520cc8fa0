r"""Frequencies of outcome strings, the starting point of every estimate for small systems.

.. math:: f_j = \frac{n_j}{n} \quad \text{(settings drawn at random)}, \qquad
          f_j = p_{s(j)} \, \frac{n_j}{n_{s(j)}} \quad \text{(settings that were chosen)} ,

for the distinct strings :math:`a_j` among the shots; the table of K^L strings is never made.  In a
POVM made of bases (pauli-6, with any noise) every setting s (the bases of all sites) has the same
probability :math:`p_s` in any state, :math:`3^{-L}` for pauli-6.  If a laboratory chose the number
of shots in each setting, this probability replaces the setting's share of the shots.  Then
:math:`E f_j = P(a_j)` in both cases; for chosen settings only the outcomes within a setting are
random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.bases import Bases
from physgen.quantum.data import MeasurementData
from physgen.quantum.povm import POVM
from physgen.quantum.settings import Settings, label_settings
from physgen.quantum.shots import ShotFile
from physgen.quantum.site_povm import SitePOVM, restricted

__all__ = ["MAX_SITES", "Counts", "check_sites", "count"]

MAX_SITES = 10  # a density matrix of 2^10 states is 16 MiB, its Pauli expectation values 8


@dataclass(frozen=True, eq=False)
class Counts:
    """Distinct outcome strings and how often each was seen.

    Attributes
    ----------
    povm : POVM or SitePOVM
    strings : ndarray of uint8, shape (m, L)
        Distinct, in lexicographic order.
    counts : ndarray, shape (m,)
        Number of shots with each string; zero is allowed.
    by_setting : bool
        Whether the settings were chosen, of a POVM that is made of bases.
    """

    povm: POVM | SitePOVM
    strings: np.ndarray
    counts: np.ndarray
    by_setting: bool = False

    def __repr__(self) -> str:
        settings = f", {len(self.shots_of_group)} settings" if self.by_setting else ""
        return f"Counts(n={self.n}, L={self.L}, povm={self.povm.name!r}{settings})"

    @property
    def L(self) -> int:
        """Number of sites."""
        return self.strings.shape[1]

    @property
    def n(self) -> int:
        """Number of shots."""
        return round(float(self.counts.sum()))

    @cached_property
    def group(self) -> np.ndarray:
        """Index of the setting of each string, shape (m,); 0 if settings were random."""
        if not self.by_setting:
            return np.zeros(len(self.strings), dtype=np.int64)
        return np.unique(_codes(self.bases, len(self._frame)), return_inverse=True)[1]

    @property
    def _frame(self) -> Bases:
        if self.povm.bases is None:
            raise InputError(
                f"settings must be of a POVM that is made of bases, got {self.povm.name}"
            )
        return self.povm.bases

    @property
    def bases(self) -> np.ndarray:
        """The basis of each site and string, uint8 of shape (m, L)."""
        return self._frame.of[self.strings]

    @cached_property
    def shots_of_group(self) -> np.ndarray:
        """Shots of each setting, shape (S,)."""
        return np.bincount(self.group, self.counts)

    @cached_property
    def share_of_group(self) -> np.ndarray:
        """Probability of each setting, shape (S,): among those with shots they sum to 1."""
        if not self.by_setting:
            return np.ones(1)
        first = np.unique(self.group, return_index=True)[1]
        share = self._frame.share[self.bases[first]].prod(axis=1)
        return share / share.sum()

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Share f of each string, shape (m,); they sum to 1."""
        return self.counts * (self.share_of_group / self.shots_of_group)[self.group]

    def recounted(self, counts: np.ndarray) -> Counts:
        """Return the same strings with other counts."""
        return replace(self, counts=counts)

    def restricted(self, sites: Sequence[int]) -> Counts:
        """Return the counts of some sites, summed over the outcomes of the other sites."""
        kept = check_sites(sites, self.L)
        frame = restricted(self.povm, kept)
        return _counted(frame, self.strings[:, kept], self.counts, self.by_setting)


def count(
    data: MeasurementData | Counts,
    sites: Sequence[int] | None = None,
    povm: POVM | SitePOVM | None = None,
) -> Counts:
    """Return the counts of measured shots, after a check that they determine a density matrix.

    Parameters
    ----------
    data : MeasurementData or Counts
        Labelled ``settings`` count as chosen; without labels, settings and outcomes are random.
    sites : sequence of int, optional
        Sites to keep, in this order, at most 10; by default all.
    povm : POVM, optional
        The actual measurement, including noise, instead of the one named in the data.  The
        state is then the state before the noise.

    Raises
    ------
    InputError
        If there are more than 10 sites, if the POVM is not informationally complete, or if chosen
        settings are incomplete, so that the data do not determine the state.
    """
    wanted = list(range(data.L)) if sites is None else check_sites(sites, data.L)
    if len(wanted) > MAX_SITES:
        raise InputError(
            f"a density matrix must have at most {MAX_SITES} sites, got {len(wanted)}; choose "
            "some with sites=[...], or train a model"
        )
    counts = _measured(data, wanted)
    if povm is not None:
        counts = replace(counts, povm=_same_outcomes(counts, povm))
    frame = counts.povm
    if not frame.is_informationally_complete:
        unseen = ", ".join(p for p in "XYZ" if not frame.sees(p))
        raise InputError(
            "a density matrix must come from an informationally complete POVM, got "
            f"{frame.name} ({', '.join(frame.outcomes)}), which does not see {unseen}"
        )
    every = len(counts._frame) ** counts.L if counts.by_setting else 0
    if len(counts.shots_of_group) < every:
        seen = Settings.of(counts.strings, label_settings(counts.bases), counts._frame)
        raise InputError(
            f"a density matrix must come from all {len(counts._frame)}^L settings, got none of "
            f"{seen.describe_missing()}; measure them, choose fewer sites with sites=[...], or "
            "import the file with settings 'random' if each shot drew its bases at random"
        )
    return counts


def check_sites(sites: Any, L: int) -> list[int]:
    """Return `sites` as a list of distinct sites of 0..L-1, or raise :class:`InputError`."""
    chosen = list(sites)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(L)):
        raise InputError(f"sites must be distinct and in 0..{L - 1}, got {sites}")
    return [int(i) for i in chosen]


def _measured(data: MeasurementData | Counts, sites: list[int]) -> Counts:
    if isinstance(data, Counts):
        return data.restricted(sites)
    held = data.outcomes
    if isinstance(held, ShotFile):  # only the requested sites are kept in memory
        shots = np.concatenate([block[:, sites] for block in held.blocks()])
    else:
        shots = held[:, sites]
    ones = np.ones(data.n, dtype=np.int64)
    return _counted(restricted(data.povm, sites), shots, ones, data.settings is not None)


def _counted(
    povm: POVM | SitePOVM, strings: np.ndarray, counts: np.ndarray, by_setting: bool
) -> Counts:
    # One number a string sorts faster than rows of bytes.
    _, first, of = np.unique(_codes(strings, povm.K), return_index=True, return_inverse=True)
    total = np.bincount(of, counts).astype(counts.dtype)
    return Counts(povm, strings[first], total, by_setting)


def _codes(strings: np.ndarray, base: int) -> np.ndarray:
    powers = base ** np.arange(strings.shape[1] - 1, -1, -1, dtype=np.uint64)
    return strings.astype(np.uint64) @ powers  # up to 64 outcomes on 10 sites


def _same_outcomes(counts: Counts, povm: POVM | SitePOVM) -> POVM | SitePOVM:
    if isinstance(povm, SitePOVM) and povm.L != counts.L:
        raise InputError(f"povm must have the {counts.L} sites of the data, got {povm.L}")
    if povm.K != counts.povm.K:
        raise InputError(f"povm must have the {counts.povm.K} outcomes of the data, got {povm.K}")
    if counts.by_setting and not counts._frame.same_as(povm.bases):
        raise InputError(
            "povm must keep the bases of labelled data, pairs of outcomes that sum to the same "
            f"multiple of the identity, got {povm.name}"
        )
    return povm

"""The tests of `two_sample`, one function a row, and what they share: features and block lengths.

Tests of quadratic cost use evenly spaced draws.  Their blocks follow from the slowest feature of
these draws (:func:`~physgen.validation.permutation.block_length`), or are whole chains where the
chains are too short to resolve it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.validation.classifier import c2st
from physgen.validation.energy_distance import energy_distance_test
from physgen.validation.features import SIGNED, features_of, matrix_of, raw_points
from physgen.validation.kernel_stein import kernel_stein
from physgen.validation.mmd import mmd2_test
from physgen.validation.observable_tests import compare_observables, slowest_time
from physgen.validation.permutation import PairTest, block_length
from physgen.validation.sample_sets import SampleSet
from physgen.validation.stein import force_of, low_modes, stein_identities
from physgen.validation.wasserstein import sliced_w2_test

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["TESTS", "Outcome", "Pair", "outcome_of"]

N_FOLDS = 5


class Outcome(NamedTuple):
    """One row: a statistic, what it is for equal distributions, its spread then, its p-value."""

    statistic: float
    null: float
    error: float
    p_value: float


@dataclass
class Pair:
    """Two sets and everything that several tests need of them, found once.

    Attributes
    ----------
    samples, reference : SampleSet; the reference may be None
    target : Target or None
    observables : mapping or None
    n_permutations, n_max : int
    rng : Stream
    notes : list of str
        What a reader of the results must know.
    identities : Dataset or None
        Stein identities, once they were found.
    """

    samples: SampleSet
    reference: SampleSet | None
    target: Any
    observables: Mapping[str, Callable[[Any], Any]] | None
    n_permutations: int
    n_max: int
    rng: Stream
    notes: list[str] = field(default_factory=list[str])
    identities: xr.Dataset | None = None

    @property
    def sets(self) -> tuple[SampleSet, SampleSet]:
        """Both sets."""
        if self.reference is None:
            raise InputError("this test needs a reference, got none")
        return self.samples, self.reference

    @cached_property
    def compared(self) -> xr.Dataset:
        """All observables of all draws, side by side."""
        ours, theirs = (features_of(s, self.target, self.observables) for s in self.sets)
        for name, side in (("samples", ours), ("reference", theirs)):
            if slowest_time(side)[1]:
                self.notes.append(
                    f"chains of the {name} are shorter than a few tau_int: errors may be too small"
                )
        return compare_observables(ours, theirs)

    @cached_property
    def few(self) -> tuple[SampleSet, SampleSet]:
        """Both sets, thinned to n_max."""
        ours, theirs = self.sets
        return ours.thinned(self.n_max), theirs.thinned(self.n_max)

    @cached_property
    def features(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Features of the thinned sets; those that never vary are left out."""
        ours, theirs = (features_of(s, self.target, self.observables) for s in self.few)
        kept = [name for name in ours if np.ptp(ours[name]) > 0 or np.ptp(theirs[name]) > 0]
        return {k: ours[k] for k in kept}, {k: theirs[k] for k in kept}

    def feature_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return features, unsigned, in units of the reference's spread."""
        ours, theirs = self.features
        names = [name for name in ours if name != SIGNED]
        x, y = matrix_of(ours, names), matrix_of(theirs, names)
        spread = y.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        centre = y.mean(axis=0)
        return (x - centre) / spread, (y - centre) / spread

    def raw_points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return raw configurations."""
        return raw_points(self.few[0]), raw_points(self.few[1])

    def blocks(self, signed: bool) -> tuple[int, int]:
        """Return how many consecutive thinned draws of each set belong together."""
        found = []
        for features, draws in zip(self.features, self.few):
            chosen = {k: v for k, v in features.items() if signed or k != SIGNED}
            tau, bound = slowest_time(chosen)
            n_draws = draws.x.shape[1]
            found.append(n_draws if bound else min(n_draws, block_length(tau, len(draws))))
        return found[0], found[1]

    def permutation(self, signed: bool) -> tuple[int, slice, slice]:
        """Return one block for both sets, and the draws to use: equal numbers, if correlated."""
        block = max(self.blocks(signed))
        n, m = (len(s) for s in self.few)
        if block == 1:
            return block, slice(None), slice(None)
        least = min(n, m)
        return block, slice(n - least, n), slice(m - least, m)

    def classifier_blocks(self, signed: bool) -> tuple[int, int]:
        """Return blocks of draws that stay in one fold: whole chains, where there are enough."""
        found = []
        for draws, block in zip(self.few, self.blocks(signed)):
            n_chains, n_draws = draws.x.shape[:2]
            whole = block > 1 and n_chains >= 4 * N_FOLDS
            found.append(n_draws if whole else block)
        return found[0], found[1]


def outcome_of(name: str, pair: Pair) -> Outcome:
    """Return the row of one test."""
    return _ROWS[name](pair)


def _observables(pair: Pair) -> Outcome:
    z = np.abs(pair.compared["z"].values)
    p = math.erfc(float(z.max()) / math.sqrt(2)) * len(z)
    return Outcome(float(z.max()), 0.0, 1.0, min(1.0, p))


def _ks(pair: Pair) -> Outcome:
    p = pair.compared["ks_p"].values
    worst = int(np.argmin(p))
    return Outcome(
        float(pair.compared["ks"].values[worst]), 0.0, math.nan, min(1.0, float(p[worst]) * len(p))
    )


def _permuted(test: Callable[..., PairTest], signed: bool) -> Callable[[Pair], Outcome]:
    """Return the row of a permutation test on raw configurations (signed) or on features."""

    def row(pair: Pair) -> Outcome:
        x, y = pair.raw_points() if signed else pair.feature_points()
        block, ours, theirs = pair.permutation(signed)
        how = {"n_permutations": pair.n_permutations, "block": block, "rng": pair.rng}
        found = test(x[ours], y[theirs], **how)
        return Outcome(found.value, found.null_mean, found.null_std, found.p_value)

    return row


def _classified(signed: bool) -> Callable[[Pair], Outcome]:
    """Return the row of a classifier test."""

    def row(pair: Pair) -> Outcome:
        x, y = pair.raw_points() if signed else pair.feature_points()
        classifier = "mlp" if signed else "gbt"
        blocks = pair.classifier_blocks(signed)
        found = c2st(x, y, classifier=classifier, n_folds=N_FOLDS, block=blocks, rng=pair.rng)
        return Outcome(found.accuracy, 0.5, found.error, found.p_value)

    return row


def _stein(pair: Pair) -> Outcome:
    pair.identities = stein_identities(pair.samples.x, pair.target)
    n = float(pair.identities["n_identities"])
    T2, p = float(pair.identities["chi2"]), float(pair.identities["p_value"])
    if math.isnan(p):
        raise InputError(
            f"a joint test of {n:.0f} Stein identities needs at least {2 * n:.0f} independent "
            f"blocks of draws, got {len(pair.samples)} samples; draw more"
        )
    return Outcome(T2, n, math.sqrt(2 * n), p)


def _kernel_stein(pair: Pair) -> Outcome:
    few = pair.samples.thinned(pair.n_max)
    flat = few.flat.astype(np.float64)
    modes, force = low_modes(flat, force_of(pair.target, flat), pair.target)
    tau, bound = slowest_time({"mode": modes[:, 0].reshape(few.x.shape[:2])})
    n_draws = few.x.shape[1]
    block = n_draws if bound else min(n_draws, block_length(tau, len(few)))
    found = kernel_stein(modes, force, n_bootstrap=pair.n_permutations, block=block, rng=pair.rng)
    return Outcome(found.value, found.null_mean, found.null_std, found.p_value)


_ROWS: Mapping[str, Callable[[Pair], Outcome]] = {
    "observables": _observables,
    "ks": _ks,
    "mmd": _permuted(mmd2_test, True),
    "mmd-features": _permuted(mmd2_test, False),
    "sliced-w2": _permuted(sliced_w2_test, False),
    "energy-distance": _permuted(energy_distance_test, True),
    "c2st": _classified(False),
    "c2st-raw": _classified(True),
    "stein": _stein,
    "kernel-stein": _kernel_stein,
}
TESTS = tuple(_ROWS)

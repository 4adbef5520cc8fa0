"""Sets of samples from anywhere, and what must be true of them before they are compared.

A :class:`SampleSet` has configurations as ``(chain, draw, *event_shape)``.  Independent samples
are one chain.  Bare arrays are ``(n, *event_shape)``; where the shape of one configuration is
known (a target, a labelled partner), arrays with one more axis are ``(chain, draw,
*event_shape)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from physgen.core.arrays import real_numbers, to_numpy
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Support, outcomes
from physgen.targets.configurations import Configurations
from physgen.validation.sample_files import array_of, read_samples

__all__ = ["SampleSet", "are_identical", "check_comparable", "n_shared", "sample_set"]

LEAST = 20  # samples
MOST_COPIES = 0.01  # of real fields, of draws that repeat another one that is no neighbour


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Configurations (chain, draw, *event_shape) with their support and lattice.

    Attributes
    ----------
    x : ndarray
    support : Support
    lattice : Hypercubic or None
    """

    x: np.ndarray
    support: Support
    lattice: Any = None

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return tuple(self.x.shape[2:])

    def __len__(self) -> int:
        return self.x.shape[0] * self.x.shape[1]

    @property
    def flat(self) -> np.ndarray:
        """All configurations (n, *event_shape), chain by chain."""
        return self.x.reshape(-1, *self.event_shape)

    def thinned(self, most: int) -> SampleSet:
        """Return every t-th draw, t as small as leaves at most `most` samples; else chains."""
        if len(self) <= most:
            return self
        t = -(-len(self) // most)
        if self.x.shape[1] >= 2 * t:
            return SampleSet(self.x[:, ::t], self.support, self.lattice)
        few = self.x[:, -1:] if self.x.shape[1] > 1 else self.x
        step = -(-len(few) // most)
        return SampleSet(few[::step], self.support, self.lattice)


def sample_set(
    name: str,
    source: Any,
    *,
    target: Any = None,
    event_shape: tuple[int, ...] | None = None,
    group: str | None = None,
) -> SampleSet:
    """Return samples from anywhere as a checked set.

    Parameters
    ----------
    name : str
        What the samples are called in messages: "samples" or "reference".
    source : array, tensor, Configurations, Dataset, DataArray, SampleSet or path
        A Dataset holds the configurations that a run kept.  A path names an npy, npz, HDF5 or
        netCDF file, or a run directory.
    target : Target, optional
        Fixes shape, support and lattice.
    event_shape : tuple of int, optional
        Of one configuration, if it is known from elsewhere.
    group : str, optional
        In a file with several groups or arrays, the one to read.

    Raises
    ------
    InputError
        If shape or support do not fit, numbers are not finite, there are fewer than 20 samples,
        or they are constant or copies of one another.
    """
    support, lattice = None, getattr(target, "lattice", None)
    if target is not None:
        event_shape, support = tuple(int(n) for n in target.event_shape), target.support
    if isinstance(source, SampleSet | Configurations):
        x, support, lattice = source.x, support or source.support, lattice or source.lattice
    else:
        x = _array(name, source, event_shape, group)
    if event_shape is not None and tuple(x.shape[2:]) != event_shape:
        raise InputError(
            f"{name} must be configurations of shape {event_shape}, got {tuple(x.shape[2:])}; is "
            "it another system, or another lattice size?"
        )
    if x.shape[0] * x.shape[1] < LEAST or 0 in x.shape:
        raise InputError(
            f"{name} must be at least {LEAST} configurations, got "
            f"{x.shape[0] * x.shape[1]} of shape {tuple(x.shape[2:])}; draw more"
        )
    if not np.isfinite(x).all():
        raise InputError(f"{name} must be finite numbers, got NaN or infinity")
    given = support or _support(x)
    _check_support(name, x, given)
    found = SampleSet(x, given, lattice)
    _check_spread(name, found)
    return found


def check_comparable(samples: SampleSet, reference: SampleSet) -> None:
    """Raise InputError if two sets are of different shape or support."""
    if samples.event_shape != reference.event_shape:
        raise InputError(
            "samples and reference must be configurations of one shape, got "
            f"{samples.event_shape} and {reference.event_shape}; are they of one system?"
        )
    if samples.support.kind != reference.support.kind:
        raise InputError(
            "samples and reference must have one support, got "
            f"{samples.support.kind} and {reference.support.kind}; round or convert the samples "
            "first, and say so"
        )


def are_identical(samples: SampleSet, reference: SampleSet) -> bool:
    """Whether two sets hold the same configurations, in any order."""
    if len(samples) != len(reference):
        return False
    a, b = samples.flat, reference.flat
    if np.array_equal(a, b):
        return True
    return bool(np.array_equal(np.sort(_keys(samples)), np.sort(_keys(reference))))


def n_shared(samples: SampleSet, reference: SampleSet) -> int:
    """Return how many of the samples are in the reference as well."""
    return int(np.isin(_keys(samples), _keys(reference)).sum())


def _keys(samples: SampleSet) -> np.ndarray:
    """Return a number for each configuration, the same for equal ones and hardly for others.

    Integer arithmetic: rounding may differ from place to place.
    """
    flat = samples.flat.reshape(len(samples), -1)
    factors = np.random.default_rng(0).integers(2**63, size=flat.shape[1], dtype=np.uint64) | 1
    found = np.empty(len(flat), np.uint64)
    for i in range(0, len(flat), 4096):
        rows = flat[i : i + 4096].astype(np.float64) + 0.0  # -0 becomes 0
        found[i : i + 4096] = (_mixed(rows.view(np.uint64)) * factors).sum(axis=1)
    return found


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Return words with bits of every place in every place, one to one (SplitMix64).

    Spins and other small integers differ in their highest bits alone, which no product moves down.
    """
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _array(
    name: str, source: Any, event_shape: tuple[int, ...] | None, group: str | None
) -> np.ndarray:
    """Return an array (chain, draw, *event_shape)."""
    if isinstance(source, str | PathLike):
        source = read_samples(source, group)
    found, labelled = array_of(name, source)
    x = to_numpy(real_numbers(name, found))
    if labelled:
        return x
    if event_shape is not None and x.ndim == len(event_shape) + 2:
        return x
    if x.ndim < 2:
        raise InputError(
            f"{name} must be an array (n, ...) or (chain, draw, ...) of configurations, got shape "
            f"{x.shape}; give x[:, None] for single numbers"
        )
    return x[None]


def _support(x: np.ndarray) -> Support:
    if x.dtype.kind in "iub":
        if (np.abs(x.astype(np.int64)) == 1).all():
            return SPINS
        if x.min() >= 0:
            return outcomes(int(x.max()) + 1)
    return SPINS if (np.abs(x) == 1).all() else REALS


def _check_support(name: str, x: np.ndarray, support: Support) -> None:
    if support == REALS and (np.abs(x) == 1).all():
        raise InputError(
            f"{name} must be real fields, got nothing but -1 and +1: they are spins, of another "
            "target"
        )
    if support == SPINS and not (np.abs(x) == 1).all():
        raise InputError(
            f"{name} must be spins -1 and +1, got {x.min():g} to {x.max():g}; for bits 0 and 1 "
            "give 2 * x - 1"
        )
    if support.K is not None and not ((x == np.round(x)) & (x >= 0) & (x < support.K)).all():
        raise InputError(
            f"{name} must be outcomes 0 to {support.K - 1}, got {x.min():g} to {x.max():g}"
        )


def _check_spread(name: str, samples: SampleSet) -> None:
    """Refuse constant samples, and copies among real fields, which no continuous law has."""
    flat = samples.flat.reshape(len(samples), -1)
    if (flat == flat[0]).all():
        raise InputError(
            f"{name} must vary, got {len(flat)} copies of one configuration; a model that always "
            "gives the same has collapsed"
        )
    if samples.support.kind != "reals":
        return
    keys = _keys(samples).reshape(samples.x.shape[:2])
    stays = np.zeros(keys.shape, bool)
    stays[:, 1:] = keys[:, 1:] == keys[:, :-1]  # a rejected proposal
    moved = keys[~stays]
    copies = 1 - len(np.unique(moved)) / len(moved)
    if copies > MOST_COPIES or len(np.unique(moved)) < LEAST:
        raise InputError(
            f"{name} must be draws, got {len(np.unique(moved))} different configurations among "
            f"{len(flat)}; remove the copies (of resampling, or of a model that has memorised)"
        )

r"""Physics features: a few numbers of each configuration in which flaws of samples show.

====================== ==========================================================================
magnetization          :math:`m = \frac1V \sum_x \phi_x`; only for z-scores, as its sign may be
                       free
abs_magnetization      :math:`|m|`
phi2                   :math:`\frac1V \sum_x \phi_x^2`, of real fields
bond_product           mean of :math:`\phi_x \phi_y` over neighbours
structure_factor_kmin  S(k) at the smallest momenta, averaged over the axes
action                 S / V, if a target is given
frequency_a            share of outcome a = 1..K-1, of strings of outcomes
equal_neighbours       share of neighbours with equal outcomes
====================== ==========================================================================

Without a lattice, neighbours are those along the axes of the array, around the edges; a test holds
for any function of a configuration, and this one costs nothing to try.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.lattice.hypercubic import Hypercubic
from physgen.observables.evaluate import values_of
from physgen.validation.sample_sets import SampleSet

__all__ = ["SIGNED", "features_of", "matrix_of", "raw_points"]

SIGNED = "magnetization"
CHUNK = 8192  # configurations in float64 at a time


def features_of(
    samples: SampleSet,
    target: Any = None,
    observables: Mapping[str, Callable[[Any], Any]] | None = None,
) -> dict[str, np.ndarray]:
    """Return the features of every configuration, each of shape (chain, draw).

    Parameters
    ----------
    samples : SampleSet
    target : Target, optional
        Its action becomes a feature.
    observables : mapping of str to callable, optional
        More features: functions of configurations (n, *event_shape) that return n numbers.
    """
    flat = samples.flat
    parts = [
        _of_part(flat[i : i + CHUNK], samples, target, observables or {})
        for i in range(0, len(flat), CHUNK)
    ]
    return {
        name: np.concatenate([part[name] for part in parts]).reshape(samples.x.shape[:2])
        for name in parts[0]
    }


def _of_part(
    x: np.ndarray,
    samples: SampleSet,
    target: Any,
    observables: Mapping[str, Callable[[Any], Any]],
) -> dict[str, np.ndarray]:
    """Return the features of some configurations, each of shape (n,)."""
    kind = samples.support.kind
    found = _of_outcomes(x, samples) if kind == "outcomes" else _of_numbers(x, samples)
    if target is not None and callable(getattr(target, "action", None)):
        S = to_numpy(target.action(x)).astype(np.float64) / np.prod(samples.event_shape)
        if not np.isfinite(S).all():
            raise InputError("the action must be finite on all samples, got NaN or infinity")
        found["action"] = S
    for name, function in observables.items():
        values = values_of(name, function, x, kind)
        if values.ndim != 1:
            raise InputError(
                f"observable {name!r} must return one number a configuration, got shape "
                f"{values.shape}; choose a component"
            )
        found[name] = values
    return found


def matrix_of(features: Mapping[str, np.ndarray], names: list[str]) -> np.ndarray:
    """Return features as points (n, n_features), float64."""
    return np.stack([features[name].ravel() for name in names], axis=1)


def raw_points(samples: SampleSet) -> np.ndarray:
    """Return configurations as points (n, d): numbers, or one-hot outcomes; float32."""
    flat = samples.flat.reshape(len(samples), -1)
    if samples.support.K is None:
        return flat.astype(np.float32)
    hot = flat[..., None] == np.arange(samples.support.K)
    return hot.reshape(len(flat), -1).astype(np.float32)


def _of_numbers(x: np.ndarray, samples: SampleSet) -> dict[str, np.ndarray]:
    x = x.astype(np.float64)
    axes = tuple(range(1, x.ndim))
    m = x.mean(axis=axes)
    found = {SIGNED: m, "abs_magnetization": np.abs(m)}
    if samples.support.kind == "reals":
        found["phi2"] = (x**2).mean(axis=axes)
    lattice = samples.lattice
    extents = x.shape[1:]
    if isinstance(lattice, Hypercubic) and lattice.shape == extents and lattice.n_bonds:
        found["bond_product"] = to_numpy(lattice.bond_sum(x)) / lattice.n_bonds
    else:
        long = [axis for axis in axes if x.shape[axis] > 1]
        if long:
            found["bond_product"] = np.mean(
                [(x * np.roll(x, 1, axis=axis)).mean(axis=axes) for axis in long], axis=0
            )
    found |= _structure(x)
    return found


def _structure(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return S at the smallest momenta of the longest axes."""
    axes = tuple(range(1, x.ndim))
    L = max(x.shape[1:])
    if L < 2:
        return {}
    wave = np.exp(2j * np.pi * np.arange(L) / L)
    total = []
    for axis in axes:
        if x.shape[axis] == L:
            others = tuple(a for a in axes if a != axis)
            profile = x.sum(axis=others) if others else x
            total.append(np.abs(profile @ wave) ** 2)
    return {"structure_factor_kmin": np.mean(total, axis=0) / np.prod(x.shape[1:])}


def _of_outcomes(x: np.ndarray, samples: SampleSet) -> dict[str, np.ndarray]:
    axes = tuple(range(1, x.ndim))
    K = samples.support.K or 2
    found = {f"frequency_{a}": (x == a).mean(axis=axes) for a in range(1, K)}
    if x.shape[-1] > 1:
        found["equal_neighbours"] = (x[..., 1:] == x[..., :-1]).mean(axis=axes)
    return found

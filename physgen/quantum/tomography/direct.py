r"""Unbiased fidelity, purity and entropy directly from the shots, without a reconstructed state.

With :math:`D_j = \bigotimes_i D_{a_{ji}}`, the dual of a string seen :math:`f_j n` times,

.. math:: \langle\psi|\rho|\psi\rangle = \sum_j f_j \langle\psi|D_j|\psi\rangle, \qquad
          \mathrm{Tr} \rho^2 \approx \frac{1}{n (n-1)} \sum_{s \ne t} \mathrm{Tr}(D_s D_t) .

*Fidelity* with a pure state is linear in the shots: a mean of independent numbers, with the usual
standard error.  *Purity* is a sum over pairs of *different* shots.  The square of the inverted
matrix also includes the pairs of a shot with itself, and is too large by

.. math:: \mathrm{Tr} \rho_\mathrm{lin}^2 - \text{purity} = \frac1n \Big( \overline{\mathrm{Tr}
          D^2} - \text{purity} \Big), \qquad \mathrm{Tr} D^2 = 5^L \text{ for pauli-6 and
          tetrahedral:}

0.39 for 6 qubits and 40,000 shots.  If settings were chosen, only pairs of shots in one setting
have this problem, and the same correction is made in each setting.

*Error of the purity.*  The standard error of the mean of :math:`2 q_s`, with :math:`q_s` the
average of :math:`\mathrm{Tr}(D_s D_t)` over the other shots t (the jackknife).  It counts the
noise of single pairs twice, so it is too large by up to sqrt 2 where this noise dominates, near
the mixed state.

These estimates leave their physical range by chance.  ``*_unphysical`` flags a value outside by
more than z standard errors; the probability of a false alarm is at most 1e-3 for all values of one
quantity.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.quantum.data import MeasurementData
from physgen.quantum.estimators import FALSE_ALARM
from physgen.quantum.randomness import FALSE_ALARM as RANDOM_FALSE_ALARM
from physgen.quantum.randomness import random_p
from physgen.quantum.site_povm import of_outcomes
from physgen.quantum.tomography.frequencies import Counts, count
from physgen.quantum.tomography.functionals import as_target
from physgen.quantum.tomography.inversion import dual_factors
from physgen.quantum.tomography.pauli_basis import to_pauli
from physgen.quantum.tomography.strings import StringSums
from physgen.quantum.tomography.tables import LEVELS, add_entropy, add_number, empty_table

__all__ = ["add_with_flag", "direct_estimates", "mean_over_shots", "pair_purity"]


def direct_estimates(
    data: MeasurementData | Counts,
    target: Any = None,
    *,
    blocks: Sequence[Sequence[int]] = (),
) -> xr.Dataset:
    """Estimate fidelity, purity and Rényi-2 entropy from the shots alone.

    Parameters
    ----------
    data : MeasurementData or Counts
        At most 10 sites in an informationally complete POVM; at least 2 shots a chosen setting.
    target : MPS, DensityMatrix or array_like, optional
        The *pure* target state of the fidelity; an array has shape (2^L,) or (2^L, 2^L).
    blocks : sequence of sequences of int
        Blocks of sites for the purity and entropy of reduced states.

    Returns
    -------
    Dataset
        ``fidelity_squared`` (with a target), ``purity``, ``renyi2``, and ``block_purity``,
        ``block_renyi2`` (block); each with ``*_error`` and ``*_interval`` (level, bound) at 68 %
        and 95 %; ``*_unphysical`` (0 or 1) for all except the entropies; ``purity_of_inversion``,
        which is biased upwards.  An entropy is NaN if the purity is not positive; a bound is
        infinite if the bound of the purity is not positive.  ``attrs["warnings"]`` says so if the
        settings are not labelled and do not look as if they had been drawn at random.

    Raises
    ------
    InputError
        If a setting has one shot only, or the target is mixed.
    """
    counts = count(data)
    if counts.shots_of_group.min() < 2:
        raise InputError("every setting must have at least 2 shots for an error, got one with 1")
    sums = StringSums(counts.strings, dual_factors(counts.povm))
    L = counts.L
    ds = empty_table(
        blocks,
        {
            "estimator": "duals: mean over shots, and over pairs of shots",
            "exactness": "asymptotic",
            "errors": "standard error of the mean; jackknife over shots",
            "n": counts.n,
            "povm": counts.povm.name,
            "unphysical_level": FALSE_ALARM,
            "warnings": _not_random(data),
        },
    )
    if target is not None:
        goal = as_target(target, L)
        if not goal.is_pure:
            raise InputError(
                "a direct fidelity must be that with a pure target, got a mixed one; use "
                "bootstrap_estimates, whose states have one with any target"
            )
        terms = sums.strings(to_pauli(goal.sigma)) / 2**L
        value, error = mean_over_shots(counts, terms)
        add_with_flag(ds, "fidelity_squared", np.array(value), np.array(error), np.array(0.0))
    total, error, plain = pair_purity(counts, sums)
    bounds = add_with_flag(ds, "purity", np.array(total), np.array(error), np.array(0.5**L))
    add_entropy(ds, "renyi2", np.array(total), np.array(error), bounds)
    if len(blocks):
        value, error, _ = np.transpose([pair_purity(counts.restricted(b)) for b in blocks])
        least = 0.5 ** np.array([len(b) for b in blocks])
        bounds = add_with_flag(ds, "block_purity", value, error, least)
        add_entropy(ds, "block_renyi2", value, error, bounds)
    ds["purity_of_inversion"] = ((), plain, {"units": "1", "long_name": "Tr rho_lin^2"})
    return ds


def _not_random(data: MeasurementData | Counts) -> str:
    """Return that settings without labels do not look random, or ""."""
    if not isinstance(data, MeasurementData) or data.settings is not None:
        return ""
    bases, told = data.povm.bases, str(data.attrs.get("settings", ""))
    if bases is None or told.startswith("random"):  # tested, or stated, when imported
        return ""
    p = random_p(bases.of[data.outcomes], bases)
    if p >= RANDOM_FALSE_ALARM:
        return ""
    return (
        f"the settings do not look random (p = {p:.2g}), and are not labelled: give "
        "MeasurementData settings, such as label_settings(bases), or the numbers may be wrong"
    )


def mean_over_shots(counts: Counts, values: np.ndarray) -> tuple[float, float]:
    """Return the mean of one number for each string, weighted for chosen settings, and its error.

    The error is for independent shots within each setting.
    """
    group, shots = counts.group, counts.shots_of_group
    of_group = np.bincount(group, counts.counts * values) / shots
    scatter = np.bincount(group, counts.counts * (values - of_group[group]) ** 2)
    variance, share = scatter / (shots - 1) / shots, counts.share_of_group
    return float(share @ of_group), float(np.sqrt(share**2 @ variance))


def pair_purity(counts: Counts, sums: StringSums | None = None) -> tuple[float, float, float]:
    """Return the purity over pairs of shots, its error, and the purity of the inverted matrix."""
    sums = sums or StringSums(counts.strings, dual_factors(counts.povm))
    d = 2**counts.L
    r = sums.pauli(counts.frequencies)
    plain = float(r @ r) / d
    with_all = sums.strings(r) / d  # Tr(rho_lin D_j)
    T = np.einsum("...aij,...bji->...ab", counts.povm.duals, counts.povm.duals).real
    own_product = np.diagonal(T, axis1=-2, axis2=-1)
    with_self = of_outcomes(own_product, counts.strings).prod(axis=1)  # Tr(D_j^2)
    with_group = _within_settings(counts, T) if counts.by_setting else with_all
    shots = counts.shots_of_group
    # Contribution of a shot's pair with itself to its average over its setting.
    own = (with_self - with_group) * (counts.share_of_group / (shots - 1))[counts.group]
    total = plain - float(counts.frequencies @ own)
    _, error = mean_over_shots(counts, 2 * (with_all - own))
    if counts.n == 2 and not counts.by_setting:
        error = np.nan  # both shots have the same average, over each other
    return total, error, plain


def _within_settings(counts: Counts, T: np.ndarray) -> np.ndarray:
    """Return the mean of Tr(D_j D_t) over the shots t in the setting of string j, shape (m,)."""
    mean, site = np.empty(len(counts.strings)), np.arange(counts.L)
    order = np.argsort(counts.group, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(counts.group))[:-1]):
        a, n = counts.strings[rows], counts.counts[rows]
        pairs = T[site, a[:, None], a[None]] if T.ndim == 3 else T[a[:, None], a[None]]
        mean[rows] = pairs.prod(axis=2) @ n / n.sum()
    return mean


def add_with_flag(
    ds: xr.Dataset, name: str, value: np.ndarray, error: np.ndarray, lowest: np.ndarray
) -> np.ndarray:
    """Add a quantity in the range [lowest, 1] with its flag; return bounds of its intervals."""
    z = np.array([NormalDist().inv_cdf((1 + level) / 2) for level in LEVELS])
    sides = z[:, None] * np.array([-1.0, 1.0])
    bounds = value[..., None, None] + error[..., None, None] * sides
    add_number(ds, name, value, error, bounds)
    outside = np.maximum(value - 1.0, lowest - value)
    cut = NormalDist().inv_cdf(1 - FALSE_ALARM / value.size)
    ds[f"{name}_unphysical"] = (
        ds[name].dims,
        (outside > cut * error + 1e-12).astype(np.int8),
        {"long_name": f"1 where {name} is outside its range by more than {cut:.2f} errors"},
    )
    return bounds

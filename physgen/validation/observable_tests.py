r"""Observables of two sample sets: differences in units of their errors, and whole marginals.

.. math:: z = \frac{\bar O_\mathrm{samples} - \bar O_\mathrm{reference}}
                   {\sqrt{\sigma_\mathrm{samples}^2 + \sigma_\mathrm{reference}^2}} , \qquad
          D = \sup_o | F_\mathrm{samples}(o) - F_\mathrm{reference}(o) | ,

with errors that know the autocorrelation of each set.  The Kolmogorov-Smirnov distance D is judged
at the effective numbers of draws n / (2 tau_int); for observables with few values it is
conservative.  Observables of one configuration are correlated, so the smallest of their p-values
is multiplied by their number (Bonferroni), not combined as if they were independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.autocorrelation import tau_int
from physgen.analysis.errors import mean_estimate
from physgen.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["compare_observables", "ks_distance", "slowest_time"]


def compare_observables(
    samples: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
) -> xr.Dataset:
    """Return the observables of both sets, side by side.

    Parameters
    ----------
    samples, reference : mapping of str to array (n_chains, n_draws)
        The same names.

    Returns
    -------
    Dataset
        By ``observable``: ``mean``, ``error``, ``tau_int`` and ``n_effective`` of the samples, the
        same of the reference with the prefix ``reference_``; ``z``; ``ks`` and ``ks_p``.

    Raises
    ------
    InputError
        If samples and reference have different observables.
    """
    import xarray as xr

    if list(samples) != list(reference):
        raise InputError(
            f"observables of samples and reference must be the same, got {list(samples)} and "
            f"{list(reference)}"
        )
    rows: dict[str, list[float]] = {}
    for name in samples:
        ours, theirs = _summary(samples[name]), _summary(reference[name])
        ks, p = ks_distance(samples[name], reference[name], ours[3], theirs[3])
        difference, error = ours[0] - theirs[0], math.hypot(ours[1], theirs[1])
        z = (
            0.0
            if difference == 0
            else (difference / error if error else math.copysign(math.inf, difference))
        )
        values = dict(zip(("mean", "error", "tau_int", "n_effective"), ours))
        values |= dict(
            zip(
                (
                    "reference_mean",
                    "reference_error",
                    "reference_tau_int",
                    "reference_n_effective",
                ),
                theirs,
            )
        )
        for key, value in (values | {"z": z, "ks": ks, "ks_p": p}).items():
            rows.setdefault(key, []).append(value)
    return xr.Dataset(
        {
            key: ("observable", np.array(v), {"units": _UNITS.get(key, "1")})
            for key, v in rows.items()
        },
        coords={"observable": list(samples)},
    )


_UNITS = {"tau_int": "draws", "reference_tau_int": "draws"}


def ks_distance(
    x: np.ndarray, y: np.ndarray, n_x: float | None = None, n_y: float | None = None
) -> tuple[float, float]:
    """Return the Kolmogorov-Smirnov distance of two sets of numbers, and its p-value.

    Parameters
    ----------
    x, y : arrays
    n_x, n_y : float, optional
        Effective numbers of draws; by default those of the arrays.
    """
    from scipy.special import kolmogorov

    a, b = np.sort(x, axis=None), np.sort(y, axis=None)
    every = np.concatenate([a, b])
    below = [np.searchsorted(side, every, side="right") / len(side) for side in (a, b)]
    D = float(np.abs(below[0] - below[1]).max())
    n_x, n_y = n_x or a.size, n_y or b.size
    root = math.sqrt(n_x * n_y / (n_x + n_y))
    return D, float(kolmogorov(D * (root + 0.12 + 0.11 / root)))  # Stephens (1970)


def slowest_time(features: Mapping[str, np.ndarray]) -> tuple[float, bool]:
    """Return the longest tau_int of features (n_chains, n_draws), and whether it is a lower bound.

    A time that is not significantly longer than 1/2 (independent draws) counts as 1/2.
    """
    slowest, bound = 0.5, False
    for values in features.values():
        if values.shape[1] < 2:
            continue
        found = tau_int(values)
        if math.isfinite(found.value) and found.value - 2 * found.error > 0.5:
            bound |= found.lower_bound
            slowest = max(slowest, found.value)
    return slowest, bound


def _summary(x: np.ndarray) -> tuple[float, float, float, float]:
    """Return mean, error, tau_int and the effective number of draws of one observable."""
    estimate = mean_estimate(x)
    tau = tau_int(x).value if x.shape[1] > 1 else 0.5
    tau = tau if math.isfinite(tau) else 0.5
    error = estimate.error if math.isfinite(estimate.error) else 0.0
    return estimate.value, error, tau, x.size / max(2 * tau, 1.0)

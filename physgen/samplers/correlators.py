r"""Correlators of a run as curves: G(t), the effective mass and G~(p), over distance and momentum.

:func:`~physgen.samplers.estimates` lists them line by line; here each is one array with its error,

.. math:: G(t) \;(t = 0 \dots T/2), \qquad m_{\rm eff}(t) \;(t = 0 \dots T/2 - 1), \qquad
          \tilde G(p_n) \;(p_n = 2 \pi n / T), \qquad \xi .

The points of a curve come from the same draws and are correlated with each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CURVES", "correlators", "curves_of"]

# Of each curve: its dim, its unit, and what it is.
CURVES = {
    "correlator": ("distance", "1", "connected correlator of zero-momentum slices"),
    "effective_mass": ("distance", "1 / lattice spacing", "effective mass"),
    "propagator": ("momentum", "1", "connected propagator"),
}


def correlators(estimates: xr.Dataset) -> xr.Dataset:
    """Return the correlators of a table of estimates, as curves.

    Parameters
    ----------
    estimates : Dataset
        Of `estimates` or `importance`, of draws that recorded ``correlator`` or ``propagator``.

    Returns
    -------
    Dataset
        Dims ``distance`` (lattice spacings) and ``momentum`` (2 pi n / T): correlator,
        effective_mass (NaN at T/2, and where none exists), propagator, each with its ``_error``,
        and correlation_length.

    Raises
    ------
    InputError
        If the table has no correlator.

    Examples
    --------
    >>> from physgen.samplers import ExactDraws, estimates, run
    >>> from physgen.targets import Ising
    >>> draws = run(ExactDraws(), Ising(4, beta=0.2), n_chains=64, n_draws=9, seed=1,
    ...             observables=["correlator"])
    >>> dict(correlators(estimates(draws)).sizes)
    {'distance': 3}
    """
    if "quantity" not in getattr(estimates, "dims", ()):
        raise InputError(
            f"correlators needs a table of `estimates`, got {type(estimates).__name__}; pass "
            "estimates(draws)"
        )
    columns = (estimates[name].values for name in ("quantity", "value", "error"))
    row: dict[str, float] = {}
    for name, value, error in zip(*columns):
        row |= {str(name): float(value), f"{name}_error": float(error)}
    T = max(int(n) for n in np.atleast_1d(estimates.attrs.get("lattice_shape", 0)))
    found = curves_of(row, T)
    if not found.data_vars:
        raise InputError(
            "correlators needs draws that recorded one, got the quantities "
            f"{', '.join(row)[:80]}...; pass observables=['magnetization', 'correlator', "
            "'propagator'] to run"
        )
    keep = ("target", "exactness", "exactness_for", "sampler", "seed", "warnings")
    return found.assign_attrs({k: estimates.attrs[k] for k in keep if k in estimates.attrs})


def curves_of(row: Mapping[str, float], T: int) -> xr.Dataset:
    """Return the curves of one row of numbers by name: ``correlator[3]``, its ``_error``, ...

    Parameters
    ----------
    row : mapping of str to float
    T : int
        Extent of the axis.
    """
    import xarray as xr

    half = T // 2 + 1
    data: dict[str, Any] = {}
    for name, (dim, unit, text) in CURVES.items():
        if f"{name}[0]" not in row:
            continue
        for tail, words in (("", text), ("_error", f"standard error of the {text}")):
            values = [row.get(f"{name}[{k}]{tail}", np.nan) for k in range(half)]
            data[f"{name}{tail}"] = (dim, values, {"units": unit, "long_name": words})
    if data and "correlation_length" in row:
        for tail, words in (("", ""), ("_error", "standard error of the ")):
            labels = {"units": "lattice spacing", "long_name": f"{words}correlation length"}
            data[f"correlation_length{tail}"] = ((), row[f"correlation_length{tail}"], labels)
    used = {dim for dim, *_ in data.values() if dim}
    spacing = {"units": "lattice spacing"}
    coords: dict[str, Any] = {
        "distance": ("distance", np.arange(half), spacing),
        "momentum": ("momentum", 2 * np.pi * np.arange(half) / T, {"units": "1"}),
    }
    return xr.Dataset(data, {dim: coords[dim] for dim in coords if dim in used})

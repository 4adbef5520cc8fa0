r"""The numbers of a run, with errors.

Means of series, and functions of means (:mod:`physgen.samplers.quantities`): the Γ-method or
spread of the chains, and the jackknife over chains, or over blocks of fewer than 64 chains.
Weighted draws are ratios of means, :math:`\langle O w \rangle / \langle w \rangle`, whose two
parts the jackknife leaves out together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physgen.analysis.autocorrelation import tau_int
from physgen.analysis.convergence import r_hat
from physgen.analysis.errors import mean_estimate
from physgen.analysis.format import pull
from physgen.analysis.jackknife import jackknife
from physgen.analysis.reweighting import reweight
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.samplers.ensemble import Ensemble, Quantity, ensemble_of
from physgen.samplers.quantities import quantities_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["estimates"]

_NUMBERS = ("value", "error", "tau_int", "tau_int_error", "ess", "r_hat")


def estimates(
    ds: xr.Dataset,
    exact: Mapping[str, float | tuple[float, float]] | xr.Dataset | None = None,
    *,
    beta: float | None = None,
) -> xr.Dataset:
    """Return the quantities of a run with standard errors.

    Parameters
    ----------
    ds : Dataset
        From `run`, or from `importance` with ``keep="draws"``, with weights that are then used; of
        tempered chains one replica, ``ds.sel(beta=...)``.
    exact : mapping of name to value or (value, error), or Dataset, optional
        Reference values; adds ``reference``, ``reference_error`` and ``pull``.  Of a Dataset from
        the oracles of `physgen.exact`, the variables named like a quantity are used.
    beta : float, optional
        Reweight to this inverse temperature, near the one of the run, which must have recorded its
        energy; ess then counts the draws that still matter (:mod:`physgen.analysis.reweighting`).

    Returns
    -------
    Dataset
        Dim ``quantity``: value, error, tau_int with its error (draws, of the slowest series that
        enters), ess, r_hat, unit and estimator.  Energies give energy_per_site and
        specific_heat; an action, action_per_site; a magnetization, itself and abs_magnetization,
        susceptibility, chi_abs and binder, and correlation_length where structure_factor_kmin
        was recorded; the correlator, its connected part correlator[t] and effective_mass[t]; the
        propagator, propagator[n] at p = 2 pi n / T, and correlation_length; any other observable,
        its mean, or the mean of each component, G[0], G[1].  NaN: no such length or mass exists.

    Raises
    ------
    InputError
        If the Dataset is not a run, or holds estimates already, or has a dim beside chain and
        draw, or `beta` is too far away.
    """
    import xarray as xr

    rows: dict[str, list[Any]] = {key: [] for key in (*_NUMBERS, "unit", "estimator")}
    names = []
    if "quantity" in getattr(ds, "dims", ()):
        raise InputError(
            "estimates must be given draws, got a table of estimates; read its value and error, "
            "and of `importance` keep the draws with keep='draws' to have them again"
        )
    weighted = getattr(ds, "attrs", {}).get("weights") == "importance"
    if weighted and beta is not None:
        raise InputError("weighted draws cannot be reweighted to another beta; draw there instead")
    delta = None
    if weighted:
        delta, ds = -ds["log_weight"].transpose("chain", "draw").values, ds.drop_vars("log_weight")
    of = ensemble_of(ds)
    if beta is not None:
        delta = _delta_action(ds, of, beta)
        ds, of = ds.assign_coords(beta=float(beta)), of._replace(beta=float(beta))
    coupled = ds.attrs.get("chains") == "coupled"
    for q in map(_as_one if coupled else lambda q: q, quantities_of(of)):
        found = _estimate(q, delta)
        names.append(q.name)
        tau = tau_int(q.slow)
        ess = q.slow.size / (2 * tau.value) if found.ess is None else found.ess
        numbers = (found.value, found.error, tau.value, tau.error, ess, r_hat(q.slow))
        for key, value in zip(_NUMBERS, numbers):
            rows[key].append(float(value))
        rows["unit"].append(q.unit)
        rows["estimator"].append(f"{q.estimator}; {found.method}")
    keep = ("target", "exactness", "exactness_for", "sampler", "thin", "seed", "warnings",
            "forward_check", "event_shape", "lattice_shape")  # fmt: skip
    table = xr.Dataset(
        {key: ("quantity", np.array(values)) for key, values in rows.items()},
        {"quantity": names, **{k: v for k, v in ds.coords.items() if v.ndim == 0}},
        {k: ds.attrs[k] for k in keep if k in ds.attrs}
        | {"n_chains": ds.sizes["chain"], "n_draws": ds.sizes["draw"]},
    )
    table["tau_int"].attrs = {"units": "draws", "definition": "1/2 + sum rho"}
    table["ess"].attrs = {"definition": "n / (2 tau_int)"}
    return table if exact is None else _with_reference(table, exact)


class _Found(NamedTuple):
    value: float
    error: float
    method: str
    ess: float | None = None


def _estimate(q: Quantity, delta: np.ndarray | None) -> _Found:
    if delta is not None:
        found = reweight(delta, *q.series, function=q.function)
        return _Found(found.value, found.error, "reweighted, jackknife", found.ess)
    if q.function is None:
        return _Found(*mean_estimate(q.series[0]))
    value, error, how = jackknife(q.function, *q.series)
    return _Found(value, error, f"jackknife over {how.replace('binning', 'blocks')}")


def _as_one(q: Quantity) -> Quantity:
    """Return a quantity of coupled chains as that of one series: their mean."""
    series = tuple(a.mean(axis=0, keepdims=True) for a in q.series)
    return q._replace(series=series, slow=q.slow.mean(axis=0, keepdims=True))


def _delta_action(ds: xr.Dataset, of: Ensemble, beta: float) -> np.ndarray:
    """Return S' - S of every draw, for another inverse temperature."""
    if "energy" not in of.series or of.beta is None or ds.attrs.get("chains") == "coupled":
        raise InputError(
            "reweighting in beta needs the energy of independent chains and the coord beta, got "
            f"variables {', '.join(map(str, ds.data_vars))}"
        )
    return (check_finite("beta", beta) - of.beta) * of.series["energy"]


def _with_reference(
    table: xr.Dataset, exact: Mapping[str, float | tuple[float, float]] | xr.Dataset
) -> xr.Dataset:
    import xarray as xr

    names = [str(name) for name in table["quantity"].values]
    if isinstance(exact, xr.Dataset):
        exact = {name: value for name in names if (value := _of(exact, name)) is not None}
    if unknown := sorted(set(exact) - set(names)):
        raise InputError(
            f"exact must name quantities among {', '.join(names)}; got {unknown[0]!r}"
        )
    rows = []
    for name in names:
        given = exact.get(name, math.nan)
        value, error = given if isinstance(given, tuple) else (given, 0.0)
        if not all(isinstance(number, Real) for number in (value, error)):
            raise InputError(
                f"exact must be numbers or (value, error), got {given!r} for {name!r}"
            )
        row = table.sel(quantity=name)
        total = math.hypot(float(row["error"]), error)
        known = math.isfinite(value)
        rows.append((value, error, pull(float(row["value"]), value, total) if known else math.nan))
    columns = zip(("reference", "reference_error", "pull"), np.array(rows).T)
    return table.assign({name: ("quantity", values) for name, values in columns})


def _of(exact: xr.Dataset, name: str) -> float | None:
    """Return the exact value of a quantity, or of a component of one, G[3]."""
    whole, _, place = name.partition("[")
    if whole not in exact:
        return None
    values = exact[whole].values
    index = tuple(int(k) for k in place.rstrip("]").split(",")) if place else ()
    if values.ndim != len(index) or any(k >= n for k, n in zip(index, values.shape)):
        return None
    return float(values[index])

r"""The numbers of a run, with errors.

Means, and functions of means (the jackknife over chains, or over blocks of fewer than 64 chains):

.. math:: \frac{\langle E \rangle}{V}, \quad
          c = \beta^2 \frac{\langle E^2 \rangle - \langle E \rangle^2}{V}, \quad
          \langle m \rangle, \quad \langle |m| \rangle, \quad
          \chi = V (\langle m^2 \rangle - \langle m \rangle^2), \quad
          \chi_{\rm abs} = V (\langle m^2 \rangle - \langle |m| \rangle^2), \\
          U = 1 - \frac{\langle m^4 \rangle}{3 \langle m^2 \rangle^2}, \quad
          \xi = \frac{1}{2 \sin(\pi / L)} \sqrt{\frac{\chi}{\langle S(k_{\min}) \rangle} - 1} .

Where a symmetry of the target makes :math:`\langle m \rangle = 0`, :math:`\chi` uses this zero:
the measured mean is noise, and in a broken phase it reflects the signs of the chains (chi and xi
then keep their symmetric-phase form and include the order itself).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
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
from physgen.observables.moments import (
    binder,
    chi_abs,
    second_moment_correlation_length,
    specific_heat,
    susceptibility,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["estimates"]

_NUMBERS = ("value", "error", "tau_int", "tau_int_error", "ess", "r_hat")


class _Quantity(NamedTuple):
    """What to estimate: a function of the means of series; tau_int is reported for `slow`."""

    name: str
    unit: str
    estimator: str
    series: tuple[np.ndarray, ...]
    slow: np.ndarray
    function: Callable[..., Any] | None = None


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
        was recorded; any other observable, its mean, or the mean of each component, G[0], G[1].

    Raises
    ------
    InputError
        If the Dataset is not a run, or has a dim beside chain and draw, or `beta` is too far away.
    """
    import xarray as xr

    rows: dict[str, list[Any]] = {key: [] for key in (*_NUMBERS, "unit", "estimator")}
    names = []
    weighted = getattr(ds, "attrs", {}).get("weights") == "importance"
    if weighted and beta is not None:
        raise InputError("weighted draws cannot be reweighted to another beta; draw there instead")
    delta = None if beta is None else _delta_action(ds, beta)
    if weighted:
        delta, ds = -ds["log_weight"].transpose("chain", "draw").values, ds.drop_vars("log_weight")
    if beta is not None:
        ds = ds.assign_coords(beta=float(beta))
    for q in _quantities(ds):
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
            "forward_check")  # fmt: skip
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


def _estimate(q: _Quantity, delta: np.ndarray | None) -> _Found:
    if delta is not None:
        found = reweight(delta, *q.series, function=q.function)
        return _Found(found.value, found.error, "reweighted, jackknife", found.ess)
    if q.function is None:
        return _Found(*mean_estimate(q.series[0]))
    value, error, how = jackknife(q.function, *q.series)
    return _Found(value, error, f"jackknife over {how.replace('binning', 'blocks')}")


def _delta_action(ds: xr.Dataset, beta: float) -> np.ndarray:
    """Return S' - S of every draw, for another inverse temperature."""
    if "energy" not in ds or "beta" not in ds.coords or ds.attrs.get("chains") == "coupled":
        raise InputError(
            "reweighting in beta needs the energy of independent chains and the coord beta, got "
            f"variables {', '.join(map(str, ds.data_vars))}"
        )
    return (check_finite("beta", beta) - float(ds["beta"])) * _series(ds)["energy"]


def _quantities(ds: xr.Dataset) -> Iterator[_Quantity]:
    x = _series(ds)
    shape = [int(n) for n in np.atleast_1d(ds.attrs["event_shape"])]
    V = math.prod(shape)
    coupled = ds.attrs.get("chains") == "coupled"

    def over_chains(a: np.ndarray) -> np.ndarray:
        return a.mean(axis=0, keepdims=True) if coupled else a

    for name, a in x.items():
        attrs = ds[name.split("[")[0]].attrs
        if name == "energy":
            unit = attrs.get("units", "J")
            yield _Quantity(
                "energy_per_site", unit, "<E> / V", (over_chains(a / V),), over_chains(a)
            )
            if "beta" in ds.coords:
                # Fluctuations do not depend on the origin of E; small squares round less.
                E = a - a.mean()
                beta = float(ds["beta"])
                yield _Quantity(
                    "specific_heat",
                    "k_B",
                    "beta^2 (<E^2> - <E>^2) / V",
                    (over_chains(E), over_chains(E**2)),
                    over_chains(E**2),
                    lambda e, e2, beta=beta: specific_heat(e, e2, beta, V),
                )
        elif name == "action":
            yield _Quantity(
                "action_per_site", "1", "<S> / V", (over_chains(a / V),), over_chains(a)
            )
        elif name == "magnetization":
            kmin = x.get("structure_factor_kmin")
            parts = _magnetic(a, kmin, V, max(shape), "z2" in str(ds.attrs.get("symmetries", "")))
            for q in parts:
                series = tuple(over_chains(s) for s in q.series)
                yield q._replace(series=series, slow=over_chains(q.slow))
        else:
            unit = str(attrs.get("units", "1"))
            yield _Quantity(name, unit, f"<{name}>", (over_chains(a),), over_chains(a))


def _magnetic(
    m: np.ndarray, kmin: np.ndarray | None, V: int, L: int, z2: bool
) -> Iterator[_Quantity]:
    """Yield the quantities that follow from the magnetization per site."""
    abs_m, m2 = np.abs(m), m**2
    yield _Quantity("magnetization", "1", "<m>", (m,), m)
    yield _Quantity("abs_magnetization", "1", "<|m|>", (abs_m,), abs_m)
    if z2:
        how = "V <m^2>, <m> = 0 by symmetry"
        yield _Quantity(
            "susceptibility", "1", how, (m2,), m2, lambda m2: susceptibility(0.0, m2, V)
        )
    else:
        how = "V (<m^2> - <m>^2)"
        yield _Quantity(
            "susceptibility", "1", how, (m, m2), m2, lambda m, m2: susceptibility(m, m2, V)
        )
    spread = (abs_m - abs_m.mean()) ** 2
    how = "V (<m^2> - <|m|>^2)"
    yield _Quantity("chi_abs", "1", how, (abs_m, m2), spread, lambda a, m2: chi_abs(a, m2, V))
    how = "1 - <m^4> / (3 <m^2>^2)"
    yield _Quantity("binder", "1", how, (m2, m2**2), m2, binder)
    if kmin is not None:
        how = "sqrt(chi / <S(k_min)> - 1) / (2 sin(pi / L))"

        def xi(chi: Any, S: Any) -> Any:
            return second_moment_correlation_length(chi, S, L)

        if z2:
            yield _Quantity("correlation_length", "lattice spacing", how, (V * m2, kmin), m2, xi)
        else:
            yield _Quantity(
                "correlation_length",
                "lattice spacing",
                how,
                (m, m2, kmin),
                m2,
                lambda m, m2, S: xi(susceptibility(m, m2, V), S),
            )


def _series(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the observables, each of shape (n_chains, n_draws)."""
    if not hasattr(ds, "data_vars"):
        raise InputError(f"estimates needs a Dataset as `run` returns it, got {ds!r}")
    if not {"chain", "draw"} <= set(ds.sizes) or "event_shape" not in ds.attrs:
        raise InputError(
            "estimates needs a Dataset as `run` returns it, with dims chain and draw and the attr "
            f"event_shape, got dims {tuple(ds.sizes)}"
        )
    found = {}
    for name in ds.data_vars:
        dims = set(ds[name].dims)
        if name == "configurations" or not {"chain", "draw"} <= dims:
            continue
        extra = [str(d) for d in ds[name].dims if d not in ("chain", "draw")]
        if extra and not all(d.startswith(f"{name}_") for d in extra):
            raise InputError(
                f"estimates takes one replica at a time, got dim {extra[0]!r}; choose with "
                f"ds.sel({extra[0]}=...)"
            )
        values = ds[name].transpose("chain", "draw", *extra).values
        for place in np.ndindex(values.shape[2:]):  # the components of an observable
            label = f"[{','.join(map(str, place))}]" if place else ""
            found[f"{name}{label}"] = values[(slice(None), slice(None), *place)]
    return found


def _with_reference(
    table: xr.Dataset, exact: Mapping[str, float | tuple[float, float]] | xr.Dataset
) -> xr.Dataset:
    import xarray as xr

    names = [str(name) for name in table["quantity"].values]
    if isinstance(exact, xr.Dataset):
        exact = {name: float(exact[name]) for name in names if name in exact}
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

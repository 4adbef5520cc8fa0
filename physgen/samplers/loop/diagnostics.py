"""Convergence diagnostics of a run, and the tests that may refuse it.

:mod:`physgen.samplers.loop.agreement` describes the tests and what they cannot see.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from physgen.analysis.autocorrelation import MANY_CHAINS, tau_int
from physgen.analysis.convergence import r_hat
from physgen.core.errors import ChainTooShortError
from physgen.observables.evaluate import is_component
from physgen.samplers.loop.agreement import ODD, drift_p, even_observables, hot_cold_p

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MIN_LENGTH", "check", "diagnose", "stuck_chains"]

FALSE_ALARM = 1e-3  # of all tests of a run together
MAX_R_HAT = 1.01  # few chains; Vehtari et al. 2021
MIN_LENGTH = 50  # draws of a chain, in tau_int; few chains


def diagnose(ds: xr.Dataset) -> xr.Dataset:
    """Return the convergence diagnostics of every observable of a run.

    Parameters
    ----------
    ds : Dataset
        As `run` returns it.

    Returns
    -------
    Dataset
        Dim ``quantity``: tau_int with its error and whether it is a lower_bound, ess, r_hat, and
        the p-values hot_cold_p and drift_p.
    """
    import xarray as xr

    rows: dict[str, list[float]] = {}
    names = []
    for name, x in _series(ds):
        names.append(name)
        tau = tau_int(x)
        row = {
            "tau_int": tau.value,
            "tau_int_error": tau.error,
            "lower_bound": tau.lower_bound,
            "ess": x.size / (2 * tau.value),
            "r_hat": r_hat(x),
            "hot_cold_p": 1.0,
            "drift_p": drift_p(x),
        }
        if len(x) == ds.sizes["chain"] and "start" in ds.coords:
            start = ds["start"].values
            if set(start) == {"hot", "cold"}:
                row["hot_cold_p"] = hot_cold_p(x, start == "hot")
        for key, value in row.items():
            rows.setdefault(key, []).append(value)
    return xr.Dataset(
        {key: ("quantity", np.array(values)) for key, values in rows.items()},
        {"quantity": names},
    )


def check(ds: xr.Dataset, *, quiet: bool = False) -> xr.Dataset:
    """Return `ds` with its diagnostics in the attrs of each variable, if it can be trusted.

    With 64 chains or more, the tests of this module decide; errors come from the spread of the
    chains, so chains may be as short as tau_int.  With fewer, R-hat <= 1.01 and chains of at least
    50 tau_int are required as well.

    Parameters
    ----------
    ds : Dataset
        The concatenated blocks of a run.
    quiet : bool
        Write ``attrs["warnings"]`` (a line each) instead of raising.

    Raises
    ------
    ChainTooShortError
        If a test fails.
    """
    found = diagnose(ds)
    table = {
        str(name): {str(k): float(v) for k, v in found.sel(quantity=name).data_vars.items()}
        for name in found["quantity"].values
    }
    warnings = [line for line in str(ds.attrs.get("warnings", "")).split("\n") if line]
    if ds.attrs.get("exactness") != "exact":
        warnings += _complaints(ds, table)
    ds = ds.assign_attrs(warnings="\n".join(warnings))
    for name in ds.data_vars:
        row = table.get(str(name)) or table.get(f"|{name}|") or _slowest_part(table, str(name))
        if row is not None:
            keys = ("tau_int", "tau_int_error", "ess", "r_hat")
            ds[name].attrs |= {key: row[key] for key in keys}
            ds[name].attrs["tau_int_is_lower_bound"] = int(row["lower_bound"])
    if warnings and not quiet:
        raise ChainTooShortError(
            f"{'; '.join(warnings)}. Draw more, take a sampler that decorrelates faster, or pass "
            "quiet=True to keep the draws with these words as warnings (here they are in "
            "error.draws)",
            _slowest(table),
            _draws_needed(ds.sizes["chain"], ds.sizes["draw"], table),
            ds,
        )
    return ds


def stuck_chains(accepted: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the chains that never moved and, by the others' acceptance, should have.

    Parameters
    ----------
    accepted : ndarray, shape (n_chains,)
        Mean acceptance of each chain over `n_steps` steps.
    n_steps : int
    """
    never = np.flatnonzero(accepted == 0)
    moving = float(accepted.mean())
    by_chance = len(accepted) * (1 - moving) ** n_steps  # of any chain that can move
    return never if moving == 0 or by_chance < 1e-6 else never[:0]


def _slowest_part(
    table: Mapping[str, Mapping[str, float]], name: str
) -> Mapping[str, float] | None:
    """Return the row of the component of an observable with the fewest independent draws."""
    parts = [row for key, row in table.items() if key.startswith(f"{name}[")]
    return min(parts, key=lambda row: row["ess"] if row["ess"] > 0 else math.inf, default=None)


def _complaints(ds: xr.Dataset, table: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = []
    z2 = "z2" in _symmetries(ds)
    even = {k: v for k, v in table.items() if not (z2 and k.split("[")[0] in ODD)}
    threshold = FALSE_ALARM / (2 * max(len(even), 1))
    few = ds.sizes["chain"] < MANY_CHAINS or ds.attrs.get("chains") == "coupled"
    n_draws = ds.sizes["draw"]
    for name, row in even.items():
        if row["hot_cold_p"] < threshold:
            lines.append(f"hot and cold starts disagree in {name} (p = {row['hot_cold_p']:.1g})")
        if row["drift_p"] < threshold:
            lines.append(f"{name} still drifts (p = {row['drift_p']:.1g})")
        if few and row["r_hat"] > MAX_R_HAT:
            lines.append(f"r_hat of {name} is {row['r_hat']:.3f} > {MAX_R_HAT}")
        if few and (row["lower_bound"] or n_draws < MIN_LENGTH * row["tau_int"]):
            at_least = ">= " if row["lower_bound"] else ""
            known = f"{at_least}{row['tau_int']:.3g}" if row["tau_int"] > 0 else "unknown"
            lines.append(
                f"{n_draws} draws a chain are fewer than {MIN_LENGTH} tau_int of {name} "
                f"(tau_int {known})"
            )
    if "acceptance_rate" in ds and ds.sizes["draw"]:
        rate = ds["acceptance_rate"].values
        stuck = stuck_chains(rate, n_draws * int(ds.attrs.get("thin", 1)))
        if len(stuck):
            lines.append(
                f"{len(stuck)} of {len(rate)} chains never moved, the first is {stuck[0]}"
            )
    return lines


def _draws_needed(n_chains: int, n: int, table: Mapping[str, Mapping[str, float]]) -> int:
    """Return the draws per chain that would probably suffice, after n that did not."""
    tau = _slowest(table)
    if n_chains >= MANY_CHAINS or math.isnan(tau):
        return 2 * n
    # R-hat^2 - 1 falls as 1 / n, and is 4 tau_int / n; half as many again for its noise.
    excess = [row["r_hat"] ** 2 - 1 for row in table.values() if math.isfinite(row["r_hat"])]
    by_r_hat = 1.5 * n * max(excess, default=0.0) / (MAX_R_HAT**2 - 1)
    return max(math.ceil(200 * tau), math.ceil(min(by_r_hat, 100 * n)), n + 1)


def _slowest(table: Mapping[str, Mapping[str, float]]) -> float:
    return max((r["tau_int"] for r in table.values() if r["tau_int"] > 0), default=math.nan)


def _symmetries(ds: xr.Dataset) -> str:
    return str(ds.attrs.get("symmetries", ""))


def _series(ds: xr.Dataset) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the series of a run, |m| after m; coupled chains as the one series of their mean."""
    for name in ds.data_vars:
        a = ds[name]
        extra = [d for d in a.dims if d not in ("chain", "draw")]
        if {"chain", "draw"} - set(a.dims) or name == "configurations":
            continue
        stacked = a.transpose("chain", "draw", *extra).values.reshape(*a.shape[:2], -1)
        labels = _labels(str(name), ds, extra, stacked.shape[2], tuple(ds.sizes[d] for d in extra))
        for k, label in enumerate(labels):
            plain = {str(name): stacked[:, :, k]}
            for key, x in (plain | even_observables(plain, _symmetries(ds))).items():
                coupled = ds.attrs.get("chains") == "coupled"
                yield key + label, x.mean(axis=0, keepdims=True) if coupled else x


def _labels(name: str, ds: xr.Dataset, extra: list, n: int, shape: tuple[int, ...]) -> list[str]:
    """Return what tells the components of an observable, or its replicas, apart."""
    if not extra:
        return [""]
    if is_component(name, str(extra[0])):
        return [f"[{','.join(map(str, place))}]" for place in np.ndindex(shape)]
    values = ds[extra[0]].values if len(extra) == 1 else range(n)
    return [f"[{extra[0]}={v:g}]" for v in values]

"""The numbers of all points side by side: weighted draws, Markov chains, exact values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from physgen.analysis.format import pull
from physgen.core.declared import declared
from physgen.samplers import estimates
from physgen.workflow.neural.config import Config
from physgen.workflow.neural.points import Points
from physgen.workflow.target.exact import exact_of
from physgen.workflow.target.quantities import WEIGHTS, attrs

__all__ = ["exact_log_z", "table", "verdict"]


def exact_log_z(target: Any) -> float:
    """Return log Z, NaN where it is not known."""
    return exact_of(target).get("log_z", math.nan)


def table(config: Config, read: Mapping[str, Mapping[str, xr.Dataset]]) -> xr.Dataset:
    """Return every number of every point.

    Dims ``point`` and ``quantity``: value and error of the weighted draws, of the Markov chains
    (``chains``) and what is exact, with pulls; by point log Z from all sources, the quality of the
    weights, and CPU seconds of training.  Quantities that a point lacks are NaN.
    """
    axes = Points(config)
    found = list(axes)
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for point in found:
        groups, target = read[point.group], point.target
        drawn = _by_name(target, estimates(groups["draws"]))
        weighted = _absolute(target, groups["draws"]) | drawn
        chains = _by_name(target, groups["chains"]) if "value" in groups["chains"] else {}
        exact = exact_of(point.target)
        rows.append({
            "weighted": weighted, "chains": chains,
            "exact": exact | _exact_absolute(point.target, exact),
        })  # fmt: skip
        names += [name for name in weighted if name not in names]
    shape = (len(found), len(names))
    columns = ("value", "error", "chains", "chains_error", "exact", "pull_chains", "pull_exact")
    grid = {column: np.full(shape, np.nan) for column in columns}
    for i, row in enumerate(rows):
        for j, name in enumerate(names):
            value, error = row["weighted"].get(name, (math.nan, math.nan))
            other, other_error = row["chains"].get(name, (math.nan, math.nan))
            exact = row["exact"].get(name, math.nan)
            grid["value"][i, j], grid["error"][i, j] = value, error
            grid["chains"][i, j], grid["chains_error"][i, j] = other, other_error
            grid["exact"][i, j] = exact
            grid["pull_chains"][i, j] = pull(value, other, math.hypot(error, other_error))
            grid["pull_exact"][i, j] = pull(value, exact, error)
    data: dict[str, Any] = {k: (("point", "quantity"), v) for k, v in grid.items()}
    for name in (name for each in WEIGHTS for name in (each, f"{each}_error")):
        if all(name in read[p.group]["draws"] for p in found):
            values = [float(read[p.group]["draws"][name]) for p in found]
            data[name] = ("point", values, attrs(name))
    for name in ("log_z", "log_z_error"):
        smc = [float(read[p.group]["chains"].get(name, math.nan)) for p in found]
        data[f"smc_{name}"] = ("point", smc)
    data["exact_log_z"] = ("point", [row["exact"].get("log_z", math.nan) for row in rows])
    data["cpu_seconds"] = (
        "point", [float(read[p.group]["model"].attrs["cpu_seconds"]) for p in found],
        {"units": "s", "long_name": "training"},
    )  # fmt: skip
    data["n_sites"] = ("point", [math.prod(p.target.event_shape) for p in found])
    nan = math.nan
    coords = {
        "quantity": names,
        "L": ("point", [nan if p.L is None else float(p.L) for p in found]),
        "coupling": ("point", [nan if p.value is None else p.value for p in found]),
        "group": ("point", [p.group for p in found]),
    }
    lines = [
        f"{p.text}: {line}"
        for p in found
        for line in str(read[p.group]["draws"].attrs["warnings"]).split("\n")
        if line
    ]
    about = {"title": axes.title, "coupling": axes.coupling, "warnings": "\n".join(lines)}
    return xr.Dataset(data, coords, about)


def verdict(table: xr.Dataset) -> str:
    """Return one line: the worst share, and how log Z agrees with what is known."""
    told = [f"ESS {float(table['ess_share'].min()):.3f} at worst"]
    for name, error, words in (
        ("exact_log_z", 0.0, "exact log Z"),
        ("smc_log_z", table["smc_log_z_error"], "SMC"),
    ):
        off = (table["log_z"] - table[name]) / np.hypot(table["log_z_error"], error)
        if bool(np.isfinite(off).any()):
            told.append(f"log Z within {float(np.abs(off).max()):.1f} errors of {words}")
    return "; ".join(told)


def _absolute(target: Any, draws: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return what a chain does not give, by site: F = -log Z / beta where there is one, and S."""
    V, beta = math.prod(target.event_shape), getattr(target, "beta", None)
    log_z, log_z_error, entropy, entropy_error = (
        float(draws[k]) / V for k in ("log_z", "log_z_error", "entropy", "entropy_error")
    )
    found = {"entropy_per_site": (entropy, entropy_error)}
    if beta:
        found["free_energy_per_site"] = (-log_z / beta, log_z_error / beta)
    return found


def _exact_absolute(target: Any, exact: Mapping[str, float]) -> dict[str, float]:
    """Return the same from what is known exactly, as far as it is."""
    V, beta = math.prod(target.event_shape), getattr(target, "beta", None)
    if "log_z" not in exact:
        return {}
    log_z = exact["log_z"] / V
    found = {}
    if beta:
        found["free_energy_per_site"] = -log_z / beta
        if "energy_per_site" in exact:
            found["entropy_per_site"] = beta * exact["energy_per_site"] + log_z
    elif "action_per_site" in exact:
        found["entropy_per_site"] = exact["action_per_site"] + log_z
    return found


def _by_name(target: Any, found: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Return (value, error) by quantity.

    Where a symmetry makes the magnetization zero, the sign of chains is the one they started with.
    """
    hidden = {"log_weight"} | ({"magnetization"} if declared(target).is_even else set())
    names = map(str, found["quantity"].values)
    pairs = zip(names, found["value"].values, found["error"].values)
    return {n: (float(v), float(e)) for n, v, e in pairs if n not in hidden}

"""From what every generator drew to numbers with errors, and what to make of them together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.analysis.reweighting import MIN_ESS
from physgen.core.declared import declared, site_shape
from physgen.samplers import estimates
from physgen.samplers.coupling_errors import with_coupling_errors
from physgen.workflow.context import Context
from physgen.workflow.lattice import chains, energies, learning
from physgen.workflow.lattice.crossing import crossings
from physgen.workflow.lattice.energies import COVARIANCE
from physgen.workflow.lattice.generators import TERMS, Chains, Generator, Given, Learned
from physgen.workflow.lattice.grid import joint, quantities
from physgen.workflow.lattice.points import Scan
from physgen.workflow.target.exact import is_square_ising
from physgen.workflow.target.quantities import WEIGHTS

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "crossings_of",
    "drawn",
    "estimate",
    "least",
    "log_z",
    "read",
    "verdict",
    "warnings",
    "with_absolute",
]

MERITS = [name for name in WEIGHTS if name not in ("log_z", "free_energy", "entropy")]


def read(context: Context, point: Generator) -> xr.Dataset:
    """Return what a point drew, without configurations."""
    if isinstance(point, Chains | Given):
        return chains.read(context, point.group)
    if isinstance(point, Learned) and point.section.is_energy:
        return energies.read(context, point)
    if not isinstance(point, Learned):
        return context.store.read(point.group)
    draws = context.store.read(f"{point.group}/draws")
    told = [*warnings(draws), *learning.said(context, point)]
    if "log_z" in draws and not draws.attrs.get("refused") and not _are_enough(draws):
        told.append(f"fewer than {MIN_ESS:g} effective draws: observables are left out")
    return draws.assign_attrs(warnings="\n".join(told))


def estimate(point: Generator, draws: xr.Dataset) -> dict[str, float]:
    """Return the estimates of a point, each with its error, and its figures of merit."""
    if isinstance(point, Chains | Given):
        return _of_chains(draws)
    if isinstance(point, Learned) and point.section.is_energy:
        return _of_energy(draws)
    if isinstance(point, Learned):
        weighted = "log_z" in draws
        return _of_weights(draws, point.target) if weighted else _of_draws(draws)
    known = {name: float(draws[name]) for name in ("log_z", "log_z_error")}
    # Of weighted particles no number of independent draws is known.
    return with_absolute(point.target, known) | {"ess": math.nan}


def warnings(draws: xr.Dataset) -> list[str]:
    """Return what speaks against the numbers of a point, line by line."""
    return list(filter(None, str(draws.attrs.get("warnings", "")).split("\n")))


def log_z(context: Context, point: Generator) -> tuple[float, float]:
    """Return log Z by sequential Monte Carlo, with its error."""
    ds = context.store.read(point.group)
    return float(ds["log_z"]), float(ds["log_z_error"])


def with_absolute(target: Any, known: Mapping[str, float]) -> dict[str, float]:
    """Return numbers with those that follow from log Z, by site.

    The free energy -log Z / (beta V) where the target has a beta, and the entropy
    (<S> + log Z) / V; errors stand for free energies alone.
    """
    found, V = dict(known), math.prod(site_shape(target))
    if "log_z" not in known:
        return found
    log_z, beta = known["log_z"] / V, declared(target).numbers.get("beta")
    if beta:
        found["free_energy_per_site"] = -log_z / beta
        if "log_z_error" in known:
            found["free_energy_per_site_error"] = known["log_z_error"] / V / beta
        if "energy_per_site" in known:
            found.setdefault("entropy_per_site", beta * known["energy_per_site"] + log_z)
    elif "action_per_site" in known:
        found.setdefault("entropy_per_site", known["action_per_site"] + log_z)
    return found


def _of_chains(draws: xr.Dataset) -> dict[str, float]:
    table = _shown(draws.drop_vars([TERMS, COVARIANCE], errors="ignore"))
    if COVARIANCE in draws:
        series = draws.drop_vars([TERMS, COVARIANCE])
        terms = draws[TERMS].transpose("chain", "draw", ...).values
        table = with_coupling_errors(table, series, terms, draws[COVARIANCE].values)
    row = _row(table)
    slowest = int(np.argmax(np.nan_to_num(table["tau_int"].values, nan=-1.0)))
    for name in ("tau_int", "tau_int_error", "ess"):
        row[name] = float(table[name].values[slowest])
    hats = table["r_hat"].values
    row["r_hat"] = float(np.nanmax(hats)) if np.isfinite(hats).any() else np.nan
    if "acceptance_rate" in draws:
        row["acceptance_rate"] = float(draws["acceptance_rate"].mean())
    return row


def _of_energy(draws: xr.Dataset) -> dict[str, float]:
    """Return the estimates of the chains of an energy, and how well weights could correct them.

    The numbers are those of the model; a share near 1 says that its action is the true one.
    """
    if draws.attrs.get("refused"):
        return {"ess_share": 0.0}
    row = _of_chains(draws.drop_vars("log_weight", errors="ignore"))
    if "log_weight" in draws:
        log_w = draws["log_weight"].transpose("chain", "draw").values
        row |= {"ess_share": weights.ess(log_w), "k_hat": weights.pareto_k(log_w)}
    return row


def drawn(context: Context, points: Iterable[Learned]) -> str:
    """Return one line: how well the draws of every model are weighed."""
    shares: list[float] = []
    for point in points:
        draws = read(context, point)
        if "log_weight" in draws:
            log_w = draws["log_weight"].values
            shares.append(
                float(draws["ess_share"]) if "ess_share" in draws else weights.ess(log_w)
            )
    known = [f"{share:.3f}" for share in shares if math.isfinite(share)]
    return f"effective share {', '.join(known)}" if known else "draws without weights"


def _of_weights(draws: xr.Dataset, target: Any) -> dict[str, float]:
    merits = {name: float(draws[name]) for name in MERITS if name in draws}
    if draws.attrs.get("refused"):
        return merits
    V = math.prod(site_shape(target))
    row = (_row(_shown(draws)) if _are_enough(draws) else {}) | merits
    row |= {name: float(draws[name]) for name in ("log_z", "log_z_error")}
    row["entropy_per_site"] = float(draws["entropy"]) / V
    row["entropy_per_site_error"] = float(draws["entropy_error"]) / V
    return with_absolute(target, row) | {"ess": merits["ess_share"] * draws.attrs["n"]}


def _are_enough(draws: xr.Dataset) -> bool:
    """Whether so many weighted draws count that means of observables have an error."""
    return bool(draws.attrs["n"] * float(draws["ess_reverse"]) >= MIN_ESS)


def _of_draws(draws: xr.Dataset) -> dict[str, float]:
    """Return the estimates of independent draws without weights."""
    return _row(_shown(draws)) | {"ess": float(draws.attrs["n"])}


def _shown(draws: xr.Dataset) -> xr.Dataset:
    """Return the estimates that a run shows and is judged by.

    Where a symmetry makes the magnetization zero on average its sign is left out: in a broken
    phase chains keep theirs, and the mean over chains is right by their starts alone.
    """
    table = estimates(draws)
    hidden = ["log_weight"]
    if "z2" in str(draws.attrs.get("symmetries", "")).split():
        hidden.append("magnetization")
    return table.sel(quantity=~table["quantity"].isin(hidden))


def _row(table: xr.Dataset) -> dict[str, float]:
    """Return the values and errors of a table."""
    row: dict[str, float] = {}
    columns = (table[name].values for name in ("quantity", "value", "error"))
    for name, value, error in zip(*columns):
        row |= {str(name): float(value), f"{name}_error": float(error)}
    return row


def least(exactness: Iterable[str]) -> str:
    """Return the least that can be said of all points: approximate before asymptotic."""
    found = set(exactness)
    return next((word for word in ("approximate", "asymptotic") if word in found), "exact")


def crossings_of(context: Context, scan: Scan, grid: xr.Dataset) -> xr.Dataset | None:
    """Return where the Binder cumulants of neighbouring sizes cross, by the first sampler."""
    many = len(scan.extents) > 1 and len(scan.values) > 1
    if "binder" not in grid or not many or not scan.samplers:
        return None
    first = grid.isel(generator=0)
    groups = {place.at: next(scan.chains(place)).group for place in scan.places()}
    found = crossings(
        [L for L in scan.extents if L],
        np.array([v for v in scan.values if v is not None]),
        first["binder"].values,
        first["binder_error"].values,
        lambda i, j: chains.read(context, groups[i, j]),
        reweight=is_square_ising(scan),
    )
    return found if found.sizes["pair"] else None


def verdict(grid: xr.Dataset, side_by_side: xr.Dataset | None) -> str:
    """Return one line: how well the points agree with what is known."""
    told: list[str] = []
    if "ess_share" in grid:
        told.append(f"effective share {np.nanmin(grid['ess_share'].values):.3f} at worst")
    for name in quantities(grid):
        if f"{name}_pull" in grid:
            chi2, n, _ = joint(grid[f"{name}_pull"].values)
            long_name = grid[name].attrs["long_name"]
            told.append(f"{long_name} chi^2 = {chi2:.1f} for {n} exact values")
    if side_by_side is not None and not any("chi^2" in text for text in told):
        chi2, n, _ = joint(side_by_side["pull"].values)
        told.append(f"generators differ by chi^2 = {chi2:.1f} in {n} comparisons")
    return "; ".join(told) or f"{grid.sizes['generator']} generators"

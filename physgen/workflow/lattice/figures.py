"""The figures of a run over a lattice target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.workflow.job import Figure
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.points import Scan
from physgen.workflow.summary import dataset_of, needed
from physgen.workflow.target.exact import BINDER_CRITICAL, critical_coupling

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Drawing

__all__ = ["FIGURES"]

_BARS = "Bars are one standard error."
_LOG = ("chi_abs",)


def _estimates(tree: xr.DataTree, name: str) -> xr.Dataset | None:
    """Return the estimates of the generators that have a quantity along a coupling."""
    grid = needed(tree, "estimates")
    if name not in grid or grid[name].shape[2] < 2:
        return None  # one coupling is a row of the table, not a curve
    has = np.isfinite(grid[name].values).any(axis=(1, 2))
    return grid.isel(generator=np.flatnonzero(has)) if has.any() else None


def _curve(name: str) -> Any:
    """Return what draws one quantity along the scan."""

    def plot(tree: xr.DataTree, config: Config) -> Drawing | None:
        from physgen.plotting import plot_scan

        grid = _estimates(tree, name)
        if grid is None:
            return None
        critical, exact = critical_coupling(Scan(config)), dataset_of(tree, "exact")
        return plot_scan(grid, name, exact, critical=critical, log=name in _LOG)

    return plot


def _binder(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_binder

    grid, critical = _estimates(tree, "binder"), critical_coupling(Scan(config))
    if grid is None or grid.sizes["L"] < 2:
        return None
    known = None if critical is None else {"coupling": critical, "binder": BINDER_CRITICAL}
    return plot_binder(grid, dataset_of(tree, "crossings"), critical=known)


def _correlators(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_correlators

    found = needed(tree, "correlators")
    return plot_correlators(found) if "correlator" in found else None


def _tau_int(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_tau_int

    grid = _estimates(tree, "tau_int")
    return None if grid is None else plot_tau_int(grid)


def _agreement(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_agreement

    grid = needed(tree, "estimates")
    if _estimates(tree, "tau_int") is None:
        return None  # no chains, or no scan
    return plot_agreement(grid, needed(tree, "agreement"))


def _training(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_ess_curve

    found: dict[str, xr.Dataset] = {}
    for _, text, group in _models(config):
        history = dataset_of(tree, f"{group}/training")
        if history is not None and "ess" in history and history["ess"].size:
            found[text] = history
    return plot_ess_curve(found) if found else None


def _weights(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_weights

    model: dict[str, np.ndarray] = {}
    target: dict[str, np.ndarray] = {}
    for _, text, group in _models(config):
        draws = dataset_of(tree, f"{group}/draws")
        if draws is None or "log_weight" not in draws or "log_z" not in draws:
            continue
        log_z = float(draws["log_z"])
        model[text] = draws["log_weight"].values.ravel() - log_z
        if "sample_log_weight" in draws:
            target[text] = draws["sample_log_weight"].values - log_z
    return plot_weights(model, target) if model else None


def _features(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_features

    found = {
        text: ds
        for _, text, group in _models(config)
        if (ds := dataset_of(tree, f"{group}/features")) is not None
    }
    return plot_features(found) if found else None


def _strip(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_strip

    found: dict[str, xr.Dataset] = {}
    for label, _, group in _models(config):
        ds = None if label in found else dataset_of(tree, f"{group}/path")
        if ds is not None:
            found[label] = ds
    return plot_strip(found) if found else None


def _mixing(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_mixing

    found: dict[str, tuple[xr.Dataset, xr.Dataset | None]] = {}
    for _, text, group in _models(config):
        history = dataset_of(tree, f"{group}/training")
        if history is not None and "tau" in history and history.attrs.get("k"):
            found[text] = history, dataset_of(tree, f"{group}/along")
    return plot_mixing(found) if found else None


def _models(config: Config) -> list[tuple[str, str, str]]:
    """Return (label, words, group) of every model of the run."""
    scan = Scan(config)
    return [(p.label, p.text, p.group) for place in scan.places() for p in scan.learned(place)]


def _side_by_side(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_side_by_side

    if not _models(config):
        return None
    grid = needed(tree, "estimates")
    return plot_side_by_side(grid, dataset_of(tree, "agreement"))


def _free_energy(tree: xr.DataTree, config: Config) -> Drawing | None:
    from physgen.plotting import plot_free_energy

    grid = _estimates(tree, "log_z")
    return None if grid is None else plot_free_energy(grid)


_E = ("estimates",)
FIGURES = (
    Figure(
        "comparison",
        "comparison:plot_comparison",
        "Families side by side. Left, observables of the draws as they are (open) and weighted "
        "for the target (filled), relative to the baseline. Middle, the divergence from the "
        "target, where the model has a density. Right, how often a classifier tells draws from "
        "configurations of the baseline; at the line it cannot.",
        ("comparison",),
        wide=True,
    ),
    Figure(
        "training",
        _training,
        "Effective share of held-out draws as training goes and, where log Z is known, the "
        "divergence of the model from the target.",
    ),
    Figure(
        "weights",
        _weights,
        "Log weights about log Z: filled, of draws of the model; outline, of Markov chain "
        "configurations of the target. What only the outline reaches is missing from the model.",
        wide=True,
    ),
    Figure(
        "couplings",
        "couplings:plot_couplings",
        "Learned couplings less those of the target, with standard errors, in units of the error "
        "that maximum likelihood has on the same configurations (band).",
        ("couplings",),
    ),
    Figure(
        "strip",
        _strip,
        "Two draws of each model at its first point, at every step of the flow from noise "
        "(left) to fields (right), noise at the size of the field. Where odd sites are integrated "
        "out, they are drawn at the end and shown under equal noise before.",
        wide=True,
    ),
    Figure(
        "features",
        _features,
        "Left, singular values of the weights W, or spreads of the components of latents: modes "
        "above the bulk were learned. Right, the "
        "first of these features against the magnetization of configurations; of a flow, the "
        "zero mode of the latents.",
        wide=True,
    ),
    Figure(
        "mixing",
        _mixing,
        "Steps that the chains of the negative phase need to forget where they were, as training "
        "goes (lines), and steps after which chains from two starts agree, for snapshots of the "
        "weights (marks; hollow, lower bounds). Above k, the steps of an update (dashed), a model "
        "is out of equilibrium.",
    ),
    Figure(
        "observables",
        _side_by_side,
        "Every quantity in units of its error: of each generator from the first one (dots) and, "
        "where they are known, from exact values (diamonds); one mark for each point.",
        _E,
    ),
    Figure(
        "free_energy",
        _free_energy,
        "Free energy along the scan, and log Z less the exact value or sequential Monte Carlo "
        f"(band). {_BARS}",
        _E,
    ),
    Figure(
        "binder",
        _binder,
        "Binder cumulant U_L over the whole scan, and near the place where curves of neighbouring "
        "sizes cross (orange, with errors; the numbers are L, L' and the crossing). Dotted, what "
        "is known of the critical point.",
        _E,
        wide=True,
    ),
    Figure(
        "energy_per_site",
        _curve("energy_per_site"),
        f"Energy per site. {_BARS} Lines are exact: for each L (Kaufman), and dashed for the "
        "infinite lattice (Onsager). Below, the distance from the exact value in units of the "
        "error.",
        _E,
    ),
    Figure("action_per_site", _curve("action_per_site"), f"Action per site. {_BARS}", _E),
    Figure(
        "specific_heat",
        _curve("specific_heat"),
        f"Specific heat, from the fluctuation of the energy. {_BARS} Lines are exact; for the "
        "infinite lattice it diverges logarithmically.",
        _E,
    ),
    Figure(
        "abs_magnetization",
        _curve("abs_magnetization"),
        f"Mean modulus of the magnetization. {_BARS} Dashed, where it is known, the spontaneous "
        "magnetization of the infinite lattice (Yang).",
        _E,
    ),
    Figure(
        "chi_abs",
        _curve("chi_abs"),
        f"Susceptibility of |m|, which peaks near the transition. {_BARS}",
        _E,
    ),
    Figure(
        "correlation_length",
        _curve("correlation_length"),
        f"Second-moment correlation length. {_BARS}",
        _E,
    ),
    Figure(
        "correlators",
        _correlators,
        "Connected correlator of slices at zero momentum, and its effective mass on the periodic "
        f"axis. {_BARS} Lines, where they are known, are exact.",
        ("correlators",),
    ),
    Figure("phi2", _curve("phi2"), f"Mean square of the field at one site. {_BARS}", _E),
    Figure(
        "tau_int",
        _tau_int,
        "Integrated autocorrelation time of the slowest observable, in draws, and its growth with "
        "L at the slowest point of the scan.",
        _E,
        wide=True,
    ),
    Figure(
        "agreement",
        _agreement,
        "Difference of the generators at every point of the scan, in units of its standard error, "
        "and the spread of all of them beside the normal distribution (black).",
        ("estimates", "agreement"),
        wide=True,
    ),
)

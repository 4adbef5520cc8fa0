"""Which figures a neural run has, drawn from its file as far as it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from physgen.workflow.loading import config_of_run
from physgen.workflow.neural.points import Points
from physgen.workflow.summary import dataset_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CAPTIONS", "WIDE", "draw_figures"]

CAPTIONS = {
    "training": "Effective share of validation draws as training goes and, where log Z is known, "
    "the divergence of the model from the target.",
    "weights": "Log weights about log Z: filled, of draws of the model; outline, of Markov chain "
    "configurations of the target. What only the outline reaches is missing from the model.",
    "observables": "Observables of weighted draws in units of their error, beside Markov chains "
    "and, where they are known, exact values; one dot for each point.",
    "free_energy": "Free energy along the scan, and log Z less the exact value or sequential "
    "Monte Carlo (band). Bars are one standard error.",
}
WIDE = frozenset({"weights"})


def draw_figures(tree: xr.DataTree) -> dict[str, Figure]:
    """Return the figures that the open run has data for, by name."""
    from physgen.plotting import (
        plot_ess_curve,
        plot_free_energy,
        plot_side_by_side,
        plot_weights,
    )

    found = list(Points(config_of_run(tree.attrs)))  # type: ignore[arg-type]
    figures = {}
    histories = {p.text: dataset_of(tree, f"{p.group}/training") for p in found}
    known = {name: h for name, h in histories.items() if h is not None}
    if known:
        figures["training"] = plot_ess_curve(known)
    model, target = {}, {}
    for p in found:
        draws = dataset_of(tree, f"{p.group}/draws")
        if draws is None:
            continue
        log_z = float(draws["log_z"])
        model[p.text] = draws["log_weight"].values.ravel() - log_z
        if "sample_log_weight" in draws:
            target[p.text] = draws["sample_log_weight"].values - log_z
    if model:
        figures["weights"] = plot_weights(model, target)
    comparison = dataset_of(tree, "comparison")
    if comparison is None:
        return figures
    if bool(np.isfinite(comparison["pull_chains"]).any()):
        figures["observables"] = plot_side_by_side(comparison)
    if comparison.sizes["point"] > 1 and np.unique(comparison["coupling"]).size > 1:
        figures["free_energy"] = plot_free_energy(comparison)
    return figures

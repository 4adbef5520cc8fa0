"""The figures of a reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from physgen.workflow.figures import Figure
from physgen.workflow.reconstruction.summary import observables_of
from physgen.workflow.summary import needed

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["FIGURES"]


def _training(tree: xr.DataTree) -> Drawing | None:
    from physgen.plotting import plot_training

    history = needed(tree, "training")
    return plot_training(history) if history.sizes.get("evaluation") else None


def _two_point(tree: xr.DataTree) -> Drawing | None:
    from physgen.plotting import plot_two_point

    sources = {name: ds for name, ds in observables_of(tree).items() if "zz" in ds}
    return plot_two_point(sources) if sources else None


def _log_prob(tree: xr.DataTree) -> Drawing | None:
    from physgen.plotting import plot_log_prob

    validation = needed(tree, "validation")
    return plot_log_prob(validation) if "log_prob_model" in validation else None


def _marginals(tree: xr.DataTree) -> Drawing | None:
    from physgen.plotting import plot_marginals
    from physgen.quantum import MeasurementData

    data, samples = (needed(tree, name) for name in ("data", "samples"))
    if "outcomes" not in data:
        return None
    shots, draws = (MeasurementData.from_dataset(ds) for ds in (data, samples))
    return plot_marginals(shots.outcomes, draws.outcomes, shots.povm.outcomes)


FIGURES = (
    Figure(
        "training",
        _training,
        "Negative log-likelihood per site, on the shots that are learned from and on those held "
        "out; dashed, the true state on the same shots, which no model can beat on fresh ones. A "
        "model below it on the training shots has begun to learn them by heart.",
        ("training",),
    ),
    Figure(
        "two_point",
        _two_point,
        "Correlation from the middle of the chain outwards: straight from the shots by dual "
        "frames, from samples of the model, and exact. Bars are one standard error.",
    ),
    Figure(
        "log_prob",
        _log_prob,
        "Each dot is one fresh sample of the state. On the right, the differences; the dashed "
        "line is the mean of the samples shown. KL(P||Q), the mean over all samples, stands in "
        "the table.",
        ("validation",),
        wide=True,
    ),
    Figure(
        "marginals",
        _marginals,
        "Frequency of each outcome on each site, and the difference of data and model in units "
        "of its standard error.",
        ("data", "samples"),
        wide=True,
    ),
)

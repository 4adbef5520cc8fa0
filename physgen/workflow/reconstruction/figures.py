"""Which figures a reconstruction has, drawn from its file as far as it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from physgen.workflow.reconstruction.summary import observables_of
from physgen.workflow.summary import dataset_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CAPTIONS", "WIDE", "draw_figures"]

CAPTIONS = {
    "training": "Negative log-likelihood per site, on the shots that are learned from and on "
    "those held out; dashed, the true state on the same shots, which no model can beat on fresh "
    "ones. A model below it on the training shots has begun to learn them by heart.",
    "two_point": "Correlation from the middle of the chain outwards: straight from the shots by "
    "dual frames, from samples of the model, and exact. Bars are one standard error.",
    "log_prob": "Each dot is one fresh sample of the state. On the right, the differences; the "
    "dashed line is the mean of the samples shown. KL(P||Q), the mean over all samples, stands in "
    "the table.",
    "marginals": "Frequency of each outcome on each site, and the difference of data and model "
    "in units of its standard error.",
}
WIDE = frozenset({"log_prob", "marginals"})


def draw_figures(tree: xr.DataTree) -> dict[str, Figure]:
    """Return the figures that the open run has data for, by name."""
    from physgen.plotting import plot_log_prob, plot_marginals, plot_training, plot_two_point
    from physgen.quantum import MeasurementData

    figures = {}
    data, samples = dataset_of(tree, "data"), dataset_of(tree, "samples")
    history, validation = dataset_of(tree, "training"), dataset_of(tree, "validation")
    if history is not None and history.sizes.get("evaluation"):
        figures["training"] = plot_training(history)
    sources = {name: ds for name, ds in observables_of(tree).items() if "zz" in ds}
    if sources:
        figures["two_point"] = plot_two_point(sources)
    if validation is not None and "log_prob_model" in validation:
        figures["log_prob"] = plot_log_prob(validation)
    if data is not None and samples is not None and "outcomes" in data:
        shots, draws = (MeasurementData.from_dataset(ds) for ds in (data, samples))
        figures["marginals"] = plot_marginals(shots.outcomes, draws.outcomes, shots.povm.outcomes)
    return figures

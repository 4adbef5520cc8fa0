r"""The likelihood of shots that the weights of a model were not fitted to.

.. math:: \mathrm{NLL} = -\frac{1}{n L} \sum_s \log q(a_s) \;\ge\; H(P) / L

in nat/site, up to its standard error.  Shots that the fit never saw come first; without them, the
validation split of the fit, which was also used to pick the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from physgen.core.arrays import to_numpy
from physgen.core.protocols import Density
from physgen.workflow.labels import labelled
from physgen.workflow.reconstruction.labels import NLL_UNITS

if TYPE_CHECKING:
    from physgen.results import RunStore

__all__ = ["Likelihood", "held_out_likelihood", "kept_evaluation"]


class Likelihood(NamedTuple):
    """NLL per site and its standard error, NaN for fewer than 2 shots."""

    nll: float
    error: float


def kept_evaluation(history: xr.Dataset) -> Likelihood | None:
    """Return how the weights that were kept did on held-out shots; None without such shots."""
    (rows,) = np.nonzero(history["step"].values == history.attrs["best_step"])
    if not rows.size or "validation_nll" not in history:  # of an energy, until log Z is found
        return None
    row = history.isel(evaluation=rows[-1])
    kept = Likelihood(float(row["validation_nll"]), float(row["validation_nll_error"]))
    return kept if np.isfinite(kept.nll) else None


def held_out_likelihood(store: RunStore, model: Density) -> xr.Dataset:
    """Return the likelihood of shots that the fit never saw (of its validation split if none)."""
    from physgen.quantum import MeasurementData

    if store.has("held_out"):
        x = MeasurementData.from_dataset(store.read("held_out")).outcomes
        nll = -to_numpy(model.log_prob(x)) / x.shape[1]
        error = nll.std(ddof=1) / np.sqrt(len(nll)) if len(nll) > 1 else np.nan
        found = Likelihood(float(nll.mean()), float(error))
        note = "shots kept out of training and of every choice"
    elif (kept := kept_evaluation(store.read("training"))) is not None:
        found = kept
        note = "validation split, also used to pick the weights, so slightly optimistic"
    else:
        found = Likelihood(np.nan, np.nan)
        note = "no shots held out"
    values = {
        "nll": ((), found.nll, {"units": NLL_UNITS, "estimator": note}),
        "nll_error": ((), found.error, {"units": NLL_UNITS}),
    }
    return labelled(xr.Dataset(values), "asymptotic", "the cross entropy of outcomes and model")

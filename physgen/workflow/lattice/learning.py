"""The fit of one model at one point of a scan."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.results.citations import METHODS
from physgen.workflow.context import Context
from physgen.workflow.fitting import Groups, fit_into
from physgen.workflow.labels import labelled
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.generators import Chains, Learned
from physgen.workflow.target.exact import exact_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["begun", "held_out", "is_trained", "load", "share", "train"]


def is_trained(context: Context, point: Learned) -> bool:
    """Whether the weights of a point are in the run file."""
    return context.store.has(f"{point.group}/model")


def train(context: Context, point: Learned, source: Chains | None) -> None:
    """Fit the model of a point; `source` are the chains whose configurations it may learn from."""
    from physgen import models
    from physgen.models import families

    stream = context.stream("train").child(point.stream)
    context.reporter.update("train", point.text)
    context.store.cite(*families.family(point.family).cites)
    if point.section.train.objective in METHODS:
        context.store.cite(point.section.train.objective)

    def prepared() -> tuple[Any, str, Any]:
        x: Any = None
        if point.section.needs_configurations and source is not None:
            x = (
                chains.configurations(context, source.group)
                if point.section.is_density
                else chains.as_data(context, source)
            )
        init, validation = stream.child("init"), stream.child("validation")
        if not point.section.is_density:
            x = point.target if x is None else x
            return *begun(point.model(init, x), x.flat), point.objective(x, validation)
        return point.model(init), "", point.objective(x, validation)

    model, remark, objective = context.abandoning(prepared)
    fit_into(
        context,
        Groups(f"{point.group}/training", f"{point.group}/model", chains.CHECKPOINT),
        model,
        objective,
        point.settings(),
        curve=lambda history: _curve(history, point, remark),
        of="the target",
        learned=models.learned,
        where=point.text,
        rng=stream.child("fit"),
    )


def begun(model: Any, x: Any) -> tuple[Any, str]:
    """Return a model whose biases, if it has any, give the single-site data; and a remark.

    The remark names sites that have one value in all of the data x (n, *event_shape).
    """
    if not hasattr(model, "with_data_bias"):
        return model, ""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = model.with_data_bias(x)
    return model, "\n".join(str(each.message) for each in said)


def load(context: Context, point: Learned) -> Any:
    """Return the trained model of a point."""
    from physgen import models

    if not point.section.is_density:
        stored = models.from_dataset(context.store.read(f"{point.group}/model"))
        return stored.to(point.section.train.device)
    model = point.model(context.stream("train").child(point.stream, "init"))
    stored = models.from_dataset(context.store.read(f"{point.group}/model"))
    models.learned(model).load_state_dict(stored.state_dict())
    return model


def share(history: xr.Dataset) -> float:
    """Return the effective share of held-out draws at the end of a fit, NaN if none is known."""
    known = "ess" in history and history["ess"].size
    return float(history["ess"][-1]) if known else math.nan


def held_out(history: xr.Dataset) -> tuple[str, float, float]:
    """Return the held-out loss per site of the weights that are kept: its name, and its error."""
    row = int(np.flatnonzero(history["step"].values == history.attrs["best_step"])[-1])
    name = next(
        str(n)
        for n in history.data_vars
        if str(n).startswith("validation_") and not str(n).endswith("_error")
    )
    loss, error = (float(history[n][row]) for n in (name, f"{name}_error"))
    words = name.removeprefix("validation_").replace("_", " ")
    return words.upper() if words == "nll" else words, loss, error


def _curve(history: xr.Dataset, point: Learned, remark: str) -> xr.Dataset:
    """Return the history; where log Z is known the divergence stands beside the free energy."""
    if remark:
        said = filter(None, (remark, str(history.attrs.get("warnings", ""))))
        history = history.assign_attrs(warnings="\n".join(said))
    known = exact_of(point.target).get("log_z")
    if known is not None and "validation_free_energy" in history:
        n = math.prod(point.target.event_shape)
        kl = history["validation_free_energy"] * n + known
        history = history.assign(kl=kl.assign_attrs(units="nat", long_name="D(q || p)"))
    return labelled(history, "asymptotic", "the model: its loss per site")

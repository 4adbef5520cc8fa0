"""The fits of one model at one point of a scan, and what they leave in the run file."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.results.citations import METHODS
from physgen.workflow.context import Context
from physgen.workflow.fitting import fit_into
from physgen.workflow.labels import labelled
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.fits import Stage, stages_of
from physgen.workflow.lattice.generators import Chains, Learned
from physgen.workflow.target.exact import exact_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["TRAJECTORY", "begun", "held_out", "is_trained", "load", "said", "share", "train"]

TRAJECTORY = "trajectory"  # the group of the snapshots of an energy


def is_trained(context: Context, point: Learned) -> bool:
    """Whether the weights of a point are in the run file."""
    return context.store.has(f"{point.group}/model")


def train(context: Context, point: Learned, source: Chains | None) -> None:
    """Fit the model of a point, stage by stage.

    `source` are the chains whose configurations it may learn from.
    """
    from physgen.models import families

    context.store.cite(*families.family(point.family).cites)
    for stage in stages_of(point):
        if not context.store.has(stage.groups.model):
            _fit(context, stage, source)


def _fit(context: Context, stage: Stage, source: Chains | None) -> None:
    """Do one fit of a model, from fresh weights or from those that the fit before it left."""
    point = stage.point
    stream = context.stream("train").child(point.stream)
    context.reporter.update("train", stage.text)
    for goal in (point.section.train.objective, stage.goal):
        context.store.cite(*([goal] if goal in METHODS else []))

    def prepared() -> tuple[Any, str, Any]:
        density = point.section.is_weighed
        x: Any = None
        if point.section.needs_configurations and source is not None:
            x = (
                chains.configurations(context, source.group)
                if density
                else chains.as_data(context, source)
            )
        init, validation = stream.child("init"), stream.child("validation")
        if density:
            return point.model(init), "", stage.objective(x, validation)
        x = point.target if x is None else x
        if stage.index:
            return load(context, point, stage.index - 1), "", stage.objective(x, validation)
        return *begun(point.model(init, x), x.flat), stage.objective(x, validation)

    model, remark, objective = context.abandoning(prepared)
    how = recorded(context, stage) if point.section.train.trajectory else {}
    fit_into(
        context,
        stage.groups,
        model,
        objective,
        stage.settings(),
        curve=lambda history: _curve(history, stage, objective, remark),
        of="the target",
        learned=_stored,
        where=stage.text,
        rng=stage.stream(stream),
        **how,
    )


def recorded(context: Context, stage: Stage) -> dict[str, Any]:
    """Return how a fit keeps snapshots: steps are counted through all stages of a model."""
    from physgen.training import Trajectory

    store, group = context.store, f"{stage.point.group}/{TRAJECTORY}"
    trajectory = Trajectory.from_dataset(store.read(group)) if store.has(group) else Trajectory()
    before = 0
    for earlier in list(stages_of(stage.point))[: stage.index]:
        before += int(store.read(earlier.groups.history)["step"][-1])

    def kept() -> dict[str, xr.Dataset]:
        what = "the weights, as they were on the way"
        return {group: labelled(trajectory.to_dataset(), "exact", what, units=False)}

    def noted(step: int, model: Any) -> None:
        trajectory(before + step, model)

    return {"on_average": noted, "beside": kept}


def _stored(model: Any) -> Any:
    """Return what is stored of a model; of an energy on top of an action, what was learned."""
    from physgen import models

    if not isinstance(model, models.ResidualEnergy):
        return models.learned(model)
    if hasattr(model, "trained_by"):
        model.correction.trained_by = model.trained_by
    return model.correction


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


def load(context: Context, point: Learned, stage: int | None = None) -> Any:
    """Return the trained model of a point, or what a stage of its training left."""
    from physgen import models

    fits = list(stages_of(point))
    stored = models.from_dataset(
        context.store.read(fits[-1 if stage is None else stage].groups.model)
    )
    if point.section.is_weighed:
        model = point.model(context.stream("train").child(point.stream, "init"))
        models.learned(model).load_state_dict(stored.state_dict())
        return model
    model = models.ResidualEnergy(point.target, stored) if point.section.corrects else stored
    if model is not stored and hasattr(stored, "trained_by"):
        model.trained_by = stored.trained_by
    return model.to(point.section.train.device)


def share(history: xr.Dataset) -> float:
    """Return the effective share of held-out draws at the end of a fit, NaN if none is known."""
    known = "ess" in history and history["ess"].size
    return float(history["ess"][-1]) if known else math.nan


def said(context: Context, point: Learned) -> list[str]:
    """Return what speaks against the fits of a model, line by line; earlier stages by name."""
    found: list[str] = []
    for stage in stages_of(point):
        text = str(context.store.read(stage.groups.history).attrs.get("warnings", ""))
        lead = "" if stage.is_last else f"{stage.goal}, stage {stage.index + 1}: "
        found += [f"{lead}{line}" for line in text.split("\n") if line]
    return found


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


def _curve(history: xr.Dataset, stage: Stage, objective: Any, remark: str) -> xr.Dataset:
    """Return the history; where log Z is known the divergence stands beside the free energy."""
    point = stage.point
    if remark:
        said = filter(None, (remark, str(history.attrs.get("warnings", ""))))
        history = history.assign_attrs(warnings="\n".join(said))
    if "tau" in history:  # of chains that move k steps an update
        history = history.assign_attrs(k=int(objective.k))
    known = exact_of(point.target).get("log_z")
    if known is not None and "validation_free_energy" in history:
        n = math.prod(point.target.event_shape)
        kl = history["validation_free_energy"] * n + known
        history = history.assign(kl=kl.assign_attrs(units="nat", long_name="D(q || p)"))
    return labelled(history, "asymptotic", "the model: its loss per site")

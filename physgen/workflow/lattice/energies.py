"""The Markov chains of a learned energy, and its log Z: what a density draws without chains.

The chains are drawn and committed like those of a [[sampler]].  Beside the observables of the
target they record the log weight S_model - S where the action is known.  Their numbers are those
of the model, and so approximate for the target: what the model misses is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.errors import InputError
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.along import ALONG, closes, followed, measured
from physgen.workflow.lattice.generators import TERMS, Chains, Learned
from physgen.workflow.lattice.learning import load, said
from physgen.workflow.lattice.progress import Meter
from physgen.workflow.lattice.sampler_section import TEMPERING

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COVARIANCE", "LOG_Z", "draw", "is_complete", "read"]

LOG_Z = "log_z"
COVARIANCE = "coupling_covariance"


def is_complete(context: Context, point: Learned) -> bool:
    """Whether all draws of a point, and the log Z of its model, are in the run file."""
    return context.store.has(f"{point.group}/{LOG_Z}")


def draw(context: Context, point: Learned, source: Chains | None) -> None:
    """Draw what the run file lacks of the chains of a model, then find its log Z.

    A model that cannot be sampled (its e^{-S} cannot be normalised) has no numbers and a warning,
    and so has a log Z that cannot be found; the draws are kept, and the run goes on.
    """
    store, model = context.store, context.abandoning(lambda: load(context, point))
    if not _is_drawn(context, point):
        try:
            moved = point.chains(model, _followed(context, point, model, source))
            chains.draw(context, moved, 0, Meter([moved]))
        except InputError as error:
            refused = _refused(f"refused: {error}")
            draws = labelled(refused, "approximate", "the target").assign_attrs(complete=1)
            store.commit({f"{point.group}/draws": draws})
    if store.read(f"{point.group}/draws").attrs.get("refused"):
        found = _no_log_z("")
    else:
        context.reporter.update("draw", f"{point.text}: log Z")
        try:
            found = context.abandoning(lambda: _log_z(context, point, model))
        except InputError as error:  # the draws stay
            found = _no_log_z(f"log Z is refused: {error}")
    store.commit({f"{point.group}/{LOG_Z}": found})


def _is_drawn(context: Context, point: Learned) -> bool:
    return chains.is_complete(context, point.chains(None))


def _followed(context: Context, point: Learned, model: Any, source: Chains | None) -> Any:
    """Return the ladder of chains that temper along the training, after it was measured."""
    group = f"{point.group}/{ALONG}"
    known = context.store.has(group)
    if not point.section.train.trajectory or (known and point.section.chains.name != TEMPERING):
        return None
    context.reporter.update("draw", f"{point.text}: along the training")
    ladder = context.abandoning(lambda: followed(context, point, model))
    if not known:
        found = context.abandoning(lambda: measured(context, point, model, ladder, source))
        context.store.cite("Bereux2024")
        context.store.commit({group: found})
    return ladder


def _refused(why: str) -> xr.Dataset:
    """Return what is kept of numbers that do not exist: the reason."""
    import xarray as xr

    return xr.Dataset(attrs={"warnings": why, "refused": 1})


def _no_log_z(why: str) -> xr.Dataset:
    return labelled(
        _refused(why).assign({"log_z": np.nan, "log_z_error": np.nan}), "approximate", "the model"
    )


def read(context: Context, point: Learned) -> xr.Dataset:
    """Return the draws of a model, with what speaks against its fit and its log Z.

    Couplings that have errors bring their covariance.
    """
    store = context.store
    draws = chains.read(context, f"{point.group}/draws")
    groups = (f"{point.group}/{name}" for name in (ALONG, LOG_Z))
    told = [draws.attrs.get("warnings", ""), *said(context, point)]
    told += [store.read(group).attrs.get("warnings", "") for group in groups if store.has(group)]
    draws = draws.assign_attrs(warnings="\n".join(filter(None, told)))
    if TERMS not in draws:
        return draws
    covariance = load(context, point).coupling_covariance
    if np.isfinite(covariance).all():  # else the couplings are not those of a fit in closed form
        return draws.assign({COVARIANCE: (("term", "other"), covariance)})
    return draws.drop_vars(TERMS)


def _log_z(context: Context, point: Learned, model: Any) -> Any:
    """Return log Z of the model: exact where it can be, else bounds from both sides."""
    from physgen.samplers.log_z_of import log_z_of

    found = log_z_of(model, rng=context.stream("draw").child(point.stream, "log z"))
    if found.attrs["exactness"] != "exact":
        context.store.cite("annealed-importance")
    group = f"{point.group}/{ALONG}"
    if context.store.has(group):  # both ends of the training have to agree
        off, warning = closes(found, context.store.read(group))
        told = "\n".join(filter(None, (str(found.attrs.get("warnings", "")), warning)))
        found = found.assign(along_pull=((), off)).assign_attrs(warnings=told)
    return labelled(found, str(found.attrs["exactness"]), "the model")

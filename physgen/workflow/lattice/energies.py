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
from physgen.workflow.lattice.generators import TERMS, Learned
from physgen.workflow.lattice.learning import load
from physgen.workflow.lattice.progress import Meter

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COVARIANCE", "LOG_Z", "draw", "is_complete", "read"]

LOG_Z = "log_z"
COVARIANCE = "coupling_covariance"
_STORED = "_covariance"  # among the weights of an action that is linear in its couplings


def is_complete(context: Context, point: Learned) -> bool:
    """Whether all draws of a point, and the log Z of its model, are in the run file."""
    return context.store.has(f"{point.group}/{LOG_Z}")


def draw(context: Context, point: Learned) -> None:
    """Draw what the run file lacks of the chains of a model, then find its log Z.

    A model that cannot be sampled (its e^{-S} cannot be normalised) has no numbers and a warning,
    and so has a log Z that cannot be found; the draws are kept, and the run goes on.
    """
    store, model = context.store, context.abandoning(lambda: load(context, point))
    moved = point.chains(model)
    if not chains.is_complete(context, moved):
        try:
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
    said = [store.read(f"{point.group}/{name}").attrs for name in ("training", LOG_Z)]
    told = [draws.attrs.get("warnings", ""), *(each.get("warnings", "") for each in said)]
    draws = draws.assign_attrs(warnings="\n".join(filter(None, told)))
    weights = store.read(f"{point.group}/model")
    if TERMS in draws and np.isfinite(weights[_STORED].values).all():
        return draws.assign({COVARIANCE: (("term", "other"), weights[_STORED].values)})
    return draws.drop_vars(TERMS, errors="ignore")


def _log_z(context: Context, point: Learned, model: Any) -> Any:
    """Return log Z of the model: exact where it can be, else bounds from both sides."""
    from physgen.samplers.log_z_of import log_z_of

    found = log_z_of(model, rng=context.stream("draw").child(point.stream, "log z"))
    if found.attrs["exactness"] != "exact":
        context.store.cite("annealed-importance")
    return labelled(found, str(found.attrs["exactness"]), "the model")

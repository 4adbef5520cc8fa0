"""A few draws of a model on their way from noise, kept for a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physgen.core.declared import site_shape
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled
from physgen.workflow.lattice.generators import Learned
from physgen.workflow.lattice.learning import load

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PATH", "path"]

PATH = "path"
SHOWN = 4  # draws


def path(context: Context, point: Learned) -> xr.Dataset | None:
    """Return draws of a trained model at every step of its flow, as images.

    None for models that do not flow, and for fields that are no images: of one dimension, or with
    several numbers a site.  Of more dimensions the first plane is kept.
    """
    import xarray as xr

    from physgen import models

    model: Any = load(context, point)
    shape = tuple(point.target.event_shape)
    if not hasattr(models.learned(model), "path") or len(shape) < 2:
        return None
    if site_shape(point.target) != shape:
        return None
    found = model.path(SHOWN, context.stream("draw").child(point.stream, "path"))
    fields = found.fields.cpu().numpy().astype("float32")
    fields = fields.reshape(*fields.shape[:2], -1, *shape[-2:])[:, :, 0]
    words = {
        "noise": "noise left, in units of the field",
        "time": "time of the flow",
    }
    ds = xr.Dataset(
        {"field": (("time", "draw", "x0", "x1"), fields, {"long_name": "field", "units": "1"})},
        {"time": ("time", found.times, {"kind": found.kind, "long_name": words[found.kind]})},
    )
    return labelled(ds, "approximate", "the model")

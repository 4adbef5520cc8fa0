"""What the hidden units of a machine look at: singular values of W, and the order parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.targets.configurations import Configurations
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.generators import Chains, Learned

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FEATURES", "features"]

FEATURES = "features"
SHOWN = 1000  # configurations


def features(context: Context, point: Learned, source: Chains | None) -> xr.Dataset | None:
    """Return singular values, and the first feature of configurations beside their mean.

    None for a model without hidden units, or of outcomes, whose mean means nothing.
    """
    import xarray as xr

    from physgen import models

    model: Any = models.from_dataset(context.store.read(f"{point.group}/model"))
    if not hasattr(model, "projected") or model.support.K is not None:
        return None
    if isinstance(point.target, Configurations):
        x = point.target.flat
    elif source is not None:
        x = chains.configurations(context, source.group)
    else:
        return None
    x = x[np.linspace(0, len(x) - 1, min(SHOWN, len(x))).astype(int)]
    mean = x.reshape(len(x), -1).mean(axis=1)
    first = np.asarray(model.projected(x))[:, 0]
    correlation = np.corrcoef(first, mean)[0, 1]
    found = xr.Dataset(
        {
            "singular_value": ("mode", model.features, {"long_name": "singular value of W"}),
            "feature": ("configuration", first * np.sign(correlation), {"long_name": "v . u_1"}),
            "magnetization": ("configuration", mean, {"long_name": "mean of v"}),
            "correlation": ((), abs(correlation), {"long_name": "of feature and magnetization"}),
        }
    )
    return labelled(found, "approximate", "the model")

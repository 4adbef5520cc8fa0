r"""What hidden units and latents look at, beside the order parameter.

Of a machine with weights W these are its singular values, and :math:`v \cdot u_1`; of a joint
model with an encoder the principal components of the means of z given x, and the first of them.
"""

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
    joint = hasattr(model, "latents")
    if not (hasattr(model, "projected") or joint) or model.support.K is not None:
        return None
    if isinstance(point.target, Configurations):
        x = point.target.flat
    elif source is not None:
        x = chains.configurations(context, source.group)
    else:
        return None
    x = x[np.linspace(0, len(x) - 1, min(SHOWN, len(x))).astype(int)]
    mean = x.reshape(len(x), -1).mean(axis=1)
    if joint:
        sizes, first = _components(model, point.target, x)
        words = ("spread of the component", "first component of z given x")
    else:
        sizes, first = model.features, np.asarray(model.projected(x))[:, 0]
        words = ("singular value of W", "v . u_1")
    correlation = np.corrcoef(first, mean)[0, 1]
    found = xr.Dataset(
        {
            "singular_value": ("mode", sizes, {"long_name": words[0]}),
            "feature": ("configuration", first * np.sign(correlation), {"long_name": words[1]}),
            "magnetization": ("configuration", mean, {"long_name": "mean of v"}),
            "correlation": ((), abs(correlation), {"long_name": "of feature and magnetization"}),
        }
    )
    return labelled(found, "approximate", "the model")


def _components(model: Any, target: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the spreads of the components of latents, and the first component of each x.

    A model of the even sites sees those of x.
    """
    if tuple(model.event_shape) != x.shape[1:]:
        x = np.asarray(target.lattice.split(x)[0])
    z = model.latents(x)
    z = z - z.mean(axis=0)
    u, w, _ = np.linalg.svd(z, full_matrices=False)
    return w / np.sqrt(len(z)), u[:, 0] * w[0]

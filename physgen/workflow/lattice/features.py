r"""What hidden units and latents look at, beside the order parameter.

Of a machine with weights W these are its singular values, and :math:`v \cdot u_1`; of a joint
model with an encoder the principal components of the means of z given x, and the first of them.
A flow maps x to the z of a Gaussian, whose components mean nothing one by one: its feature is the
zero mode :math:`\sum_i z_i / \sqrt{n}`, the one combination that translations leave alone.
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

    None for a model without hidden or latent variables, or of outcomes, whose mean means nothing.
    """
    import xarray as xr

    from physgen import models

    model: Any = models.from_dataset(context.store.read(f"{point.group}/model"))
    latent = callable(getattr(model, "latents", None))
    if not (hasattr(model, "projected") or latent) or model.support.K is not None:
        return None
    if isinstance(point.target, Configurations):
        x = point.target.flat
    elif source is not None:
        x = chains.configurations(context, source.group)
    else:
        return None
    x = x[np.linspace(0, len(x) - 1, min(SHOWN, len(x))).astype(int)]
    mean = x.reshape(len(x), -1).mean(axis=1)
    if latent:
        z = _latents(model, point.target, x)
        sizes, first = _components(z)
        words = ("spread of the component", "first component of z given x")
        if point.section.kind == "density":
            first, words = z.sum(axis=1) / np.sqrt(z.shape[1]), (words[0], "zero mode of z")
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


def _latents(model: Any, target: Any, x: np.ndarray) -> np.ndarray:
    """Return the latents of configurations; a model of the even sites sees those of x."""
    if tuple(model.event_shape) != x.shape[1:]:
        x = np.asarray(target.lattice.split(x)[0])
    return model.latents(x)


def _components(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the spreads of the components of latents, and the first component of each."""
    z = z - z.mean(axis=0)
    u, w, _ = np.linalg.svd(z, full_matrices=False)
    return w / np.sqrt(len(z)), u[:, 0] * w[0]

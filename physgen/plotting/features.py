r"""What a Boltzmann machine, or the encoder of a joint model, learned to look at.

With :math:`W = \sum_\alpha w_\alpha u_\alpha \tilde u_\alpha^T`, the modes :math:`w_\alpha` that
have grown out of the bulk are what the hidden units see; :math:`v \cdot u_1` is the first of them.
In an Ising model it becomes the order parameter.  Of the latents of a joint model the principal
components of their means given x stand in place of these.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, MARKERS, figure, sequence

__all__ = ["plot_features"]


def plot_features(features: Mapping[str, xr.Dataset]) -> Figure:
    """Plot singular values of W, and the first feature against the magnetization.

    Parameters
    ----------
    features : mapping of str to Dataset
        By the name of the model: ``singular_value`` (mode), ``feature`` and ``magnetization``
        (configuration), ``correlation``.
    """
    colors = sequence(len(features))
    with figure(8.6, 3.8) as fig:
        left, right = fig.subplots(1, 2)
        for k, (name, ds) in enumerate(features.items()):
            w = np.asarray(ds["singular_value"].values)
            left.plot(np.arange(1, w.size + 1), w, MARKERS[k % 6], ms=4, ls="-", lw=1,
                      color=colors[k], label=name)  # fmt: skip
            label = f"{name}: {float(ds['correlation']):.3f}"
            right.plot(ds["magnetization"], ds["feature"], MARKERS[k % 6], ms=2.5, alpha=0.5,
                       color=colors[k], label=label)  # fmt: skip
        names = {ds["singular_value"].attrs.get("long_name", "") for ds in features.values()}
        label = names.pop() if len(names) == 1 else "size"
        left.set(xlabel="mode", ylabel=label or "singular value of W", title="Modes")
        left.legend(loc="best")
        right.axhline(0, color=COLOR["faint"], lw=0.8)
        right.set(xlabel="magnetization", ylabel="first feature", title="Order parameter")
        right.legend(loc="upper left", title="correlation", fontsize=8)
    return fig

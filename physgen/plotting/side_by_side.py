"""Observables of weighted draws beside Markov chains and exact values, in units of their error."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_side_by_side"]


def plot_side_by_side(comparison: xr.Dataset) -> Figure:
    """Plot the pulls of every quantity: one dot a point.

    Parameters
    ----------
    comparison : Dataset
        Dims ``point`` and ``quantity``: ``pull_chains`` and ``pull_exact``.
    """
    names = [str(name) for name in comparison["quantity"].values]
    kinds = (
        ("pull_chains", "o", COLOR["data"], "Markov chains", -0.12),
        ("pull_exact", "D", COLOR["exact"], "exact", 0.12),
    )
    with figure(6.4, 1.4 + 0.38 * len(names)) as fig:
        ax = fig.add_subplot()
        y = np.arange(len(names))
        for width, shade in ((3, 0.10), (2, 0.10), (1, 0.12)):
            ax.axvspan(-width, width, color=COLOR["faint"], alpha=shade, lw=0)
        for name, marker, color, label, shift in kinds:
            pulls = comparison[name].values
            if np.isfinite(pulls).any():
                at = np.broadcast_to(y + shift, pulls.shape)
                ax.plot(pulls.ravel(), at.ravel(), marker, ms=4.5, color=color, label=label)
        ax.set_yticks(y, names)
        ax.invert_yaxis()
        ax.set(xlabel="(weighted draws - other) / error", title="Observables")
        ax.legend(loc="lower right")
    return fig

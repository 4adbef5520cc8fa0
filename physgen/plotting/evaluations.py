r"""The effective share of a score model against evaluations of its score.

.. math:: \mathrm{ess} = \frac{(\sum_i w_i)^2}{N \sum_i w_i^2}

of the probability flow, and of paths with noise (:mod:`physgen.validation.evaluations`).
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_evaluations"]

ROUTES = {
    "flow": ("probability flow", "o", "data"),
    "paths": ("paths of the reverse process", "s", "model"),
}


def plot_evaluations(table: xr.Dataset) -> Figure:
    """Plot the result of `physgen.validation.ess_against_evaluations`.

    Parameters
    ----------
    table : Dataset
        Dim ``row``: ``evaluations`` and ``ess``; coordinate ``route``.
    """
    with figure() as fig:
        ax = fig.add_subplot()
        for route, (name, marker, color) in ROUTES.items():
            rows = table.isel(row=table["route"].values == route).sortby("evaluations")
            if rows.sizes["row"]:
                how = {"marker": marker, "ms": 4.5, "color": COLOR[color], "label": name}
                ax.plot(rows["evaluations"], rows["ess"], **how)
        ax.set(
            xlabel="evaluations of the score a draw",
            ylabel="effective share",
            xscale="log",
            ylim=(0, 1.02),
            title="What a draw costs",
        )
        ax.legend(loc="best")
    return fig

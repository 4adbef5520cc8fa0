r"""Where a learned score is wrong, by sector of momenta and by noise.

.. math:: - E\big[ \sqrt{D_k} \, (s_\theta - s)_k \, x_k / \sqrt{D_k} \big]

0 is right, and 0.1 pulls 10 % too much (:mod:`physgen.validation.score_residual`).
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, figure, sequence

__all__ = ["plot_score_residual"]

PARTS = {"linear": "linear in the mode", "cubic": "cubic in the field"}


def plot_score_residual(residual: xr.Dataset) -> Figure:
    """Plot the result of `physgen.validation.score_residual`.

    Parameters
    ----------
    residual : Dataset
        Dims (sector, noise): ``linear`` and ``cubic`` with errors.
    """
    sectors = [str(s) for s in residual["sector"].values]
    with figure(7.2, 3.8) as fig:
        axes = fig.subplots(1, 2, sharex=True)
        for ax, (part, title) in zip(axes, PARTS.items(), strict=True):
            for name, color, marker in zip(sectors, sequence(len(sectors)), "osD", strict=False):
                row = residual.sel(sector=name)
                ax.errorbar(
                    residual["noise"], row[part], row[f"{part}_error"], color=color, label=name,
                    marker=marker, ms=4, lw=1.2,
                )  # fmt: skip
            ax.axhline(0, color=COLOR["exact"], lw=0.8)
            ax.set(xlabel="noise (units of the field)", title=title, xscale="log")
        axes[0].set_ylabel("residual of the score")
        axes[0].legend(loc="best")
    return fig

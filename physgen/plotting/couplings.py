r"""Learned couplings beside the true ones, in units of the least possible error.

.. math:: x = (g - g_{\mathrm{true}}) / b , \qquad b = \sqrt{(I^{-1})_{aa}} ,

with b the error of maximum likelihood on the same configurations: the Cramér-Rao bound, from the
Fisher information I, where they are independent.  The band is b itself.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, MARKERS, OUTCOME_COLORS, figure

__all__ = ["plot_couplings"]


def plot_couplings(couplings: xr.Dataset) -> Figure | None:
    """Plot what was learned less what is true, with its error: one mark a point of the scan.

    Parameters
    ----------
    couplings : Dataset
        Dims (generator, L, coupling, term): ``coupling``, ``coupling_error``, ``bound``; ``true``
        of dims (L, coupling, term).

    Returns
    -------
    Figure, or None if no true coupling is known.
    """
    off = ((couplings["coupling"] - couplings["true"]) / couplings["bound"]).transpose(
        *couplings["coupling"].dims
    )
    bars = (couplings["coupling_error"] / couplings["bound"]).values
    if not np.isfinite(off.values).any():
        return None
    terms = [str(t) for t in couplings["term"].values]
    labels = [str(g) for g in couplings["generator"].values]
    points = off.shape[1] * off.shape[2]
    with figure(6.4, 1.5 + 0.5 * len(terms)) as fig:
        ax = fig.add_subplot()
        ax.axvspan(-1, 1, color=COLOR["floor"], alpha=0.15, lw=0, label="maximum likelihood")
        ax.axvline(0, color=COLOR["exact"], lw=0.8)
        for g, label in enumerate(labels):
            for k in range(len(terms)):
                x, bar = off.values[g, ..., k].ravel(), bars[g, ..., k].ravel()
                place = (g + (np.arange(points) + 0.5) / points) / len(labels) - 0.5
                known = np.isfinite(x)
                ax.errorbar(
                    x[known], k + 0.6 * place[known], xerr=bar[known], fmt=MARKERS[g % 6], ms=4.5,
                    color=OUTCOME_COLORS[g % 6], lw=1.2, label=None if k else label,
                )  # fmt: skip
        ax.set_yticks(range(len(terms)), terms)
        ax.set_ylim(len(terms) - 0.5, -0.5)
        ax.set(xlabel="(learned - true) / error of maximum likelihood", title="Learned couplings")
        ax.legend(loc="best")
    return fig

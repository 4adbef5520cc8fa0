r"""The two-point function from the middle of the chain outwards, with one-sigma error bars.

.. math:: C(r) = \langle Z_c Z_{c+r} \rangle
"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_two_point"]

_LABEL = {"data": "data, dual frame", "model": "model", "exact": "exact"}
_MARKER = {"data": "o", "model": "s"}


def plot_two_point(observables: xr.Dataset) -> Figure:
    """Plot ``zz`` over distance for every source in `observables`.

    Parameters
    ----------
    observables : xr.Dataset
        ``zz`` and ``zz_error`` with dims ``(source, pair)``, coords ``r`` and ``i`` along
        ``pair``; sources among ``"data"``, ``"model"``, ``"exact"``.
    """
    with figure() as fig:
        ax = fig.add_subplot()
        r = observables["r"].values
        shift = 0.12 if r.size > 1 else 0.0
        for source in ("exact", "data", "model"):
            if source not in observables["source"].values:
                continue
            zz = observables["zz"].sel(source=source)
            if source == "exact":
                ax.plot(r, zz, color=COLOR["exact"], lw=1.5, label="exact", zorder=2)
                continue
            ax.errorbar(
                r + (-shift if source == "data" else shift),
                zz,
                observables["zz_error"].sel(source=source),
                fmt=_MARKER[source],
                ms=5,
                mew=1.1,
                elinewidth=1.2,
                mfc="white" if source == "data" else COLOR[source],
                color=COLOR[source],
                label=_LABEL[source],
                zorder=3 if source == "data" else 4,
            )
        ax.axhline(0, color="#4A4F57", lw=0.8, zorder=1)
        site = int(observables["i"].values[0])
        ax.set(
            xlabel="distance $r$ (sites)",
            ylabel=rf"$\langle Z_{{{site}}}\, Z_{{{site}+r}}\rangle$",
            title="Two-point function",
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(loc="best")
    return fig

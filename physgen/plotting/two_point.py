r"""The two-point function from the middle of the chain outwards, with one-sigma error bars.

.. math:: C(r) = \langle Z_c Z_{c+r} \rangle
"""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_two_point"]

_LABEL = {"data": "data, dual frame", "model": "model", "exact": "exact"}
_MARKER = {"data": "o", "model": "s"}


def plot_two_point(observables: Mapping[str, xr.Dataset]) -> Figure:
    """Plot ``zz`` over distance for every source in `observables`.

    Parameters
    ----------
    observables : mapping of str to xr.Dataset
        Sources among ``"data"``, ``"model"``, ``"exact"``; each with ``zz`` and, if it is an
        estimate, ``zz_error``, dim ``pair``, coords ``i`` and ``r``.
    """
    with figure() as fig:
        ax = fig.add_subplot()
        first = next(iter(observables.values()))
        r = first["r"].values
        shift = 0.12 if r.size > 1 else 0.0
        for source in ("exact", "data", "model"):
            if source not in observables:
                continue
            zz = observables[source]["zz"].values
            if source == "exact":
                ax.plot(r, zz, color=COLOR["exact"], lw=1.5, label="exact", zorder=2)
                continue
            ax.errorbar(
                r + (-shift if source == "data" else shift),
                zz,
                observables[source]["zz_error"].values,
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
        site = int(first["i"].values[0])
        ax.set(
            xlabel="distance $r$ (sites)",
            ylabel=rf"$\langle Z_{{{site}}}\, Z_{{{site}+r}}\rangle$",
            title="Two-point function",
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(loc="best")
    return fig

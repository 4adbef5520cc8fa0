r"""How fast chains forget: tau_int over the coupling, and its growth with L.

.. math:: \tau_\mathrm{int}(L) \propto L^z

at the critical point.  tau_int is of the slowest observable, in draws.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from physgen.plotting.scan import MARKERS, coupling_label, coupling_of, series_of
from physgen.plotting.style import OUTCOME_COLORS, figure

__all__ = ["plot_tau_int"]


def plot_tau_int(estimates: xr.Dataset) -> Figure:
    """Plot ``tau_int`` with its error over the coupling, and its maximum over the scan against L.

    Parameters
    ----------
    estimates : xr.Dataset
        ``tau_int`` and ``tau_int_error`` of dims (generator, L, coupling), in draws.
    """
    with figure(8.6, 4.2) as fig:
        left, right = fig.subplots(1, 2)
        for style, series in series_of(estimates):
            x = series[coupling_of(estimates)].values
            left.errorbar(x, series["tau_int"], series["tau_int_error"], **style)
        left.set(xlabel=coupling_label(estimates), title="Autocorrelation time",
                 ylabel=r"$\tau_\mathrm{int}$ of the slowest observable (draws)")  # fmt: skip
        left.legend(loc="best", fontsize=8)
        L = estimates["L"].values
        for j, name in enumerate(estimates["generator"].values):
            one = estimates.isel(generator=j)
            tau, error = _slowest(one["tau_int"].values, one["tau_int_error"].values)
            right.errorbar(L, tau, error, marker=MARKERS[j % len(MARKERS)], ms=5.5, lw=1.2,
                           color=OUTCOME_COLORS[j % len(OUTCOME_COLORS)],
                           label=_with_exponent(str(name), L, tau, error))  # fmt: skip
        right.set(xlabel="$L$", title="slowest point of the scan")
        if len(L) > 1:
            right.set_xscale("log", base=2)
        right.xaxis.set_major_locator(FixedLocator(L.tolist()))
        right.xaxis.set_major_formatter("{x:.0f}")
        right.xaxis.set_minor_locator(NullLocator())
        for ax in (left, right):
            _logarithmic(ax)
        right.legend(loc="best")
    return fig


def _logarithmic(ax: Axes) -> None:
    """Make the ordinate logarithmic, with ticks that read as numbers."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def _slowest(tau: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest tau_int of every L, and its error."""
    at = np.argmax(np.where(np.isfinite(tau), tau, -1.0), axis=1)
    rows = np.arange(len(tau))
    return tau[rows, at], error[rows, at]


def _with_exponent(label: str, L: np.ndarray, tau: np.ndarray, error: np.ndarray) -> str:
    """Return the label with the exponent z of a straight line through the points, 3 at least."""
    good = np.isfinite(tau) & (tau > 0)
    if good.sum() < 3:
        return label
    weights = tau[good] / np.maximum(error[good], 1e-3 * tau[good])
    z = np.polyfit(np.log(L[good].astype(float)), np.log(tau[good]), 1, w=weights)[0]
    return f"{label}, $z \\approx {z:.1f}$"

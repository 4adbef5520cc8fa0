r"""One quantity over a scan of couplings: points with error bars for every L, lines where exact.

With exact values a lower panel shows the pull, (measured - exact) / error; the grey band is one
standard error.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, MARKERS, figure, sequence

__all__ = ["plot_scan"]

FILLS = ("empty", "full", "left", "top")  # of the markers of each generator


def plot_scan(
    estimates: xr.Dataset,
    quantity: str,
    exact: xr.Dataset | None = None,
    *,
    critical: float | None = None,
    log: bool = False,
) -> Figure:
    """Plot a quantity over the coupling that was scanned.

    Parameters
    ----------
    estimates : xr.Dataset
        `quantity` and ``<quantity>_error``, and where known ``<quantity>_pull``, of dims
        (generator, L, coupling); the last dim is the coupling, whatever its name.
    quantity : str
        A variable of `estimates`; its attrs ``symbol`` (mathtext) and ``long_name`` label the
        figure.
    exact : xr.Dataset, optional
        The same quantity on a finer grid of the coupling, dims (L, curve), and
        ``<quantity>_infinite`` of dim curve; coord ``coupling`` of dim curve.
    critical : float, optional
        Where to draw a vertical line.
    log : bool
        Logarithmic ordinate.
    """
    pull = f"{quantity}_pull"
    pulls = pull in estimates and bool(np.isfinite(estimates[pull]).any())
    with figure(6.4, 5.2 if pulls else 4.2) as fig:
        if pulls:
            ax, lower = fig.subplots(2, 1, sharex=True, height_ratios=(2.6, 1))
        else:
            ax, lower = fig.add_subplot(), None
        known = exact is not None and quantity in exact
        for style, series in series_of(estimates):
            x = series[coupling_of(estimates)].values
            guide = {} if known else {"ls": "-", "lw": 0.8}
            error = series[f"{quantity}_error"]
            ax.errorbar(x, series[quantity], error, **{**style, **guide})
            if lower is not None:
                dots = {k: style[k] for k in ("color", "marker", "mfc", "mfcalt", "fillstyle")}
                lower.plot(x, series[pull], ls="", ms=3.6, mew=0.9, **dots)
        _lines(ax, quantity, estimates, exact)
        if critical is not None:
            for each in (ax, lower) if lower is not None else (ax,):
                each.axvline(critical, color=COLOR["faint"], lw=1.0, ls=":", zorder=0)
        attrs = estimates[quantity].attrs
        ax.set(ylabel=attrs.get("symbol", quantity), title=_sentence(attrs, quantity))
        if log:
            ax.set_yscale("log")
        bottom = ax if lower is None else lower
        bottom.set_xlabel(coupling_label(estimates))
        bottom.margins(x=0.03)
        if lower is not None:
            lower.axhspan(-1, 1, color="#E6E8EB", zorder=0)
            lower.axhline(0, color=COLOR["exact"], lw=0.8)
            lower.set_ylabel("pull")
            reach = max(3.2, 1.15 * float(np.nanmax(np.abs(estimates[pull].values))))
            lower.set_ylim(-reach, reach)
        ax.legend(loc="best", fontsize=8.5)
    return fig


def series_of(estimates: xr.Dataset) -> Iterator[tuple[dict, xr.Dataset]]:
    """Yield the style and the points of every L and generator, L by L.

    Sizes differ in marker and colour, generators in how the marker is filled.
    """
    extents, generators = estimates["L"].values, estimates["generator"].values
    colors = sequence(len(extents))
    for i, L in enumerate(extents):
        for j, name in enumerate(generators):
            label = f"L = {L}" if len(generators) == 1 else f"L = {L}, {name}"
            fill = FILLS[j % len(FILLS)]
            style = {
                "fmt": "",
                "ls": "",
                "marker": MARKERS[i % len(MARKERS)],
                "color": colors[i],
                "mfc": "white" if fill == "empty" else colors[i],
                "mfcalt": "white",
                "fillstyle": "full" if fill == "empty" else fill,
                "ms": 4.6,
                "mew": 1.1,
                "elinewidth": 1.1,
                "label": label,
                "zorder": 3 + j,
            }
            yield style, estimates.isel(L=i, generator=j)


def coupling_of(estimates: xr.Dataset) -> str:
    """Return the dim of the coupling."""
    return str(next(d for d in estimates["tau_int"].dims if d not in ("generator", "L")))


def coupling_label(estimates: xr.Dataset) -> str:
    """Return the axis label of the coupling."""
    name = coupling_of(estimates)
    return str(estimates[name].attrs.get("symbol", name))


def _lines(ax: Axes, quantity: str, estimates: xr.Dataset, exact: xr.Dataset | None) -> None:
    if exact is None:
        return
    x = exact["coupling"].values
    if quantity in exact:
        for color, y in zip(sequence(exact.sizes["L"]), exact[quantity].values):
            ax.plot(x, y, color=color, lw=1.2, zorder=2)
    infinite = f"{quantity}_infinite"
    if infinite in exact:
        seen = estimates[quantity].values
        seen = seen[np.isfinite(seen)]
        pad = 0.08 * (float(np.ptp(seen)) or 1.0)  # the infinite lattice may diverge
        ax.set_ylim(float(seen.min()) - pad, float(seen.max()) + pad)
        ax.plot(x, exact[infinite], color=COLOR["exact"], lw=1.2, ls=(0, (5, 2)),
                label="exact, infinite", zorder=2)  # fmt: skip


def _sentence(attrs: dict, name: str) -> str:
    text = str(attrs.get("long_name", name))
    return text[:1].upper() + text[1:]

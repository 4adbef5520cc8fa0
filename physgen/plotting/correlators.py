r"""Correlators over distance, logarithmic, and the effective mass below; lines where exact.

A single state of mass m gives a plateau m_eff(t) = m; near t = 0 heavier states lift it.  Points
whose error exceeds their value are left out of the logarithmic panel, masses with an error beyond
half of the plateau out of the other.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physgen.plotting.scan import FILLS
from physgen.plotting.style import COLOR, MARKERS, figure, note, sequence

__all__ = ["plot_correlators"]

MANY = 6  # curves beyond which couplings are passed over


def plot_correlators(found: xr.Dataset) -> Figure:
    """Plot G(t) and m_eff(t) of every generator, extent and coupling, or of six couplings.

    Parameters
    ----------
    found : xr.Dataset
        ``correlator``, ``effective_mass`` and their ``_error``, the last dim ``distance``, of dims
        (generator, L, coupling) or fewer; ``correlator_exact`` and ``effective_mass_exact``
        without the generator, where they are known.
    """
    grid = found.expand_dims([d for d in ("generator", "L") if d not in found.dims])
    coupling = next(
        (str(d) for d in grid["correlator"].dims if d not in ("generator", "L", "distance")), ""
    )
    grid = grid if coupling else grid.expand_dims("point")
    coupling = coupling or "point"
    order = ("generator", "L", coupling)
    places = [(i, j) for i in range(grid.sizes["L"]) for j in _chosen(grid.sizes[coupling])]
    colors = sequence(len(places))
    with figure(6.4, 5.6) as fig:
        upper, lower = fig.subplots(2, 1, sharex=True)
        shifts = np.linspace(-0.1, 0.1, len(places)) if len(places) > 1 else [0.0]
        for p, (color, shift, (i, j)) in enumerate(zip(colors, shifts, places)):
            at = grid.isel({"L": i, coupling: j})
            for k in range(grid.sizes["generator"]):
                one = at.isel(generator=k)
                label = _label(one, order, coupling)
                fill = FILLS[k % len(FILLS)]
                style = {"marker": MARKERS[p % len(MARKERS)], "color": color, "ls": "",
                         "mfc": "white" if fill == "empty" else color, "mfcalt": "white",
                         "fillstyle": "full" if fill == "empty" else fill, "ms": 4.6, "mew": 1.1,
                         "elinewidth": 1.1, "label": label, "zorder": 3 + k}  # fmt: skip
                _points(upper, one, "correlator", style, 1.0, 0.0)
                _points(lower, one, "effective_mass", style, 0.5, shift)
            for ax, name in ((upper, "correlator"), (lower, "effective_mass")):
                exact = at.get(f"{name}_exact")
                if exact is not None:
                    line = exact.isel({d: 0 for d in exact.dims if d != "distance"})
                    ax.plot(line["distance"], line, color=color, lw=1.2, zorder=2)
        upper.set_yscale("log")
        upper.set(ylabel="$G(t)$", title="Correlator at zero momentum")
        lower.set(xlabel="distance $t$ (lattice spacings)", ylabel=r"$m_{\rm eff}(t)$")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
        lower.margins(y=0.15)
        if any(upper.get_legend_handles_labels()[1]):
            n = len(upper.containers)
            upper.legend(loc="best", fontsize=8.5, ncols=1 + (n > 6))
        if not lower.has_data():
            note(lower, "no mass is resolved")
            lower.axhline(0, color=COLOR["faint"], lw=0.8)
    return fig


def _chosen(n: int) -> list[int]:
    """Return which of n couplings are shown: six of them, evenly spread."""
    return sorted({round(x) for x in np.linspace(0, n - 1, min(n, MANY))})


def _points(ax: Axes, one: xr.Dataset, name: str, style: dict, worst: float, shift: float) -> None:
    """Draw the points of a curve whose relative error is at most `worst`, moved by `shift`."""
    if name not in one:
        return
    value, error = one[name].values, one[f"{name}_error"].values
    with np.errstate(invalid="ignore"):
        keep = np.isfinite(value) & (error < worst * np.abs(value))
        keep &= (value > 0) | (name != "correlator")
    if keep.any():
        ax.errorbar(one["distance"].values[keep] + shift, value[keep], error[keep], **style)


def _label(one: xr.Dataset, order: tuple[str, ...], coupling: str) -> str:
    parts: list[str] = []
    if "L" in one.coords and int(one["L"]):
        parts.append(f"L = {int(one['L'])}")
    if coupling in one.coords and np.isfinite(float(one[coupling])):
        symbol = one[coupling].attrs.get("symbol", coupling)
        parts.append(f"{symbol} = {float(one[coupling]):g}")
    if "generator" in one.coords:
        parts.append(str(one["generator"].values))
    return ", ".join(parts)

r"""The Binder cumulant over the coupling, and where the curves of neighbouring sizes cross.

.. math:: U_L = 1 - \frac{\langle m^4 \rangle_L}{3 \langle m^2 \rangle_L^2}

rises from 0 in the disordered phase to 2/3 in the ordered one; at the critical point it is
independent of L up to corrections to scaling, so curves of different L cross there (K. Binder, Z.
Phys. B 43 (1981) 119).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physgen.analysis.format import format_estimate
from physgen.plotting.scan import coupling_label, coupling_of, series_of
from physgen.plotting.style import COLOR, figure, note

__all__ = ["plot_binder"]


def plot_binder(
    estimates: xr.Dataset,
    crossings: xr.Dataset | None = None,
    *,
    critical: Mapping[str, float] | None = None,
) -> Figure:
    """Plot U_L of the first generator over the whole scan, and near the crossings.

    Parameters
    ----------
    estimates : xr.Dataset
        ``binder`` and ``binder_error`` of dims (generator, L, coupling).
    crossings : xr.Dataset, optional
        ``coupling``, ``coupling_error``, ``binder`` of dim ``pair``, coords L_small, L_large; the
        curves between two points of the scan, ``binder_small`` and ``binder_large`` over ``at``,
        dims (pair, mesh).
    critical : mapping, optional
        Exact or published ``coupling`` and, if known, its ``binder``: drawn as dotted lines.
    """
    one = estimates.isel(generator=[0])
    with figure(8.6, 4.2) as fig:
        left, right = fig.subplots(1, 2)
        for ax, line in ((left, "-"), (right, "")):
            for style, series in series_of(one):
                x = series[coupling_of(one)].values
                ax.errorbar(x, series["binder"], series["binder_error"],
                            **{**style, "ls": line, "lw": 1.0})  # fmt: skip
            if critical:
                ax.axvline(critical["coupling"], color=COLOR["faint"], lw=1.0, ls=":", zorder=0)
                if "binder" in critical:
                    ax.axhline(critical["binder"], color=COLOR["faint"], lw=1.0, ls=":", zorder=0)
            ax.set_xlabel(coupling_label(one))
        left.set(ylabel="$U_L$", title="Binder cumulant")
        left.legend(loc="best")
        right.set_title("where the curves cross")
        _zoom(right, one, crossings, critical or {})
    return fig


def _zoom(
    ax: Axes, one: xr.Dataset, crossings: xr.Dataset | None, critical: Mapping[str, float]
) -> None:
    """Show the crossings with their whole error bars, the curves near them, the known point."""
    if crossings is None or not crossings.sizes.get("pair"):
        note(ax, "no two curves cross in this range")
        return
    at, error = crossings["coupling"].values, crossings["coupling_error"].values
    ax.errorbar(at, crossings["binder"].values, xerr=error, fmt="x", ms=7, mew=1.6,
                elinewidth=1.6, color=COLOR["model"], zorder=9)  # fmt: skip
    colors = {int(L): style["color"] for (style, _), L in zip(series_of(one), one["L"].values)}
    for k in range(crossings.sizes["pair"]):
        for size in ("small", "large"):
            color = colors[int(crossings[f"L_{size}"][k])]
            x, y = crossings["at"].values[k], crossings[f"binder_{size}"].values[k]
            ax.plot(x, y, color=color, lw=1.3)
    _set_limits(ax, crossings, critical)
    pairs = zip(crossings["L_small"].values, crossings["L_large"].values, at, error)
    note(ax, "\n".join(f"{a}, {b}:  {format_estimate(c, e)}" for a, b, c, e in pairs))


def _set_limits(ax: Axes, crossings: xr.Dataset, critical: Mapping[str, float]) -> None:
    """Zoom in on the crossings; no error bar is cut, and the known point is inside."""
    at, error = crossings["coupling"].values, crossings["coupling_error"].values
    mesh = crossings["at"].values
    known = error[np.isfinite(error)]
    spacing = float(np.ptp(mesh[0]))
    least = float(known.max()) if known.size else 0.2 * spacing
    reach = 4 * max(least, float(np.ptp(at)) / 2, 0.01 * spacing)
    middle = (float(at.min()) + float(at.max())) / 2
    zoom = [max(middle - reach, float(mesh.min())), min(middle + reach, float(mesh.max()))]
    bars = np.where(np.isfinite(error), error, 0.0)
    exact = [critical["coupling"]] if critical else []
    inside = np.concatenate([zoom, at - bars, at + bars, exact])
    margin = 0.04 * float(np.ptp(inside))
    low, high = float(inside.min()) - margin, float(inside.max()) + margin
    ax.set_xlim(low, high)
    near = (mesh >= low) & (mesh <= high)
    curves = [crossings[f"binder_{size}"].values[near] for size in ("small", "large")]
    exact = [critical["binder"]] if "binder" in critical else []
    seen = np.concatenate([*curves, crossings["binder"].values, exact])
    pad = 0.08 * float(np.ptp(seen)) or 0.01
    ax.set_ylim(float(seen.min()) - pad, float(seen.max()) + pad)

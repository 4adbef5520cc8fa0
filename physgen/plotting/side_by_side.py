"""Every quantity of every generator beside exact values and the first generator, in errors."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, OUTCOME_COLORS, figure

__all__ = ["plot_side_by_side"]


def plot_side_by_side(estimates: xr.Dataset, agreement: xr.Dataset | None = None) -> Figure:
    """Plot the pulls of every quantity: one mark a point of the scan.

    Parameters
    ----------
    estimates : Dataset
        Dims (generator, L, coupling): ``<quantity>_pull``, from exact values.
    agreement : Dataset, optional
        ``pull`` of dims (quantity, other, L, coupling), from the first generator.
    """
    exact = {
        str(name).removesuffix("_pull"): v.values
        for name, v in estimates.data_vars.items()
        if str(name).endswith("_pull") and np.isfinite(v).any()
    }
    others = {} if agreement is None else {
        str(q): agreement["pull"].sel(quantity=q).values for q in agreement["quantity"].values
    }  # fmt: skip
    shown = {name for name, pulls in others.items() if np.isfinite(pulls).any()} | exact.keys()
    names = [name for name in dict.fromkeys([*others, *exact]) if name in shown]
    labels = [str(g) for g in estimates["generator"].values]
    with figure(6.8, 1.6 + 0.42 * len(names)) as fig:
        ax = fig.add_subplot()
        for width, shade in ((3, 0.10), (2, 0.10), (1, 0.12)):
            ax.axvspan(-width, width, color=COLOR["faint"], alpha=shade, lw=0)
        for k, label in enumerate(labels):
            shift = 0.5 * (k + 0.5) / len(labels) - 0.25
            color = OUTCOME_COLORS[k % len(OUTCOME_COLORS)]
            rows = [
                ("o", others, k - 1, f"{label} and the first"),
                ("D", exact, k, f"{label} and exact"),
            ]
            for marker, table, at, text in rows:
                for y, name in enumerate(names):
                    pulls = table[name][at].ravel() if name in table and at >= 0 else np.empty(0)
                    pulls = pulls[np.isfinite(pulls)]
                    if pulls.size:
                        ax.plot(pulls, np.full(pulls.size, y + shift), marker, ms=4.2, label=text,
                                color=color, mfc=color if marker == "o" else "white")  # fmt: skip
                        text = None
        heads = [str(estimates[name].attrs.get("head", name)) for name in names]
        ax.set_yticks(range(len(names)), heads)
        ax.invert_yaxis()
        ax.axvline(0, color=COLOR["exact"], lw=0.8)
        ax.set(xlabel="difference / error", title="Every quantity, from every generator")
        handles, texts = ax.get_legend_handles_labels()
        unique = dict(zip(texts, handles))
        fig.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=2, fontsize=8)
    return fig

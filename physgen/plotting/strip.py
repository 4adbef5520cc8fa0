"""Draws of a model on their way from noise: one row a draw, one column a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import figure

__all__ = ["plot_strip"]

_HEADS = {"noise": r"$\sigma/\alpha = $", "time": "$t = $"}
_CELL = 1.05  # inches


def plot_strip(paths: Mapping[str, xr.Dataset], rows: int = 2) -> Figure:
    """Plot fields along the flow of each model, on one symmetric scale a model.

    Parameters
    ----------
    paths : mapping of str to Dataset
        By the name of the model: ``field`` (time, draw, x0, x1) with the coord ``time``, whose
        attr ``kind`` is "noise" (left, in units of the field) or "time".
    rows : int
        Draws of each model that are shown, >= 1.
    """
    drawn = [ds["field"].isel(draw=slice(rows)) for ds in paths.values()]
    n_rows = sum(f.sizes["draw"] for f in drawn)
    n_columns = max(f.sizes["time"] for f in drawn)
    with figure(1.1 + _CELL * n_columns, 0.35 * len(drawn) + (_CELL + 0.08) * n_rows) as fig:
        parts = np.atleast_1d(
            np.array(fig.subfigures(len(drawn), 1, height_ratios=[f.sizes["draw"] for f in drawn]))
        )
        for part, (name, _), field in zip(parts, paths.items(), drawn, strict=True):
            axes = part.subplots(field.sizes["draw"], n_columns, squeeze=False)
            head = _HEADS[str(field["time"].attrs["kind"])]
            top = float(np.quantile(np.abs(field.isel(time=-1).values), 0.98))
            for column in range(n_columns):
                for row in range(field.sizes["draw"]):
                    ax = axes[row, column]
                    if column >= field.sizes["time"]:
                        ax.set_axis_off()
                        continue
                    image = ax.imshow(field.values[column, row], cmap="RdBu_r", vmin=-top,
                                      vmax=top, interpolation="nearest")  # fmt: skip
                    ax.set(xticks=[], yticks=[])
                    ax.grid(False)
                    for spine in ax.spines.values():
                        spine.set_visible(True)
                if column < field.sizes["time"]:
                    t = float(field["time"].values[column])
                    text = f"{head}{t:.2g}" if column == 0 else f"{t:.2g}"
                    axes[0, column].set_title(text, fontsize=9, loc="center", weight="normal")
            if len(drawn) > 1:
                axes[0, 0].set_ylabel(name, fontsize=9)
            aspect = 14 * len(axes)
            part.colorbar(image, ax=axes, label=r"$\phi$", shrink=0.9, pad=0.01, aspect=aspect)
    return fig

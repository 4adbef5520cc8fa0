r"""Do two samplers agree?  The pull of their difference at every point of a scan.

.. math:: \mathrm{pull} = \frac{a - b}{\sqrt{\sigma_a^2 + \sigma_b^2}}

It has unit variance if both results and their errors are right; the curve is the unit normal.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.scan import coupling_label
from physgen.plotting.style import COLOR, MARKERS, OUTCOME_COLORS, figure, note

__all__ = ["plot_agreement"]


def plot_agreement(estimates: xr.Dataset, agreement: xr.Dataset) -> Figure:
    """Plot the pulls between the first sampler and the others.

    Parameters
    ----------
    estimates : xr.Dataset
        Names the coupling.
    agreement : xr.Dataset
        ``pull`` of dims (quantity, other, L, coupling).
    """
    name = str(agreement["pull"].dims[-1])
    with figure(8.6, 3.8) as fig:
        left, right = fig.subplots(1, 2, width_ratios=(1.7, 1), sharey=True)
        x = agreement[name].values
        shifts = np.linspace(-0.25, 0.25, agreement.sizes["quantity"])
        step = float(np.min(np.diff(x))) if len(x) > 1 else 1.0
        names = [str(name) for name in agreement["quantity"].values]
        for q, name_of in enumerate(names):
            label = estimates[name_of].attrs.get("long_name", name_of)
            pulls = agreement["pull"].isel(quantity=q).values.reshape(-1, len(x))
            at = np.broadcast_to(x + shifts[q] * step, pulls.shape)
            left.plot(at.ravel(), pulls.ravel(), MARKERS[q % len(MARKERS)], ms=3.6, mew=0,
                      color=OUTCOME_COLORS[q % len(OUTCOME_COLORS)], label=label)  # fmt: skip
        left.axhspan(-1, 1, color="#E6E8EB", zorder=0)
        left.axhline(0, color=COLOR["exact"], lw=0.8)
        pair = " and ".join([str(agreement.attrs.get("first", "first")),
                             *map(str, agreement["other"].values)])  # fmt: skip
        left.set(xlabel=coupling_label(estimates), ylabel="pull", title=f"Agreement of {pair}")
        values = agreement["pull"].values
        values = values[np.isfinite(values)]
        bins = np.linspace(-5, 5, 41)
        right.hist(np.clip(values, -5, 5), bins=bins, orientation="horizontal",
                   color=COLOR["data"])  # fmt: skip
        y = np.linspace(-5, 5, 201)
        normal = np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
        right.plot(len(values) * (bins[1] - bins[0]) * normal, y, color=COLOR["exact"], lw=1.2)
        right.set(xlabel="points", title="their spread")
        if values.size:
            note(right, f"rms {np.sqrt(np.mean(values**2)):.2f}\nof {values.size}", y=0.96)
        handles, labels = left.get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside right upper")
    return fig

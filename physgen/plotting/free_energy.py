r"""The free energy along a coupling: weighted draws, Monte Carlo and exact values.

.. math:: F / V = -\log Z / V

and below it log Z minus a reference, in nats, which a lost mode would shift by ln 2.  The
reference is exact where known, else the last generator that has log Z (sequential Monte Carlo).
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.scan import MARKERS, coupling_label, coupling_of
from physgen.plotting.style import COLOR, figure, sequence

__all__ = ["plot_free_energy"]


def plot_free_energy(estimates: xr.Dataset) -> Figure:
    """Plot the free energy of a scan.

    Parameters
    ----------
    estimates : Dataset
        ``log_z`` with its error, dims (generator, L, coupling), ``log_z_exact`` where it is known,
        and ``n_sites`` (L).
    """
    has = np.isfinite(estimates["log_z"].values).any(axis=(1, 2))
    one = estimates.isel(generator=np.flatnonzero(has))
    last = str(one["generator"].values[-1])
    known = "log_z_exact" in one and bool(np.isfinite(one["log_z_exact"]).all())
    reference = one["log_z_exact"] if known else one["log_z"].isel(generator=-1)
    x, extents = one[coupling_of(one)].values, one["L"].values
    colors = sequence(len(extents))
    with figure(6.4, 5.4) as fig:
        top, below = fig.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for i, L in enumerate(extents):
            V = float(one["n_sites"].values[i])
            truth = reference.isel(L=i).values
            top.plot(x, -truth / V, color=COLOR["exact"], lw=1.1, zorder=1)
            for j, name in enumerate(one["generator"].values):
                at = one.isel(generator=j, L=i)
                log_z, error = at["log_z"].values, at["log_z_error"].values
                label = f"L = {L}, {name}" if L else str(name)
                how = {"fmt": "", "ls": "", "marker": MARKERS[j % len(MARKERS)], "ms": 4.8,
                       "color": colors[i], "label": label}  # fmt: skip
                top.errorbar(x, -log_z / V, error / V, **how)
                if known or str(name) != last:
                    below.errorbar(x, log_z - truth, error, **how)
            if not known:
                sigma = one["log_z_error"].isel(generator=-1, L=i).values
                below.fill_between(x, -sigma, sigma, color=colors[i], alpha=0.15, lw=0)
        below.axhline(0, color=COLOR["exact"], lw=0.9)
        top.set(ylabel="F / V = -log Z / V", title="Free energy")
        label = "exact" if known else last
        below.set(xlabel=coupling_label(estimates), ylabel=f"log Z - {label}")
        top.legend(fontsize=8)
    return fig

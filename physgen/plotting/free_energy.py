r"""The free energy along a coupling: weighted draws, Monte Carlo, and what is exact.

.. math:: F / V = -\log Z / V

and below it log Z less a reference (exact where it is known, else sequential Monte Carlo), in
nats, which is what a lost mode would shift by ln 2.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_free_energy"]


def plot_free_energy(comparison: xr.Dataset) -> Figure:
    """Plot the free energy of a scan.

    Parameters
    ----------
    comparison : Dataset
        The group ``comparison`` of a neural run: dim ``point``, ``log_z`` with error,
        ``smc_log_z``, ``exact_log_z``, ``n_sites``, coords ``L`` and ``coupling``.
    """
    exact, smc = comparison["exact_log_z"].values, comparison["smc_log_z"].values
    L, x = comparison["L"].values, comparison["coupling"].values
    V = comparison["n_sites"].values
    reference = np.where(np.isfinite(exact), exact, smc)
    label = "exact" if np.isfinite(exact).all() else "SMC"
    with figure(6.4, 5.4) as fig:
        top, below = fig.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for size in np.unique(L):
            at = np.flatnonzero(size == L)
            at = at[np.argsort(x[at])]
            name = f"L = {size:.0f}"
            F, error = (-comparison["log_z"] / V).values, (comparison["log_z_error"] / V).values
            top.plot(x[at], -reference[at] / V[at], color=COLOR["exact"], lw=1.1)
            top.errorbar(x[at], F[at], error[at], fmt="s", ms=4.5, label=name)
            off = (comparison["log_z"].values - reference)[at]
            below.errorbar(x[at], off, comparison["log_z_error"].values[at], fmt="s", ms=4.5)
        sigma = np.where(np.isfinite(exact), 0.0, comparison["smc_log_z_error"].values)
        order = np.argsort(x)
        if sigma.max() > 0:
            below.fill_between(x[order], -sigma[order], sigma[order], color=COLOR["faint"],
                               alpha=0.3, lw=0)  # fmt: skip
        below.axhline(0, color=COLOR["exact"], lw=0.9)
        top.set(ylabel="F / V = -log Z / V", title="Free energy")
        below.set(xlabel=comparison.attrs["coupling"], ylabel=f"log Z - {label}")
        top.legend()
    return fig

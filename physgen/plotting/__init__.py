"""Figures from result data: each takes xarray and returns a matplotlib Figure.

One file a figure.  Figures are built on Agg without pyplot, so nothing global is touched and no
display is needed.  The palette is that of Okabe and Ito (readable with any colour vision), and
means the same everywhere: data blue circles, model vermillion squares, exact black line; lattice
extents go from light to dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.plotting.agreement import plot_agreement
    from physgen.plotting.autocorrelation import plot_tau_int
    from physgen.plotting.binder import plot_binder
    from physgen.plotting.ess_curve import plot_ess_curve
    from physgen.plotting.free_energy import plot_free_energy
    from physgen.plotting.log_prob import plot_log_prob
    from physgen.plotting.marginals import plot_marginals
    from physgen.plotting.scan import plot_scan
    from physgen.plotting.side_by_side import plot_side_by_side
    from physgen.plotting.style import render
    from physgen.plotting.training import plot_training
    from physgen.plotting.two_point import plot_two_point
    from physgen.plotting.weights import plot_weights

__all__ = [
    "plot_agreement",
    "plot_binder",
    "plot_ess_curve",
    "plot_free_energy",
    "plot_side_by_side",
    "plot_weights",
    "plot_log_prob",
    "plot_marginals",
    "plot_scan",
    "plot_tau_int",
    "plot_training",
    "plot_two_point",
    "render",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "plot_agreement": "agreement",
        "plot_binder": "binder",
        "plot_ess_curve": "ess_curve",
        "plot_free_energy": "free_energy",
        "plot_side_by_side": "side_by_side",
        "plot_weights": "weights",
        "plot_log_prob": "log_prob",
        "plot_marginals": "marginals",
        "plot_scan": "scan",
        "plot_tau_int": "autocorrelation",
        "plot_training": "training",
        "plot_two_point": "two_point",
        "render": "style",
    },
)

"""Which figures a scan has, drawn from its file as far as it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from physgen.workflow.lattice.scan import Scan
from physgen.workflow.loading import config_of_run
from physgen.workflow.summary import dataset_of
from physgen.workflow.target.exact import BINDER_CRITICAL, critical_coupling
from physgen.workflow.target.quantities import QUANTITIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CAPTIONS", "WIDE", "draw_figures"]

_BARS = "Bars are one standard error."
CAPTIONS = {
    "energy_per_site": f"Energy per site. {_BARS} Lines are exact: for each L (Kaufman), and "
    "dashed for the infinite lattice (Onsager). Below, the distance from the exact value in units "
    "of the error.",
    "specific_heat": f"Specific heat, from the fluctuation of the energy. {_BARS} Lines are "
    "exact; that of the infinite lattice diverges logarithmically.",
    "action_per_site": f"Action per site. {_BARS}",
    "phi2": f"Mean square of the field at one site. {_BARS}",
    "abs_magnetization": f"Mean modulus of the magnetization. {_BARS} Dashed, where it is known, "
    "the spontaneous magnetization of the infinite lattice (Yang).",
    "chi_abs": f"Susceptibility of |m|, which peaks near the transition. {_BARS}",
    "binder": "Binder cumulant U_L over the whole scan, and near the place where curves of "
    "neighbouring sizes cross (orange, with errors; the numbers are L, L' and the crossing). "
    "Dotted, what is known of the critical point.",
    "tau_int": "Integrated autocorrelation time of the slowest observable, in draws, and its "
    "growth with L at the slowest point of the scan.",
    "agreement": "Difference of the samplers at every point of the scan, in units of its "
    "standard error, and the spread of all of them beside the normal distribution (black).",
}
WIDE = frozenset({"binder", "tau_int", "agreement"})
_LOG = ("chi_abs",)


def draw_figures(tree: xr.DataTree) -> dict[str, Figure]:
    """Return the figures that the open run has data for, by name."""
    from physgen.plotting import plot_agreement, plot_binder, plot_scan, plot_tau_int

    estimates = dataset_of(tree, "estimates")
    if estimates is None:
        return {}
    scan = Scan(config_of_run(tree.attrs))  # type: ignore[arg-type]
    if len(scan.values) < 2:
        return {}  # one coupling is a row of the table, not a curve
    critical, exact = critical_coupling(scan), dataset_of(tree, "exact")
    figures = {}
    if "binder" in estimates and len(scan.extents) > 1:
        known = None
        if critical is not None:
            known = {"coupling": critical, "binder": BINDER_CRITICAL}
        figures["binder"] = plot_binder(estimates, dataset_of(tree, "crossings"), critical=known)
    for name in QUANTITIES:
        if name in CAPTIONS and name in estimates and name != "binder":
            figures[name] = plot_scan(estimates, name, exact, critical=critical, log=name in _LOG)
    figures["tau_int"] = plot_tau_int(estimates)
    if (side_by_side := dataset_of(tree, "agreement")) is not None:
        figures["agreement"] = plot_agreement(estimates, side_by_side)
    return figures

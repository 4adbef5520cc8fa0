"""Series of numbers -> numbers with errors; and how those are printed.

On arrays of shape (n_chains, n_draws).  :func:`jackknife` shares its module's name and is bound
here at once: a submodule imported later would otherwise take the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.analysis.jackknife import jackknife
from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.analysis.autocorrelation import TauInt, autocovariance, ess, tau_int
    from physgen.analysis.convergence import r_hat
    from physgen.analysis.errors import Estimate, gamma_method, mean_estimate
    from physgen.analysis.format import format_estimate, pull
    from physgen.analysis.resampling import Bootstrapped, bootstrap
    from physgen.analysis.reweighting import Reweighted, log_z_ratio, reweight, reweight_beta
    from physgen.analysis.table import format_table

__all__ = [
    "Bootstrapped",
    "Estimate",
    "Reweighted",
    "TauInt",
    "autocovariance",
    "bootstrap",
    "ess",
    "format_estimate",
    "format_table",
    "gamma_method",
    "jackknife",
    "log_z_ratio",
    "mean_estimate",
    "pull",
    "r_hat",
    "reweight",
    "reweight_beta",
    "tau_int",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Bootstrapped": "resampling",
        "Estimate": "errors",
        "Reweighted": "reweighting",
        "TauInt": "autocorrelation",
        "autocovariance": "autocorrelation",
        "bootstrap": "resampling",
        "ess": "autocorrelation",
        "format_estimate": "format",
        "format_table": "table",
        "gamma_method": "errors",
        "log_z_ratio": "reweighting",
        "mean_estimate": "errors",
        "pull": "format",
        "r_hat": "convergence",
        "reweight": "reweighting",
        "reweight_beta": "reweighting",
        "tau_int": "autocorrelation",
    },
)

r"""R-hat, a test of whether chains agree.

.. math:: \hat R = \sqrt{\frac{n-1}{n} + \frac{B}{n W}} ,

Values are replaced by ranks, turned into normal deviates.  B is n times the variance between the
means of half chains, and W the variance within half chains.  R-hat is the larger of the results
for x and for \|x - median\| (Vehtari, Gelman, Simpson, Carpenter and Bürkner, Bayesian Analysis 16
(2021) 667).  The code is ArviZ's, imported only here.

For converged chains :math:`\hat R^2 - 1 \approx 4 \tau_\mathrm{int} / n_\mathrm{draws}`: many
short chains have a large R-hat and a small error, so R-hat gates only runs of a few long chains.

ArviZ also computes k, the shape of the tail of importance weights.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from physgen.analysis.autocorrelation import as_series, is_constant

__all__ = ["load_arviz", "r_hat", "tail_shape"]

_MAX_CHAINS = 256  # more chains hardly sharpen R-hat, and ranks of 1e6 numbers take a second


def r_hat(x: Any) -> float:
    """Return the rank-normalised split R-hat; 1 is agreement, above 1.01 chains are too short.

    Parameters
    ----------
    x : array_like, shape (n_chains, n_draws)
        If there are more than 256 chains, 256 evenly spaced ones are used.

    Returns
    -------
    float
        NaN for a single chain, and for a series that is constant or shorter than 4 draws;
        infinite for chains that are constant at different values.
    """
    x = as_series(x)
    if len(x) > _MAX_CHAINS:
        x = x[np.linspace(0, len(x) - 1, _MAX_CHAINS).astype(int)]
    if len(x) < 2 or x.shape[1] < 4 or is_constant(x):
        return math.nan
    if all(is_constant(chain) for chain in x):
        return math.inf
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        return float(load_arviz().rhat(np.ascontiguousarray(x), method="rank"))


def tail_shape(log_weight: np.ndarray) -> float:
    """Return the shape k of a Pareto tail fitted to weights, log weights (n,) (PSIS's k-hat).

    Infinite where fewer than 5 weights are in the tail; see :mod:`physgen.analysis.tails`.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        _, k = load_arviz().psislw(log_weight)
    return float(k)


@functools.cache
def load_arviz() -> Any:
    """Return ArviZ without the FutureWarning about its own refactoring."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz

    return arviz

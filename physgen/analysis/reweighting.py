r"""Single-histogram reweighting: averages at couplings near those that were sampled.

.. math:: \langle O \rangle' = \frac{\langle O w \rangle}{\langle w \rangle} , \qquad
          w = e^{-\Delta S} , \qquad
          \log \frac{Z'}{Z} = \log \langle w \rangle , \qquad
          \mathrm{ess} = \frac{\langle w \rangle^2}{\langle w^2 \rangle} \,
          \frac{n}{2 \tau_\mathrm{int}} ,

with :math:`\Delta S = S' - S` of each configuration: :math:`(\beta' - \beta) E` for a change of
temperature (Ferrenberg and Swendsen, Phys. Rev. Lett. 61 (1988) 2635).  ess counts the effective
draws, from their weights (Kish) and their autocorrelation.  If it is small the histograms no
longer overlap: a few extreme draws dominate the sum, value and error are both wrong, and nothing
is returned.  Errors come from the jackknife.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from physgen.analysis.autocorrelation import as_series, tau_int
from physgen.analysis.jackknife import jackknife
from physgen.core.checks import check_finite
from physgen.core.errors import InputError

__all__ = ["MIN_ESS", "Reweighted", "log_z_ratio", "reweight", "reweight_beta"]

MIN_ESS = 100  # effective draws below which nothing is returned


class Reweighted(NamedTuple):
    """A reweighted average with its standard error and number of effective draws."""

    value: float
    error: float
    ess: float


def reweight(
    delta_action: Any, *series: Any, function: Callable[..., Any] | None = None
) -> Reweighted:
    """Return an average, or a function of averages, under another action.

    Parameters
    ----------
    delta_action : array_like, shape (n_chains, n_draws)
        S' - S of every draw; an additive constant does not matter.
    *series : array_like, shape (n_chains, n_draws)
        Observables, or powers of them.
    function : callable, optional
        A function of the reweighted means of all series; by default the mean of a single series.

    Raises
    ------
    InputError
        If fewer than 100 effective draws are left.
    """
    delta = as_series(delta_action, "delta_action")
    arrays = [as_series(x) for x in series]
    if function is None and len(arrays) != 1:
        raise InputError(f"function must be given for {len(arrays)} series")
    if any(x.shape != delta.shape for x in arrays):
        raise InputError(f"series must have one shape, got {[x.shape for x in (delta, *arrays)]}")
    w = _weights(delta)
    ess = _checked_ess(w, [tau_int(delta).value, *(tau_int(x).value for x in arrays)])

    def ratio(w_mean: Any, *wo_means: Any) -> Any:
        means = [wo / w_mean for wo in wo_means]
        return means[0] if function is None else function(*means)

    found = jackknife(ratio, w, *(w * x for x in arrays))
    return Reweighted(found.value, found.error, ess)


def reweight_beta(
    energy: Any,
    *series: Any,
    beta: float,
    to: float,
    function: Callable[..., Any] | None = None,
) -> Reweighted:
    """Return an average, or a function of averages, at inverse temperature `to`.

    Parameters
    ----------
    energy : array_like, shape (n_chains, n_draws)
        Total energy H of every draw, at `beta`.
    *series : array_like, shape (n_chains, n_draws)
        Observables, or powers of them.
    beta, to : float
        Sampled and wanted inverse temperature.
    function : callable, optional
        A function of the reweighted means of all series.

    Raises
    ------
    InputError
        If fewer than 100 effective draws are left; the message names the distance in beta.
    """
    shift = check_finite("to", to) - check_finite("beta", beta)
    return reweight(shift * as_series(energy, "energy"), *series, function=function)


def log_z_ratio(delta_action: Any) -> Reweighted:
    """Return log(Z'/Z) = log <exp(-(S' - S))>, a consistent estimate.

    Parameters
    ----------
    delta_action : array_like, shape (n_chains, n_draws)

    Raises
    ------
    InputError
        If fewer than 100 effective draws are left.
    """
    delta = as_series(delta_action, "delta_action")
    w = _weights(delta)
    ess = _checked_ess(w, [tau_int(delta).value])
    found = jackknife(np.log, w)
    return Reweighted(found.value - float(delta.min()), found.error, ess)


def _weights(delta: np.ndarray) -> np.ndarray:
    """Return weights, the largest of them 1."""
    return np.exp(delta.min() - delta)


def _checked_ess(w: np.ndarray, taus: list[float]) -> float:
    tau = max([t for t in taus if t > 0], default=0.5)
    ess = float(w.mean() ** 2 / np.mean(w**2)) * w.size / (2 * tau)
    if not math.isfinite(ess) or ess < MIN_ESS:
        raise InputError(
            f"reweighting needs at least {MIN_ESS} effective draws, got {ess:.3g} of {w.size}; "
            "sample nearer to the couplings that are wanted, or draw more"
        )
    return ess

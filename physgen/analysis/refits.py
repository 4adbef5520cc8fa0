r"""Error bars of a fitted model, from refits to resampled data.

Let :math:`\hat\theta` be a number computed from the model fitted to the data, and
:math:`\theta_b`, b = 1..B, the same number from models fitted to bootstrap resamples of the data:

.. math:: \text{bias} = \bar\theta - \hat\theta, \qquad
          s^2 = \frac{1}{B-1} \sum_b (\theta_b - \bar\theta)^2 - \overline{\sigma_b^2},

so the error s of the fit is the spread of the refits beyond their own sampling errors
:math:`\sigma_b`.  Resamples relate to the data as the data relate to the truth, so the bias is
subtracted once,

.. math:: \theta = \hat\theta - \text{bias}, \qquad
          \text{error}^2 = s^2 (1 + 1/B) + \sigma^2,

and an interval is :math:`\theta \pm t_{B-1}\, \text{error}`, with Student's t because s comes from
a few refits.  :math:`\sigma`, the sampling error of :math:`\hat\theta` itself, is also reported.

A physical state fitted to finite data has too high an energy and too low a fidelity with a pure
target, both to second order in the noise.  Resampling repeats this bias, so the data alone can
estimate it.  No refit shows an error due to states that the model class cannot express.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from physgen.core.errors import InputError

__all__ = ["LEVELS", "RefitErrors", "refit_errors"]

LEVELS = (0.68, 0.95)


class RefitErrors(NamedTuple):
    """Numbers of a fitted model with the error of the fit; arrays of one shape ``(...)``.

    Attributes
    ----------
    estimate : array
        Value of the fit, minus the bias estimated by refits.
    error : array
        Standard error, of fit and sampling together.
    bias, fit_error, sampling_error : array
        The bias, s, and sigma.
    interval : array (..., 2, 2)
        [level, end]: low and high ends for :data:`LEVELS`.
    """

    estimate: np.ndarray
    error: np.ndarray
    bias: np.ndarray
    fit_error: np.ndarray
    sampling_error: np.ndarray
    interval: np.ndarray


def refit_errors(
    value: np.ndarray | float,
    refits: np.ndarray,
    sampling_error: np.ndarray | float = 0.0,
    refit_sampling_error: np.ndarray | float = 0.0,
) -> RefitErrors:
    """Combine the value of a fit with the values of its refits.

    Parameters
    ----------
    value : array (...)
        From the model that was fitted to the data.
    refits : array (B, ...)
        From B >= 2 refits to resamples.
    sampling_error : array (...)
        Standard error of `value` as an estimate from samples of its model; 0 if it is exact.
    refit_sampling_error : array (B, ...) or (...)
        The same for each refit.

    Raises
    ------
    InputError
        If there are fewer than 2 refits or shapes differ.
    """
    from scipy import stats

    theta, values = np.asarray(refits, dtype=float), np.asarray(value, dtype=float)
    if theta.ndim == 0 or len(theta) < 2 or theta.shape[1:] != values.shape:
        raise InputError(
            f"refits must be at least 2 values of shape {values.shape}, got {theta.shape}"
        )
    B = len(theta)
    sigma = np.broadcast_to(np.asarray(sampling_error, dtype=float), values.shape)
    theirs = np.broadcast_to(np.asarray(refit_sampling_error, dtype=float), theta.shape)
    bias = theta.mean(axis=0) - values
    variance = np.maximum(theta.var(axis=0, ddof=1) - (theirs**2).mean(axis=0), 0.0)
    error = np.sqrt(variance * (1 + 1 / B) + sigma**2)
    estimate = values - bias
    t = stats.t(B - 1).ppf(0.5 + 0.5 * np.array(LEVELS))
    half = error[..., None] * t
    interval = np.stack([estimate[..., None] - half, estimate[..., None] + half], axis=-1)
    return RefitErrors(estimate, error, bias, np.sqrt(variance), sigma, interval)

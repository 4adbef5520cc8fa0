r"""Error bars of a fitted model, from refits to resampled data.

With :math:`\hat\theta` a number of the model that was fitted to the data and :math:`\theta_b`,
b = 1..B, the same number of models that were fitted anew to bootstrap resamples of the data,

.. math:: \text{bias} = \bar\theta - \hat\theta, \qquad
          s^2 = \frac{1}{B-1} \sum_b (\theta_b - \bar\theta)^2 - \overline{\sigma_b^2},

what refits change beyond their own sampling errors :math:`\sigma_b` is the error of the fit.  The
bootstrap sees the data as the data see the truth, so the bias that it finds is subtracted once,

.. math:: \theta = \hat\theta - \text{bias}, \qquad
          \text{error}^2 = s^2 (1 + 1/B) + \sigma^2,

and an interval is :math:`\theta \pm t_{B-1}\, \text{error}`, with Student's t for the few refits
that gave s.  :math:`\sigma`, the sampling error of :math:`\hat\theta` itself, stays known apart.

A physical state that is fitted to finite data has too high an energy and too low a fidelity with a
pure target, both of second order in the noise.  Resampling repeats that, which is why the bias can
be told from the data alone; what the model class cannot express at all, no refit shows.
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
        Value of the fit, less the bias that refits show.
    error : array
        Standard error, of fit and sampling together.
    bias, fit_error, sampling_error : array
        Its parts; `fit_error` is s.
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
    """Combine a fitted value and those of refits.

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

r"""Importance weights: estimates for the target from draws of q.

With :math:`\log w = -S - \log q`,

.. math::
    \log Z = \log \frac1N \sum_i w_i \pm \sqrt{\frac{1/\mathrm{ess} - 1}{N}}, \qquad
    \mathrm{ess} = \frac{(\sum_i w_i)^2}{N \sum_i w_i^2}, \qquad
    \mathrm{ess}_f = \frac{1}{\langle w \rangle_p \, \langle 1/w \rangle_p} ,

where ess_f comes from draws of the *target* (MCMC) and alone detects a mode that q misses.  Both
ess and ess_f are shares of N in (0, 1], and agree as N grows if q covers the target (Nicoli et
al., PRE 101, 023304 (2020)).  The entropy :math:`\langle S\rangle + \log Z` has one error, because
both terms come from the same draws.  The tail of the weights shows whether they have a variance at
all (:mod:`physgen.analysis.tails`).

An error bar of a mean holds if the mean is about normal.  Its skewness, and by how much it falls
below z errors too often (P. Hall, The Bootstrap and Edgeworth Expansion (1992), 2.6), are

.. math::
    \gamma = \frac{\sum_i (w_i - \bar w)^3}{[\sum_i (w_i - \bar w)^2]^{3/2}}, \qquad
    P(\text{pull} < -z) \approx \Phi(-z) + \frac{\gamma}{6} (2 z^2 + 1)\, \varphi(z) .

m equal draws that outweigh all others have :math:`\gamma = 1/\sqrt m`.  If the tail has no third
moment (k > 1/3), the largest weights were not drawn, and the skewness that is seen is too small.
Then log w is taken for normal, and the effective share, which is known from the bulk of the
weights, gives :math:`\gamma = (1/\mathrm{ess} + 2) \sqrt{(1/\mathrm{ess} - 1) / N}`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError

if TYPE_CHECKING:
    from physgen.analysis.tails import Tail

__all__ = [
    "entropy",
    "ess",
    "forward_ess",
    "largest_share",
    "log_mean_exp",
    "log_z",
    "pareto_k",
    "relative",
    "skewness",
    "skewness_of_normal_logs",
    "tail",
]


def entropy(log_weight: Any, action: Any) -> tuple[float, float]:
    """Return -<log p> = <S> + log Z and its standard error (delta method).

    Parameters
    ----------
    log_weight : array (N,)
    action : array (N,)
        S of the whole configurations of these draws.

    Returns
    -------
    value, error : float
        In nats; for real fields, the differential entropy.
    """
    w, S = relative(log_weight), np.asarray(to_numpy(action), dtype=np.float64).ravel()
    w = w / w.mean()
    mean = float(np.mean(w * S))
    influence = w * (S - mean) + w - 1
    value, _ = log_z(log_weight)
    return mean + value, float(influence.std() / math.sqrt(w.size))


def ess(log_weight: Any) -> float:
    """Return (sum w)^2 / (N sum w^2), in (0, 1], for log weights (N,)."""
    w = relative(log_weight)
    return float(w.sum() ** 2 / (w.size * np.sum(w * w)))


def forward_ess(log_weight: Any) -> float:
    """Return 1 / (<w> <1/w>) for log weights (N,) of draws of the target, in (0, 1]."""
    a = _checked(log_weight)
    return math.exp(-log_mean_exp(a) - log_mean_exp(-a))


def log_mean_exp(a: Any) -> float:
    """Return log (1/N) sum e^a."""
    a = np.asarray(a, dtype=np.float64)
    top = float(a.max())
    return top + math.log(float(np.mean(np.exp(a - top))))


def log_z(log_weight: Any) -> tuple[float, float]:
    """Return log Z and its standard error (delta method), for log weights (N,).

    The bias of the estimate is minus half of the squared error.
    """
    a = _checked(log_weight)
    return log_mean_exp(a), math.sqrt(max(1 / ess(a) - 1, 0.0) / a.size)


def largest_share(log_weight: Any) -> float:
    """Return the share of the largest weight in the sum."""
    w = relative(log_weight)
    return float(1 / w.sum())


def pareto_k(log_weight: Any) -> float:
    """Return the shape k of the tail of the weights; NaN if there is no tail to fit."""
    return tail(log_weight).k


def relative(log_weight: Any) -> np.ndarray:
    """Return the weights relative to the largest."""
    a = _checked(log_weight)
    return np.exp(a - a.max())


def skewness(log_weight: Any) -> float:
    """Return the skewness of the mean of weights, log weights (N,); 0 where they are equal."""
    w = relative(log_weight)
    d = w - w.mean()
    squares = float(np.sum(d * d))
    return float(np.sum(d**3)) / squares**1.5 if squares > 1e-12 * w.size else 0.0


def skewness_of_normal_logs(share: float, n: int) -> float:
    """Return the skewness of the mean of n lognormal weights of this effective share."""
    return (1 / share + 2) * math.sqrt((1 / share - 1) / n)


def tail(log_weight: Any) -> Tail:
    """Return the properties of the largest weights, for log weights (N,)."""
    from physgen.analysis.tails import weight_tail

    return weight_tail(_checked(log_weight))


def _checked(log_weight: Any) -> np.ndarray:
    a = np.asarray(to_numpy(log_weight), dtype=np.float64).ravel()
    if a.size == 0:
        raise InputError("log_weight must hold at least one draw, got none")
    bad = np.isnan(a) | (a == np.inf)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(f"log_weight must be numbers, got {a[first]} at draw {first}")
    if np.all(a == -np.inf):
        raise InputError("every draw has weight zero: the target forbids all that q makes")
    return a

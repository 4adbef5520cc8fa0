r"""Fidelity and relative entropy of a model and a target, whose log Z need not be known.

With :math:`\log w = -S - \log q` of independent draws of q, :math:`p = e^{-S} / Z` and
:math:`\hat Z = \langle w \rangle_q`,

.. math::
    F_c = \sum \sqrt{p q} &= \frac{\langle \sqrt w \rangle_q}{\sqrt{\langle w \rangle_q}} \\
    D(q\|p) &= \log \langle w \rangle_q - \langle \log w \rangle_q \\
    D(p\|q) &= \langle \log w \rangle_p - \log \langle w \rangle_q ,

in nats, all three unchanged if w is multiplied by a constant: so they hold for an energy S_m, with
:math:`\log w = S_m - S` of its chains, as well.  Errors are those of functions of means (delta
method), from chains where there are chains.

A mode that q never draws is in neither of the first two: they look at q's own draws alone.  The
third one sees it, as its means of p reach there.  A model that is narrower than the target has
weights without a variance; :func:`~physgen.analysis.weights.pareto_k` tells.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physgen.analysis import weights
from physgen.analysis.errors import mean_estimate
from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.validation.divergences import Estimate

__all__ = ["fidelity_of_weights", "forward_kl_of_weights", "reverse_kl_of_weights"]


def fidelity_of_weights(log_weight: Any) -> Estimate:
    """Return F_c of model and target, in (0, 1].

    Parameters
    ----------
    log_weight : array (n,) or (n_chains, n_draws)
        Of draws of the model, up to a constant.
    """
    log_w = _series(log_weight)
    w = np.exp(log_w - log_w.max())
    root = np.sqrt(w)
    a, b = root.mean(), w.mean()
    value = float(a / math.sqrt(b))
    return Estimate(value, value * _error(root / a - w / (2 * b)))


def reverse_kl_of_weights(log_weight: Any) -> Estimate:
    """Return D(q||p) in nats, >= 0; the argument is that of :func:`fidelity_of_weights`."""
    log_w = _series(log_weight)
    w = np.exp(log_w - log_w.max())
    value = weights.log_mean_exp(log_w) - float(log_w.mean())
    return Estimate(value, _error(w / w.mean() - log_w))


def forward_kl_of_weights(
    target_log_weight: Any, log_weight: Any = None, *, log_z: tuple[float, float] | None = None
) -> Estimate:
    """Return D(p||q) in nats; an estimate may come out negative.

    Parameters
    ----------
    target_log_weight : array (n,) or (n_chains, n_draws)
        Of draws of the target.
    log_weight : array, optional
        Of draws of the model, with the same constant; gives log Z.
    log_z : (value, error), optional
        log of the mean weight, where it is known better.

    Raises
    ------
    InputError
        Unless exactly one of the last two is given.
    """
    if (log_weight is None) == (log_z is None):
        raise InputError("forward_kl_of_weights takes log_weight or log_z, got both or neither")
    if log_z is None:
        log_w = _series(log_weight)
        w = np.exp(log_w - log_w.max())
        log_z = weights.log_mean_exp(log_w), _error(w / w.mean())
    of_target = _series(target_log_weight)
    found = float(of_target.mean()) - log_z[0]
    return Estimate(found, math.hypot(_error(of_target), log_z[1]))


def _series(log_weight: Any) -> np.ndarray:
    """Return log weights as (n_chains, n_draws), float64."""
    log_w = np.asarray(to_numpy(log_weight), dtype=np.float64)
    if log_w.ndim not in (1, 2) or log_w.size < 2 or np.isnan(log_w).any():
        raise InputError(
            "log weights must be numbers (n,) or (n_chains, n_draws), n >= 2, got shape "
            f"{log_w.shape}{' with NaN' if np.isnan(log_w).any() else ''}"
        )
    return np.atleast_2d(log_w)


def _error(influence: np.ndarray) -> float:
    """Return the standard error of the mean of a series; 0 where it never varies."""
    if np.ptp(influence) == 0:
        return 0.0
    if len(influence) == 1:
        return float(influence.std(ddof=1) / math.sqrt(influence.size))
    return mean_estimate(influence).error

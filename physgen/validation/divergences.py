r"""Fidelity and relative entropy of two densities, from samples and in log space.

With P the target, Q the model, l = log:

.. math::

   F_c = \sum_a \sqrt{P Q} &= E_P\, e^{(lQ - lP)/2} = E_Q\, e^{(lP - lQ)/2} \\
   D(P\|Q) = \sum_a P (lP - lQ) &= E_P [Q/P - 1 - (lQ - lP)] \\
   D(Q\|P) = \sum_a Q (lQ - lP) &= E_Q [P/Q - 1 - (lP - lQ)]

in nats.  Adding :math:`Q/P - 1`, whose mean under P is zero when the supports agree, makes every
term of the relative entropies non-negative and cancels their leading noise.  The variance of both
F_c estimators is exactly :math:`1 - F_c^2`; the standard errors here are the observed ones.

A sample that the other density gives probability zero makes that relative entropy infinite, and
it is reported as infinite.  Where Q misses part of the support of P, samples from P show it (F_c
falls, D(P||Q) diverges) and samples from Q do not: report both; their disagreement is an alarm.

F_c is the classical fidelity of outcome distributions, an upper bound of the root quantum
fidelity of the states [1]_.

References
----------
.. [1] Fuchs and Caves, "Mathematical techniques for quantum communication theory", Open Systems &
       Information Dynamics 3, 345 (1995).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from physgen.core.errors import InputError

__all__ = ["Estimate", "classical_fidelity", "relative_entropy"]


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    error: float


def classical_fidelity(log_p: np.ndarray, log_q: np.ndarray) -> Estimate:
    """Return F_c of two densities from independent samples of the first.

    Parameters
    ----------
    log_p, log_q : arrays (n,)
        Log probabilities, in nats, of samples of p under p and under q.  F_c is symmetric: with
        samples of the model, call it with the roles exchanged.

    Raises
    ------
    InputError
        If the arrays differ in shape, hold NaN, or give a sample of p no probability under p.
    """
    difference = _log_ratio(log_p, log_q)
    return _mean(np.exp(difference / 2))


def relative_entropy(log_p: np.ndarray, log_q: np.ndarray) -> Estimate:
    """Return D(p||q) in nats from independent samples of p; infinite if q vanishes on one.

    Parameters and errors are those of :func:`classical_fidelity`.
    """
    difference = _log_ratio(log_p, log_q)
    if np.any(np.isneginf(difference)):
        return Estimate(np.inf, np.nan)
    return _mean(np.expm1(difference) - difference)


def _log_ratio(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    p, q = np.asarray(log_p, dtype=np.float64), np.asarray(log_q, dtype=np.float64)
    if p.ndim != 1 or p.shape != q.shape or p.size < 2:
        raise InputError(
            "log_p and log_q must be one-dimensional, of one length >= 2, "
            f"got shapes {p.shape} and {q.shape}"
        )
    if np.isnan(p).any() or np.isnan(q).any():
        raise InputError("log_p and log_q must not hold NaN; check the model's weights")
    if np.isneginf(p).any():
        raise InputError(
            "log_p must be finite on samples of p itself; were the two arguments exchanged?"
        )
    return q - p


def _mean(terms: np.ndarray) -> Estimate:
    return Estimate(float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(terms.size)))

r"""Any f-divergence of two densities: from samples of either side, exact, and bounded from below.

With :math:`u = p / q` and the generators of :mod:`physgen.analysis.f_generators`,

.. math::
    D_f(p\|q) = E_q f(u) = E_p \frac{f(u)}{u}
              \ge E_p T - E_q f^*(T) .

The means need normalised densities; their errors are those of independent draws.  Samples of p
never land where p vanishes, and samples of q not where q does: the mass that is missed there,
:math:`f(0)\,Q(p = 0)` or :math:`f'(\infty)\,P(q = 0)`, is not in the mean of that side.  Terms
with heavy tails (``pearson`` from samples of q where q is too narrow) have errors that cannot be
trusted; compare both sides.  The bound needs only the values of T at samples of both, such as
:math:`T = f'(e^\ell)` of a held-out log ratio (:func:`~physgen.validation.log_ratios`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physgen.analysis.f_generators import generator
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.validation.divergences import Estimate

__all__ = ["exact_f_divergence", "f_bound", "f_bound_of_log_ratios", "f_divergence"]


def f_divergence(name: str, log_p: Any, log_q: Any, *, sampled_from: str) -> Estimate:
    """Return D_f(p||q) from independent samples of p or of q.

    Parameters
    ----------
    name : {"kl", "reverse-kl", "pearson", "squared-hellinger", "js", "tv"}
        In nats where there is a logarithm.
    log_p, log_q : arrays (n,)
        Normalised log densities at the samples.
    sampled_from : {"p", "q"}
        Where the samples come from.

    Raises
    ------
    InputError
        If the arrays differ in shape, hold NaN, or the samples have no density under their own
        source.
    """
    f = generator(name)
    check_choice("sampled_from", sampled_from, ("p", "q"))
    p, q = _log_values(log_p, log_q, 2)
    own = p if sampled_from == "p" else q
    if np.isneginf(own).any():
        raise InputError(
            f"log_{sampled_from} must be finite on samples of {sampled_from} itself; were the "
            "arguments exchanged?"
        )
    v = p - q
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        terms = (f.per_u if sampled_from == "p" else f.f)(v)
    # Where the other density vanishes: f(0), or the limit of f(u) / u.
    terms = np.where(v == np.inf, f.at_infinity, np.where(v == -np.inf, f.at_zero, terms))
    if not np.isfinite(terms).all():
        return Estimate(math.inf, math.nan)
    return Estimate(float(terms.mean()), float(terms.std(ddof=1) / math.sqrt(terms.size)))


def exact_f_divergence(name: str, p: Any, q: Any) -> float:
    """Return D_f(p||q) of two probability vectors by summation; infinite where it is.

    Parameters
    ----------
    name : str
        As for :func:`f_divergence`.
    p, q : arrays of one shape
        Probabilities, each with sum 1.

    Raises
    ------
    InputError
        If p and q are no probabilities of the same outcomes.
    """
    f = generator(name)
    p, q = (to_numpy(a).astype(np.float64).ravel() for a in (p, q))
    good = p.shape == q.shape and (p >= 0).all() and (q >= 0).all()
    if not good or max(abs(p.sum() - 1), abs(q.sum() - 1)) > 1e-6:
        raise InputError(
            "p and q must be probabilities of the same outcomes, with sum 1 each, got shapes "
            f"{p.shape} and {q.shape}, sums {p.sum():.6g} and {q.sum():.6g}"
        )
    both = (p > 0) & (q > 0)
    v = np.log(p[both]) - np.log(q[both])
    total = float((p[both] * f.per_u(v)).sum())
    missed = ((float(q[p == 0].sum()), f.at_zero), (float(p[q == 0].sum()), f.at_infinity))
    return total + sum(mass * cost for mass, cost in missed if mass > 0)


def f_bound(name: str, at_p: Any, at_q: Any) -> Estimate:
    """Return the lower bound E_p T - E_q f*(T) of D_f(p||q) from values of any T.

    Parameters
    ----------
    name : str
        As for :func:`f_divergence`.
    at_p, at_q : arrays (n,), (m,)
        T at independent samples of p and of q.  T must not have been fitted to these samples:
        otherwise the value is no bound.

    Raises
    ------
    InputError
        If a value lies outside the domain of f*.
    """
    f = generator(name)
    t, s = (to_numpy(a).astype(np.float64) for a in (at_p, at_q))
    if t.ndim != 1 or s.ndim != 1 or t.size < 2 or s.size < 2:
        raise InputError(
            f"at_p and at_q must be one-dimensional, at least 2 long, got {t.shape} and {s.shape}"
        )
    largest = max(float(t.max()), float(s.max()))
    closed = name == "tv"  # the conjugate is finite at the end of its domain
    if not (largest < f.upper or (closed and largest <= f.upper) or math.isinf(f.upper)):
        raise InputError(
            f"T of {name} must be {'at most' if closed else 'below'} {f.upper:.6g}, the domain of "
            f"its conjugate, got {largest:.6g}; pass T through a bounded activation"
        )
    if not (np.isfinite(t).all() and np.isfinite(s).all()):
        raise InputError("T must be finite numbers, got NaN or infinity")
    conjugate = f.conjugate(s)
    error = math.hypot(*(float(a.std(ddof=1)) / math.sqrt(a.size) for a in (t, conjugate)))
    return Estimate(float(t.mean() - conjugate.mean()), error)


def f_bound_of_log_ratios(name: str, at_p: Any, at_q: Any) -> Estimate:
    """Return the lower bound of D_f(p||q) from log p/q at samples of both, as a classifier gives.

    The best T is f'(p/q), so the bound is tight where the ratio is right, and a bound in any case.

    Parameters
    ----------
    name : str
        One of the divergences of `f_divergence`.
    at_p, at_q : array, shape (n,)
        log p/q at samples of p, and of q.
    """
    f = generator(name)
    v, w = (to_numpy(a).astype(np.float64) for a in (at_p, at_q))
    return f_bound(name, f.slope(v), f.slope(w))


def _log_values(log_p: Any, log_q: Any, least: int) -> tuple[np.ndarray, np.ndarray]:
    p, q = (to_numpy(a).astype(np.float64) for a in (log_p, log_q))
    if p.ndim != 1 or p.shape != q.shape or p.size < least:
        raise InputError(
            f"log_p and log_q must be one-dimensional, of one length >= {least}, got shapes "
            f"{p.shape} and {q.shape}"
        )
    if np.isnan(p).any() or np.isnan(q).any() or (p == np.inf).any() or (q == np.inf).any():
        raise InputError("log_p and log_q must not hold NaN or +infinity; check the densities")
    return p, q

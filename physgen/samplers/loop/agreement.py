r"""Tests whether the chains have forgotten where they began.

Two tests, both exact for independent chains whatever their autocorrelation, because they use one
number per chain:

.. math:: z_\mathrm{hot/cold} = \frac{\bar x_\mathrm{hot} - \bar x_\mathrm{cold}}
          {\sqrt{s^2_\mathrm{hot}/n_\mathrm{hot} + s^2_\mathrm{cold}/n_\mathrm{cold}}} , \qquad
          z_\mathrm{drift} = \frac{\bar d}{s_d / \sqrt{n_\mathrm{chains}}} ,

with :math:`\bar x` the chain means, s their standard deviation and d the mean over the second half
of a chain minus the mean over the first.  With fewer than 8 chains in a group the Γ-method gives
the errors instead.  Observables that are odd under a symmetry of the target enter as |x|: in a
broken phase their sign never changes, and random cold starts have the right sign on average.

**What these tests cannot see.**  Chains in which hot and cold starts fall into the same metastable
state (a first-order transition when both starts are on one side of it; a phase near neither
infinite nor zero temperature); a slow mode that the recorded observables do not feel (topology);
anything rarer than one chain in n_chains and slower than the warm-up.  Use a cluster move or
tempering there, and compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from physgen.analysis.autocorrelation import as_series, is_constant, tau_int

__all__ = ["ODD", "chains_apart", "drift_p", "even_observables", "hot_cold_p"]

ODD = ("magnetization",)  # under the reversal of all spins or fields
_GROUP = 8  # chains whose spread is worth using
_LEAST = 4  # chains whose range is worth using


def hot_cold_p(x: np.ndarray, hot: np.ndarray) -> float:
    """Return the p-value for equal means of hot and cold starts (Welch's test).

    Parameters
    ----------
    x : ndarray, shape (n_chains, n_draws)
    hot : ndarray of bool, shape (n_chains,)
        Which chains began hot.

    Returns
    -------
    float
        1 if there is no chain of one kind.
    """
    x = as_series(x)
    hot = np.asarray(hot, dtype=bool)
    if hot.all() or not hot.any():
        return 1.0
    (a, va, na), (b, vb, nb) = _mean(x[hot]), _mean(x[~hot])
    return _p_value(a - b, [(va, na), (vb, nb)], x)


def chains_apart(x: np.ndarray, hot: np.ndarray) -> np.ndarray:
    """Return the chains that stay where no chain from the other start is seen.

    A few metastable chains (stripes after a quench) widen the spread as much as they move the
    mean, so :func:`hot_cold_p` cannot see them.  But they lie beyond all chains of the other
    start in each quarter of the series, on the same side.  For n converged chains of a start, each
    does so with probability :math:`2 (n + 1)^{-4}` if a quarter is longer than tau_int.

    Parameters
    ----------
    x : ndarray, shape (n_chains, n_draws)
    hot : ndarray of bool, shape (n_chains,)

    Returns
    -------
    ndarray of int
        Numbers of those chains; empty with fewer than 4 chains of one start or 8 draws.
    """
    x, hot = as_series(x), np.asarray(hot, dtype=bool)
    if min(hot.sum(), (~hot).sum()) < _LEAST or x.shape[1] < 8:
        return np.empty(0, dtype=int)
    quarters = np.stack([q.mean(axis=1) for q in np.array_split(x, 4, axis=1)])
    low = np.where(hot, *(quarters[:, g].min(axis=1, keepdims=True) for g in (~hot, hot)))
    high = np.where(hot, *(quarters[:, g].max(axis=1, keepdims=True) for g in (~hot, hot)))
    slack = _rounding(x)
    below, above = (quarters < low - slack).all(axis=0), (quarters > high + slack).all(axis=0)
    return np.flatnonzero(below | above)


def drift_p(x: np.ndarray) -> float:
    """Return the p-value for equal means of both halves of the chains.

    Parameters
    ----------
    x : ndarray, shape (n_chains, n_draws)
        Independent chains; 1 is returned for fewer than 4 draws.
    """
    x = as_series(x)
    half = x.shape[1] // 2
    if half < 2:
        return 1.0
    first, second = x[:, :half], x[:, -half:]
    if len(x) >= _GROUP:  # one difference per chain: what its halves share cancels
        d = second.mean(axis=1) - first.mean(axis=1)
        return _p_value(d.mean(), [(d.var(ddof=1) / len(d), len(d) - 1)], x)
    (a, va, na), (b, vb, nb) = _mean(first), _mean(second)
    return _p_value(b - a, [(va, na), (vb, nb)], x)


def even_observables(values: Mapping[str, np.ndarray], symmetries: str) -> dict[str, np.ndarray]:
    """Return the values, with |m| in place of an m that is odd under a symmetry of the target.

    Parameters
    ----------
    values : mapping of str to ndarray
    symmetries : str
        Symmetries of the target, as words.
    """
    z2 = "z2" in symmetries.split()
    return {
        (f"|{name}|" if z2 and name in ODD else name): (
            np.abs(value) if z2 and name in ODD else value
        )
        for name, value in values.items()
    }


def _mean(x: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of a group of chains, its variance, and its degrees of freedom."""
    if len(x) >= _GROUP:
        means = x.mean(axis=1)
        return float(means.mean()), float(means.var(ddof=1) / len(x)), len(x) - 1.0
    if is_constant(x):
        return float(x.mean()), 0.0, math.inf
    tau = tau_int(x).value
    return float(x.mean()), 2 * tau * float(x.var()) / x.size, max(x.size / (2 * tau) - 1, 1.0)


def _rounding(x: np.ndarray) -> float:
    return 64 * float(np.finfo(np.float64).eps) * float(np.abs(x).max())


def _p_value(difference: float, parts: list[tuple[float, float]], x: np.ndarray) -> float:
    """Return the two-sided p-value of a difference with variances (v, degrees of freedom)."""
    from scipy.special import stdtr

    variance = sum(v for v, _ in parts)
    rounding = _rounding(x)
    if variance <= rounding**2:
        return 1.0 if abs(difference) <= rounding else 0.0
    spread = sum(v**2 / n for v, n in parts if math.isfinite(n))
    dof = variance**2 / spread if spread > 0 else 1e9
    return float(2 * stdtr(dof, -abs(difference) / math.sqrt(variance)))

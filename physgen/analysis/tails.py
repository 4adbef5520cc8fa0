r"""The tail of importance weights: whether a few rare draws dominate.

The tail consists of the M = min(N/5, 3 sqrt N) largest of N weights, measured from the next
smaller weight u:

.. math:: e_i = w_i - u \ge 0, \qquad P(e > t) \approx (1 + k t / \sigma)^{-1/k} ,

with k fitted to the tail.  For k > 0.5 the weights have no variance; for k > 0.7 no estimate can
be trusted (Vehtari et al., JMLR 25, 72 (2024)).  The error of k is about :math:`(1+k)/\sqrt M`.

Weights of a small discrete system repeat, and then a tail can be *exhausted*.  By the argument of
Good and Turing, configurations drawn once represent those never drawn: their excess estimates the
missing excess.  If they hold less than half of the tail's excess, the weights seen bound all
weights, and k is undefined.  If they hold more but are fewer than 5, nothing can be fitted; only
their share of the sum is reported.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from physgen.analysis.convergence import tail_shape

__all__ = ["Tail", "weight_tail"]

_SAME = 3e-6  # tolerance of equal log weights; single precision is good to about 1e-6
_FEWEST = 5  # minimum number of draws for a fit of the shape


class Tail(NamedTuple):
    """Properties of the largest weights; see the head of this module.

    Attributes
    ----------
    k : float
        The shape; NaN for fewer than 100 weights, equal weights, an exhausted tail, or fewer than
        5 draws to fit.  Never infinite.
    n_lone : int
        Number of draws that occurred once and hold most of the excess, if too few to fit; else 0.
    lone_share : float
        Their share of the sum of all weights.
    k_error : float
        The error of k; NaN where k is.
    """

    k: float
    n_lone: int = 0
    lone_share: float = 0.0
    k_error: float = math.nan


def weight_tail(log_weight: np.ndarray) -> Tail:
    """Return the tail of log weights (N,) that are numbers or -inf."""
    n = log_weight.size
    a = np.sort(log_weight) - log_weight.max()
    if n < 100 or a[-1] - a[0] <= _SAME:
        return Tail(math.nan)
    # As many as ArviZ takes.
    size = math.ceil(min(n / 5, 3 * math.sqrt(n)))
    w = np.exp(a)
    excess = w[-size:] - w[-size - 1]
    apart = np.diff(a[-size - 1 :], append=np.inf) > _SAME  # from the next larger one
    once = apart[:-1] & apart[1:]
    if excess[once].sum() <= excess.sum() / 2:
        return Tail(math.nan)
    if once.sum() >= _FEWEST:
        k = tail_shape(log_weight)
        return Tail(k, k_error=(1 + k) / math.sqrt(size))
    return Tail(math.nan, int(once.sum()), float(w[-size:][once].sum() / w.sum()))

r"""The tail of importance weights: whether a few rare draws decide.

Of N weights the M = min(N/5, 3 sqrt N) largest are the tail, in excess of the next one, u:

.. math:: e_i = w_i - u \ge 0, \qquad P(e > t) \approx (1 + k t / \sigma)^{-1/k} ,

with k fitted to them: for k > 0.5 weights have no variance, for k > 0.7 no estimate can be trusted
(Vehtari et al., JMLR 25, 72 (2024)).

Weights of a small discrete system repeat, and then a tail can be *exhausted*.  By Good and Turing
what was drawn once stands for what was never drawn: its excess estimates the excess that is
missing.  If less than half of the tail's excess came once, the weights are bounded by those seen,
and there is no k.  If it came once but in fewer than 5 draws, nothing can be fitted, and what
remains to be said is the share that these draws have of the sum.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from physgen.analysis.convergence import tail_shape

__all__ = ["Tail", "weight_tail"]

_SAME = 3e-6  # of log weights: single precision scores one configuration to about 1e-6
_FEWEST = 5  # draws that a shape can be fitted to


class Tail(NamedTuple):
    """What the largest weights say; see the head of this module.

    Attributes
    ----------
    k : float
        The shape; NaN for fewer than 100 weights, weights all alike, an exhausted tail, or fewer
        than 5 draws to fit.  Never infinite.
    n_lone : int
        Draws that came once and hold most of the excess, if they are too few to fit; else 0.
    lone_share : float
        Their share of the sum of all weights.
    """

    k: float
    n_lone: int = 0
    lone_share: float = 0.0


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
        return Tail(tail_shape(log_weight))
    return Tail(math.nan, int(once.sum()), float(w[-size:][once].sum() / w.sum()))

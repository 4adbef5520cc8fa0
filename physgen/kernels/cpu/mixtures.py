r"""Quantiles of mixtures of normal or logistic laws, one number after another.

.. math:: F(x) = \sum_k w_k \, G\Big(\frac{x - m_k}{s_k}\Big) = \Phi(\epsilon),
          \qquad \epsilon \le 0 ,

by Newton steps in log F, within bounds that close in on x: the least and the largest of the
quantiles of the components to begin with.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["lower_quantiles"]

STEPS = 200  # halvings alone would need about 60
CLOSE = 1e-13  # relative error of F
_ROOT_HALF = math.sqrt(0.5)
_ROOT = 1 / math.sqrt(2 * math.pi)


@njit(**CONTRACT)
def lower_quantiles(level, of_one, w, m, s, logistic, out):
    """Write x with F(x) = level, of each row.

    Parameters
    ----------
    level : float64 array (n,)
        In (0, 1/2].
    of_one : float64 array (n,)
        The quantile of the law with m = 0 and s = 1.
    w, m, s : float64 arrays (n, K)
        Weights with the sum 1, means and widths.
    logistic : bool
        Logistic laws, else normal ones.
    out : float64 array (n,)
    """
    n, K = w.shape
    for i in range(n):
        under, over, x = np.inf, -np.inf, 0.0
        for k in range(K):
            each = m[i, k] + s[i, k] * of_one[i]
            under, over = min(under, each), max(over, each)
            x += w[i, k] * each
        x = min(max(x, under), over)
        for _ in range(STEPS):
            F, q = 0.0, 0.0
            for k in range(K):
                z = (x - m[i, k]) / s[i, k]
                if logistic:
                    e = math.exp(-abs(z))
                    g = (1.0 if z > 0 else e) / (1.0 + e)
                    q += w[i, k] / s[i, k] * e / ((1.0 + e) * (1.0 + e))
                else:
                    g = 0.5 * math.erfc(-z * _ROOT_HALF)
                    q += w[i, k] / s[i, k] * _ROOT * math.exp(-0.5 * z * z)
                F += w[i, k] * g
            if abs(F - level[i]) <= CLOSE * level[i]:
                break
            if level[i] > F:
                under = x
            else:
                over = x
            if over - under <= 1e-15 * (abs(over) + abs(under)):
                break
            x = x - F / q * math.log(F / level[i]) if F > 0 and q > 0 else np.nan
            if not under < x < over:  # a NaN is not
                x = 0.5 * (under + over)
        out[i] = x

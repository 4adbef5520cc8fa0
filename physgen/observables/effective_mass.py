r"""The effective mass of a correlator on a periodic axis, in units of 1 / lattice spacing.

A single state of mass m has :math:`G(t) \propto \cosh m (T/2 - t)`, so m_eff(t) solves

.. math::
    \frac{G(t)}{G(t + 1)} = \frac{\cosh m\, a}{\cosh m\, (a - 1)} = r, \qquad a = T/2 - t \ge 1 .

The right side grows with m from 1, and lies between :math:`\cosh m` and :math:`e^m`: there is one
solution, with :math:`\log r \le m \le \operatorname{arccosh} r`, if r > 1, and none otherwise.  A
free field of mass m has :math:`m_{\rm eff}(t) = 2 \operatorname{arcsinh}(m / 2)` at every t.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.errors import InputError

__all__ = ["effective_mass"]

_HALVINGS = 60  # of the interval: beyond the rounding of a float64


def effective_mass(G: Any, G_next: Any, t: int, T: int) -> Any:
    """Return m_eff(t) >= 0; NaN where no mass solves its equation.

    Parameters
    ----------
    G, G_next : float or array
        Averages of the (connected) correlator at t and t + 1.
    t : int
        Distance, 0 <= t <= T/2 - 1.
    T : int
        Extent of the periodic axis.

    Raises
    ------
    InputError
        If t is not below half the extent less 1.

    Examples
    --------
    >>> G = np.cosh(0.3 * (4 - np.arange(5)))
    >>> round(float(effective_mass(G[3], G[4], 3, 8)), 12)
    0.3
    """
    if not 0 <= t <= T / 2 - 1:
        raise InputError(f"t must be in 0..{T // 2 - 1}, half the extent less 1, got {t}")
    a = T / 2 - t
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.asarray(G, dtype=float) / np.asarray(G_next, dtype=float)
        r = np.where((r >= 1) & np.isfinite(r), r, np.nan)
        low, high = np.log(r), np.arccosh(r)
    log_r = low
    for _ in range(_HALVINGS):
        m = (low + high) / 2
        below = _log_cosh(m * a) - _log_cosh(m * (a - 1)) < log_r
        low, high = np.where(below, m, low), np.where(below, high, m)
    return ((low + high) / 2)[()]


def _log_cosh(x: np.ndarray) -> np.ndarray:
    """Return log cosh x for x >= 0, without overflow."""
    return x + np.log1p(np.exp(-2 * x)) - np.log(2)

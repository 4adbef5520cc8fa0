r"""One-sided lower bounds of a mean whose distribution may be skewed.

Let an estimate be a sum over shots, with the share :math:`r_s` of each in its error,
:math:`\sigma^2 = \sum_s r_s^2`.  The studentised estimate :math:`T = (\hat\theta - \theta) /
\sigma` has the upper quantile (first Edgeworth term, z the normal quantile)

.. math:: x = z - \frac{g}{6} (2 z^2 + 1), \qquad g = \sum_s r_s^3 / \sigma^3 ,

so a negative skewness g, rare shots far below the others, lowers the bound
:math:`\theta \ge \hat\theta - x \sigma`.  A positive one would raise it, and is not used: few
shots see too little of a tail.  For z we take Student's t with the degrees of freedom of
:math:`\sigma^2`,

.. math:: \nu = 2 \Big( \sum_s r_s^2 \Big)^2 \Big/ \sum_s r_s^4 ,

at most n - 1: few, if few of the shots carry the estimate.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from physgen.core.checks import check_finite

__all__ = ["LEVELS", "SkewedMean", "lower_bound", "sum_of"]

LEVELS = (0.68, 0.95)  # one-sided


class SkewedMean(NamedTuple):
    """An estimate with what its one-sided bounds take.

    Attributes
    ----------
    value, error : float
        Estimate and standard error.
    skewness : float
        g of the estimate, not of a single shot; it shrinks as 1 / sqrt(n).
    dof : float
        Degrees of freedom of the error; infinite where it is known.
    """

    value: float
    error: float
    skewness: float = 0.0
    dof: float = np.inf

    @classmethod
    def from_residuals(cls, value: float, residuals: np.ndarray) -> SkewedMean:
        """Return an estimate from the shares r of its shots (1-d) in the error."""
        square = float(residuals @ residuals)
        if square == 0:
            return cls(value, 0.0)
        fourth = float((residuals**2) @ (residuals**2))
        third = float(residuals @ residuals**2)
        dof = min(max(2 * square**2 / fourth, 1.0), max(len(residuals) - 1, 1))
        return cls(value, square**0.5, third / square**1.5, dof)

    def lower(self, level: float) -> float:
        """Return the bound that lies below the truth with probability `level`."""
        return lower_bound(self.value, self.error, level, skewness=self.skewness, dof=self.dof)


def sum_of(*means: SkewedMean) -> SkewedMean:
    """Return the sum of independent estimates: cumulants add; dof as Welch and Satterthwaite."""
    value = float(sum(m.value for m in means))
    square = float(sum(m.error**2 for m in means))
    if square == 0:
        return SkewedMean(value, 0.0)
    skewness = sum(m.skewness * m.error**3 for m in means) / square**1.5
    spread = sum(m.error**4 / m.dof for m in means)
    dof = float(square**2 / spread) if spread > 0 else np.inf
    return SkewedMean(value, square**0.5, float(skewness), dof)


def lower_bound(
    value: float, error: float, level: float, *, skewness: float = 0.0, dof: float = np.inf
) -> float:
    """Return the one-sided lower bound of an estimate with a standard error.

    Parameters
    ----------
    value, error : float
    level : float
        Probability in (0.5, 1) that the bound lies below the truth.
    skewness : float
        Skewness of the estimate; positive ones count as 0.
    dof : float
        Degrees of freedom of the error.

    Examples
    --------
    >>> round(lower_bound(0.9, 0.1, 0.95), 4)
    0.7355
    >>> round(lower_bound(0.9, 0.1, 0.95, skewness=-0.5), 3)
    0.682
    """
    from scipy import special

    check_finite("value", value)
    z = NormalDist().inv_cdf(level)
    t = z if dof == np.inf else float(special.stdtrit(dof, level))
    return value - error * (t + max(-skewness, 0.0) * (2 * z**2 + 1) / 6)

r"""Monotone rational-quadratic splines, their inverses and their slopes.

Between knots :math:`(x_k, y_k)`, :math:`k = 0 \dots K`, with slopes :math:`d_k > 0`,

.. math::
    R(x) = y_k + \frac{h_k \, [s_k \xi^2 + d_k \xi (1 - \xi)]}
                      {s_k + (d_k + d_{k+1} - 2 s_k) \, \xi (1 - \xi)} , \qquad
    \xi = \frac{x - x_k}{w_k} , \quad s_k = \frac{h_k}{w_k} ,

where :math:`w_k, h_k` are width and height of a bin (Gregory and Delbourgo, IMA J. Numer. Anal. 2,
123 (1982); Durkan et al., NeurIPS 2019).  R is the identity outside of [-B, B], with
:math:`d_0 = d_K = 1`.  An *odd* spline has its knots in [0, B], a free :math:`d_0`, and
:math:`R(-x) = -R(x)`.

Widths, heights and slopes come from unconstrained numbers; where these are zero, R is the
identity.  No bin is narrower or lower than a twentieth of an equal share: that keeps the round
trip of any parameters within 1e-3 in single precision.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import softplus

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError

__all__ = ["SiteSpline", "n_parameters", "spline"]

FLOOR = 0.05  # smallest width and height of a bin, in units of equal ones
SLOPE_MIN = 0.05
_UNIT = math.log(math.expm1(1 - SLOPE_MIN))  # where softplus gives a slope of 1


def n_parameters(bins: int, odd: bool) -> int:
    """Return the unconstrained numbers of a spline: widths, heights and free slopes."""
    return 3 * bins if odd else 3 * bins - 1


def spline(
    x: torch.Tensor,
    parameters: torch.Tensor,
    bound: float,
    *,
    odd: bool = False,
    inverse: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return R(x), or its inverse, and the logarithm of the slope of this map.

    Parameters
    ----------
    x : tensor (...)
    parameters : tensor (P, ...) or (P,)
        A spline for each x, or one for all; :func:`n_parameters` gives P.
    bound : float
        B > 0.
    odd : bool
        Of a function with R(-x) = -R(x).
    inverse : bool
        Map y back to x.

    Returns
    -------
    y, log_slope : tensors (...)
        Differentiable in both arguments.

    Raises
    ------
    InputError
        If P fits no number of bins.
    """
    bins = (len(parameters) + (not odd)) // 3
    if bins < 1 or len(parameters) != n_parameters(bins, odd):
        rule = "3 K numbers" if odd else "3 K - 1 numbers"
        raise InputError(f"a spline of K bins must have {rule}, got {len(parameters)}")
    side = torch.where(x < 0, -1.0, 1.0).to(x.dtype) if odd else 1.0  # 0 has one as well
    first = 0.0 if odd else -bound
    at = (x * side).clamp(first, bound)
    table = _table(parameters, bins, first, bound, odd)
    knots = table[3 if inverse else 2, 1:].detach()
    w, h, left, low, d0, d1 = _picked(table, at.detach(), knots).unbind()
    s = h / w
    bend = d0 + d1 - 2 * s
    if inverse:
        # (h (s - d0) + rise bend) xi^2 + (h d0 - rise bend) xi - s rise = 0
        rise = at - low
        b = h * d0 - rise * bend
        a = h * s - b
        # Positive up to rounding; the root of zero would have no gradient.
        root = torch.sqrt((b * b + 4 * a * s * rise).clamp_min(torch.finfo(x.dtype).tiny))
        xi = 2 * s * rise / (b + root)
    else:
        xi = (at - left) / w
    theta = xi * (1 - xi)
    scale = s + bend * theta
    y = left + w * xi if inverse else low + h * (s * xi * xi + d0 * theta) / scale
    slope = d1 * xi * xi + 2 * s * theta + d0 * (1 - xi) ** 2
    log_slope = torch.log(slope) + 2 * torch.log(s / scale)
    inside = x.abs() < bound
    y = torch.where(inside, side * y, x)
    log_slope = torch.where(inside, -log_slope if inverse else log_slope, 0.0)
    return y, log_slope


class SiteSpline(nn.Module):
    """One learned spline, the same at all sites.

    (Del Debbio, Marsh Rossney and Wilson, Phys. Rev. D 104, 094507 (2021), end flows with it.)

    Parameters
    ----------
    bins : int
    bound : float
    odd : bool
    """

    def __init__(self, bins: int, bound: float, odd: bool) -> None:
        super().__init__()
        check_positive_int("bins", bins)
        self.bound, self.odd = check_positive("bound", bound), odd
        self.parameters_of_bins = nn.Parameter(torch.zeros(n_parameters(bins, odd)))

    def forward(self, x: torch.Tensor, inverse: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """Return y of fields (n, B), and the log determinant (B,) float64."""
        y, log_slope = spline(
            x, self.parameters_of_bins, self.bound, odd=self.odd, inverse=inverse
        )
        return y, log_slope.sum(0, dtype=torch.float64)


def _table(
    parameters: torch.Tensor, bins: int, first: float, last: float, odd: bool
) -> torch.Tensor:
    """Return width, height, left and lower end, and both slopes of each bin, (6, K, ...)."""
    free, slopes = parameters.split([2 * bins, len(parameters) - 2 * bins])
    free = free.unflatten(0, (2, bins))
    size = (last - first) * (FLOOR / bins + (1 - FLOOR) * torch.softmax(free, 1))
    start = first + torch.cumsum(size, 1) - size
    slopes = SLOPE_MIN + softplus(slopes + _UNIT)
    one = torch.ones_like(size[0, :1])
    slopes = torch.cat([slopes, one] if odd else [one, slopes, one])
    return torch.cat([size, start, slopes[None, :-1], slopes[None, 1:]])


def _picked(table: torch.Tensor, x: torch.Tensor, knots: torch.Tensor) -> torch.Tensor:
    """Return the columns (6, ...) of the bins that hold x; knots are the inner ones (K-1, ...)."""
    if table.ndim == 2:  # one spline for all x
        return table[:, torch.bucketize(x.contiguous(), knots, right=True)]
    # Comparing with all knots is one pass over numbers that the softmax has just written.
    k = (x >= knots).sum(0)
    return table.gather(1, k.expand(len(table), 1, *k.shape))[:, 0]

r"""A flow and its log q in steps that are as long as an error allows.

The pair of Dormand and Prince (J. Comput. Appl. Math. 6, 19 (1980)) gives each step twice, to
fifth and to fourth order, from the same seven velocities.  Their difference is the error of the
step, of the field and of its log q alike,

.. math:: e = \frac1\epsilon \max_b \max\!\big( \| \delta y_b \|_{rms} ,\; | \delta \log q_b |
          \big) , \qquad h \to h \min(5, \max(0.2, 0.9 \, e^{-1/5})) ,

and a step is made again where e > 1.  A field is of size 1 and log q in nats, so that
:math:`\epsilon` is the largest error of log q that one step makes.  The largest error of the
draws b that are solved together decides, so a draw depends on the others within
:math:`\epsilon`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from physgen.core.errors import InputError

__all__ = ["STAGES", "solve"]

STAGES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)  # times of the velocities, in units of h
_A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_B = (*_A[6], 0.0)
_LOW = (5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)
_FIRST, _LEAST, _MOST = 1 / 12, 1e-4, 10_000  # of the whole time, and steps

Rates = Callable[[torch.Tensor, Any], tuple[torch.Tensor, torch.Tensor]]


def solve(
    rates: Rates,
    prepared: Callable[[Sequence[float]], Sequence[Any]],
    y: torch.Tensor,
    log_q: torch.Tensor,
    span: tuple[float, float],
    tolerance: float,
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return field, log q and the number of velocities at the other end of a time.

    Parameters
    ----------
    rates : callable (y, what) -> (dy, dlog_q)
        With `what` one of the things that `prepared` returns.
    prepared : callable (times) -> sequence
        What velocities need at each of the seven times of a step.
    y : tensor (B, ...)
    log_q : tensor (B,) float64
    span : tuple of float
        First and last time, in either order.
    tolerance : float
        epsilon, > 0.

    Raises
    ------
    InputError
        If steps get shorter than 1e-4 of the time: rounding is larger than the tolerance.
    """
    t, last = span
    whole, h, calls = last - t, (last - t) * _FIRST, 0
    for _ in range(_MOST):
        if abs(last - t) <= 1e-12 * abs(whole):
            return y, log_q, calls
        h = h if abs(h) < abs(last - t) else last - t
        at, slopes = prepared([t + c * h for c in STAGES]), []
        for row, what in zip(_A, at, strict=True):
            slopes.append(rates(_plus(y, [k[0] for k in slopes], row, h), what))
        calls += len(slopes)
        fields, gains = [k[0] for k in slopes], [k[1].double() for k in slopes]
        with torch.no_grad():
            gap = [b - c for b, c in zip(_B, _LOW, strict=True)]
            off_y = _plus(torch.zeros_like(y), fields, gap, h).flatten(1)
            off_q = _plus(torch.zeros_like(log_q), gains, gap, h)
            rms = off_y.square().mean(1).sqrt().double()
            error = float(torch.maximum(rms, off_q.abs()).max()) / tolerance if len(y) else 0.0
        if error <= 1:  # False for a number that is none
            t, y = t + h, _plus(y, fields, _B, h)
            log_q = _plus(log_q, gains, _B, h)
        grown = 0.9 * error**-0.2 if error > 0 else 5.0
        h = h * min(5.0, max(0.2, grown if grown == grown else 0.2))
        if abs(h) < _LEAST * abs(whole):
            break
    raise InputError(
        f"tolerance must be larger than what rounding makes of log q, got {tolerance:g} for "
        f"{y.dtype}; take a larger one, or the model in float64 (model.double())"
    )


def _plus(y: torch.Tensor, slopes: list[torch.Tensor], row: Sequence[float], h: float) -> Any:
    for k, a in zip(slopes, row):
        if a:
            y = torch.add(y, k, alpha=h * a)
    return y

r"""Numbers as physicists write them, :math:`-1.41421(31)`: the error in units of the last digit.

.. math:: a(b) = a \pm b \cdot 10^{-d}, \qquad \mathrm{pull} = \frac{\mathrm{measured} -
          \mathrm{exact}}{\mathrm{error}} ,

where d is the number of decimals of a.  An error of at most :math:`10^{-12} \max(1, |a|)` is
rounding noise and counts as zero.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from physgen.core.checks import check_positive_int

__all__ = ["format_estimate", "is_zero_error", "pull"]

# Exponents, of the larger of value and error, that are written out: 0.00012(3) to 123456(7).
_PLAIN = range(-4, 6)
_NOISE = 1e-12  # of 1 or of the value, whichever is larger


def format_estimate(value: float, error: float | None = None, digits: int = 2) -> str:
    """Return `value` with its error in brackets.

    Parameters
    ----------
    value : float
        In any unit; it is not printed.
    error : float or None
        One standard error, >= 0.  None, NaN, and 0 (an exact number) are written as such; rounding
        noise (:func:`is_zero_error`) is written as 0.
    digits : int
        Significant digits of the error.

    Raises
    ------
    InputError
        If `digits` is not positive.

    Examples
    --------
    >>> format_estimate(-1.414213562, 0.00031)
    '-1.41421(31)'
    >>> format_estimate(12.41, 0.93, digits=1)
    '12.4(9)'
    >>> format_estimate(153.2, 12.7)
    '153(13)'
    >>> format_estimate(6.02214e23, 3.1e18)
    '6.022140(31)e+23'
    >>> format_estimate(0.5, 0.0)
    '0.5(0)'
    >>> format_estimate(-118.99999999999997, 1.2e-15)
    '-119(0)'
    """
    check_positive_int("digits", digits)
    value = float(value)
    if error is None:
        return f"{value:.6g}"
    error = abs(float(error))
    if not math.isfinite(value):
        return f"{value:g}"
    if is_zero_error(value, error):
        shown = value if error == 0 else round(value, 12) + 0.0  # never -0
        return f"{shown:.10g}(0)"
    if not math.isfinite(error):
        return f"{value:.6g}({error:g})"
    with localcontext(prec=700):  # all digits of any double
        return _format(Decimal(repr(value)), Decimal(repr(error)), digits)


def is_zero_error(value: float, error: float) -> bool:
    """Whether an error is zero, or no more than the rounding noise of `value`."""
    return math.isfinite(value) and abs(float(error)) <= _NOISE * max(1.0, abs(float(value)))


def pull(measured: float, exact: float, error: float) -> float:
    """Return (measured - exact) / error, which has unit variance if the error is right.

    If the error is zero (:func:`is_zero_error`), 0 where the two agree up to rounding, else NaN.

    Parameters
    ----------
    measured, exact, error : float
        In one unit; the error is standard, >= 0.
    """
    difference = float(measured) - float(exact)
    if is_zero_error(measured, error):
        return 0.0 if is_zero_error(measured, difference) else math.nan
    return difference / float(error)


def _format(a: Decimal, b: Decimal, digits: int) -> str:
    unit = _round(b, b.adjusted() - digits + 1)
    last = unit.adjusted() - digits + 1  # of the rounded error: 0.0996 has become 0.10
    leading = [x.adjusted() for x in (_round(a, last), unit) if x]
    exponent = max(leading)
    if exponent not in _PLAIN:
        text = _bracket(a.scaleb(-exponent), b.scaleb(-exponent), last - exponent)
        return f"{text}e{exponent:+03d}"
    if last > 0:  # the error is larger than its digits: 1500(1200)
        return f"{_round(a, last):f}({_round(b, last):f})"
    return _bracket(a, b, last)


def _bracket(value: Decimal, error: Decimal, last: int) -> str:
    """Write both with -`last` decimals."""
    a, b = _round(value, last), _round(error, last)
    if b >= 1 and last < 0:  # the error reaches the whole numbers: 1.5(1.2)
        return f"{a:f}({b:f})"
    return f"{a:f}({int(b.scaleb(-last))})"


def _round(x: Decimal, last: int) -> Decimal:
    """Round to a multiple of 10**last, printed without an exponent, and never to -0."""
    rounded = x.quantize(Decimal(1).scaleb(last), rounding=ROUND_HALF_EVEN) + 0
    return rounded.quantize(Decimal(1)) if last > 0 else rounded

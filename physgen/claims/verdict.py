r"""What may be said of a published number once it was computed again.

.. math:: z = \frac{v - w}{\sqrt{\sigma_v^2 + \sigma_w^2}}

with their value v and ours w.  A published number is

- *reproduced* if :math:`|z| \le 3` and our error is not larger than theirs;
- *consistent* if :math:`|z| \le 3` with an error of ours that is larger, or where none was printed
  (then :math:`\sigma_v = 0`);
- *refuted* if :math:`|z| > 3` and its error was printed; of a variational energy, if it is *below*
  the true one by more, which no state has; of a bound, such as shots that were enough, only if it
  is below ours by more: above it, it is *consistent*, however far;
- *open* if it was not computed here, or if it is off but no error was printed: its own error may
  be that large, so a difference alone refutes nothing.

Two exact numbers agree to :math:`10^{-9}` of the larger of 1 and their size.
"""

from __future__ import annotations

import math

from physgen.catalogue.references import PUBLISHED

__all__ = ["RELATIONS", "VERDICTS", "pull_of", "verdict"]

VERDICTS = PUBLISHED["verdict"]
RELATIONS = ("equal", "above", "bound")
LARGEST = 3.0  # |z| that chance explains
EXACT = 1e-9


def pull_of(value: float, error: float | None, ours: float, our_error: float) -> float | None:
    """Return z; None where the two are exact, or the same to all digits."""
    sigma = math.hypot(error or 0.0, our_error)
    return (value - ours) / sigma if sigma > 0 else None


def verdict(
    value: float, error: float | None, ours: float, our_error: float, relation: str = "equal"
) -> str:
    """Return the verdict on a published value.

    Parameters
    ----------
    value : float
        The published number.
    error : float or None
        Its standard error; 0 if it is exact, None if none was printed.
    ours, our_error : float
        The number computed here and its standard error; 0 if exact.
    relation : {"equal", "above", "bound"}
        Whether the published number estimates ours, lies above it by nature, as a variational
        energy does, or only bounds it from above.

    Examples
    --------
    >>> verdict(0.359025, 0.000979, 0.35951, 0.00011)
    'reproduced'
    >>> verdict(-12.381718, 2.2e-5, -12.38149, 0.0, relation="above")
    'refuted'
    """
    z = pull_of(value, error, ours, our_error)
    if z is None:
        near = abs(value - ours) <= EXACT * max(1.0, abs(ours))
        z = 0.0 if near else math.copysign(math.inf, value - ours)
    if (relation == "above" and z > LARGEST) or (relation == "bound" and z >= -LARGEST):
        return "consistent"
    if abs(z) > LARGEST:
        return "open" if error is None else "refuted"
    return "reproduced" if error is not None and our_error <= error else "consistent"

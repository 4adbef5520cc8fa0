r"""Errors and intervals of weighted draws by resampling: the bootstrap.

.. math:: \langle O \rangle^{(b)} = \frac{\sum_i c_i w_i O_i}{\sum_i c_i w_i} , \qquad
          \log Z^{(b)} = \log \frac1N \sum_i c_i w_i , \qquad
          c \sim \mathrm{Multinomial}(N; 1/N) , \qquad b = 1 \dots B ,

for independent draws (Efron, Ann. Statist. 7, 1 (1979)).  The error is the spread over b, for any
function of averages.  The interval lies between percentiles and need not be symmetric; the delta
method misses this asymmetry when few draws carry the weight.  With hardly any effective draws
resamples add no information: fewer than 20 are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from physgen.analysis.weights import ess, log_z, relative
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream

__all__ = ["Bootstrapped", "bootstrap"]

MIN_EFFECTIVE = 20.0  # draws below which nothing is returned


class Bootstrapped(NamedTuple):
    """An estimate, its standard error, and the ends of its interval."""

    value: float
    error: float
    low: float
    high: float


def bootstrap(
    log_weight: Any,
    *series: Any,
    function: Callable[..., Any] | None = None,
    n_resamples: int = 400,
    level: float = 0.68,
    rng: Stream | int = 0,
) -> Bootstrapped:
    """Return a weighted average, a function of averages, or log Z, with error and interval.

    Parameters
    ----------
    log_weight : array_like, N numbers
        Log weights of independent draws, as in ``importance(..., keep="draws")``.
    *series : array_like, shape (N,) each
        Observables of these draws, or powers of them; without any, the quantity is log Z.
    function : callable, optional
        A function of the weighted means of all series; by default the mean of a single series.
    n_resamples : int
        B >= 2; the relative uncertainty of the error is 1 / sqrt(2 B).
    level : float
        Coverage of the interval, in (0, 1).
    rng : Stream or int

    Raises
    ------
    InputError
        If lengths differ, a weight is not a number, `level` is out of range, or fewer than 20
        effective draws are left.

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 100)
    >>> found = bootstrap(-x, x, rng=1)
    >>> found.low < found.value < found.high
    True
    """
    w = relative(log_weight)
    columns = [np.asarray(to_numpy(x), dtype=np.float64).ravel() for x in series]
    if any(x.size != w.size for x in columns):
        raise InputError(f"series must hold {w.size} numbers, got {[x.size for x in columns]}")
    if function is None and len(columns) > 1:
        raise InputError(f"function must be given for {len(columns)} series")
    if not 0 < level < 1:
        raise InputError(f"level must be in (0, 1), got {level}")
    check_positive_int("n_resamples", n_resamples, 2)
    effective = w.size * ess(log_weight)
    if effective < MIN_EFFECTIVE:
        raise InputError(
            f"a bootstrap needs at least {MIN_EFFECTIVE:g} effective draws, got {effective:.3g} "
            f"of {w.size:,}; train the model further, or draw more"
        )
    terms = np.stack([w, *(w * x for x in columns)])
    shift = log_z(log_weight)[0] - np.log(w.mean())  # w are relative weights

    def quantity(sums: np.ndarray) -> float:
        means = sums[1:] / sums[0]
        if not columns:
            return float(shift + np.log(sums[0] / w.size))
        return float(means[0] if function is None else function(*means))

    stream = as_stream(rng).child("bootstrap")
    found = [quantity(terms @ _counts(stream.at(b), w.size)) for b in range(n_resamples)]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    error = float(np.std(found, ddof=1))
    return Bootstrapped(quantity(terms.sum(1)), error, float(low), float(high))


def _counts(stream: Stream, n: int) -> np.ndarray:
    """Return how often each of n draws occurs in one resample."""
    return np.bincount(stream.numpy().integers(n, size=n), minlength=n)

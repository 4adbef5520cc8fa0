r"""The jackknife: errors of functions of means, such as Binder's ratio.

With :math:`\bar x_{a,(i)}` the mean of series a without block i, for n blocks,

.. math:: f_{(i)} = f(\bar x_{1,(i)}, \bar x_{2,(i)}, \dots) , \qquad
          \mathrm{error}^2 = \frac{n - 1}{n} \sum_i (f_{(i)} - \bar f_{(\cdot)})^2 , \qquad
          \mathrm{value} = n f - (n - 1) \bar f_{(\cdot)} .

*All* means leave out block i together.  Holding one of them fixed, say :math:`\langle m^2 \rangle`
in :math:`1 - \langle m^4 \rangle / 3 \langle m^2 \rangle^2`, ignores their correlation and gives a
wrong error.  The value is free of bias to order 1/n (Efron 1982).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from physgen.analysis.autocorrelation import as_series
from physgen.analysis.errors import Estimate, choose_blocks, says_nothing

__all__ = ["jackknife"]

_LEAST = 4  # blocks: of two or three a function of means may happen to be the same


def jackknife(
    function: Callable[..., Any], *series: Any, method: str = "auto", n_blocks: int | None = None
) -> Estimate:
    """Return a function of means of series with its standard error.

    Parameters
    ----------
    function : callable
        A function of one argument for each series, a mean or an array of means (n_blocks,);
        returns as many values as each argument has.
    *series : array_like, shape (n_chains, n_draws)
        One shape for all, e.g. m^2 and m^4.
    method : {"auto", "chains", "binning"}
        Blocks are the chains ("auto": if there are at least 64) or parts of chains, with a length
        that follows from the largest tau_int.
    n_blocks : int, optional
        Minimum number of blocks, instead of the length from tau_int.

    Returns
    -------
    Estimate
        Error NaN with fewer than 4 blocks, or fewer than 64 numbers that are all the same.

    Examples
    --------
    >>> import numpy as np
    >>> m = np.random.default_rng(1).standard_normal((100, 400))
    >>> value, error, _ = jackknife(lambda m2, m4: 1 - m4 / (3 * m2**2), m**2, m**4)
    >>> bool(abs(value) < 4 * error)
    True
    """
    arrays = [as_series(x) for x in series]
    blocks = choose_blocks(arrays, method=method, n_blocks=n_blocks)
    means = [blocks.means(x) for x in arrays]
    n = len(means[0])
    plain = float(function(*(m.mean() for m in means)))
    if n < _LEAST or says_nothing(*arrays):
        return Estimate(plain, math.nan, blocks.method)
    without = np.asarray(function(*((m.sum() - m) / (n - 1) for m in means)), dtype=float)
    center = float(without.mean())
    error = math.sqrt((n - 1) / n * float(np.sum((without - center) ** 2)))
    return Estimate(n * plain - (n - 1) * center, blocks.inflation * error, blocks.method)

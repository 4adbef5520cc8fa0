r"""Standard errors of means of correlated draws.

.. math:: \mathrm{chains:}\ \frac{s(\bar x_c)}{\sqrt{n_\mathrm{chains}}} , \qquad
          \mathrm{binning:}\ \frac{s(\bar x_b)}{\sqrt{n_\mathrm{blocks}}}
          \Big(1 - \frac{\tau_\mathrm{int}}{b}\Big)^{-1/2} , \qquad
          \mathrm{gamma:}\ \sqrt{\frac{2 \tau_\mathrm{int}}{n} \Gamma(0)} ,

with s the standard deviation, :math:`\bar x_c` the means of independent chains and
:math:`\bar x_b` the means of blocks of b draws.  The spread of 64 chains or more needs no window
and holds for any autocorrelation, so it is the default there; for fewer chains the default is the
Γ-method.  Neighbouring blocks are correlated: they miss the share :math:`\tau_\mathrm{int} / b` of
the variance, which the factor restores.  b is :math:`2 \tau (n / 2 \tau)^{1/3}`, which balances
this loss against the number of blocks (Wolff 2004).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from physgen.analysis.autocorrelation import MANY_CHAINS, TauInt, as_series, is_constant, tau_int
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError

__all__ = [
    "Blocks",
    "Estimate",
    "chi2_p_value",
    "choose_blocks",
    "gamma_method",
    "mean_estimate",
    "says_nothing",
]


class Estimate(NamedTuple):
    """A number with its standard error and the method behind it: chains, binning or gamma.

    The error is NaN if there are too few draws to estimate it.
    """

    value: float
    error: float
    method: str


class Blocks(NamedTuple):
    """How series are cut into blocks of equal length.

    Attributes
    ----------
    length : int
        Draws a block.
    per_chain : int
        Blocks a chain; draws left over are dropped at the beginning of the chain.
    inflation : float
        Factor on standard errors that corrects for correlated blocks.
    """

    length: int
    per_chain: int
    inflation: float

    def means(self, x: np.ndarray) -> np.ndarray:
        """Return the block means of x (n_chains, n_draws), shape (n_chains * per_chain,)."""
        used = x[:, x.shape[1] - self.per_chain * self.length :]
        return used.reshape(-1, self.length).mean(axis=1)

    @property
    def method(self) -> str:
        """Chains if a block is a chain, else binning."""
        return "chains" if self.per_chain == 1 else "binning"


def choose_blocks(
    series: Sequence[np.ndarray], *, n_blocks: int | None = None, method: str = "auto"
) -> Blocks:
    """Return blocks that suit all of these series, each of shape (n_chains, n_draws).

    Parameters
    ----------
    series : sequence of ndarray
    n_blocks : int, optional
        Minimum number of blocks in all, each within a chain; by default chosen from tau_int.
    method : {"auto", "chains", "binning"}
        "auto" makes a block of each chain if there are at least 64.
    """
    check_choice("method", method, ("auto", "chains", "binning"))
    n_chains, n_draws = series[0].shape
    if any(x.shape != (n_chains, n_draws) for x in series):
        raise InputError(f"series must have one shape, got {[x.shape for x in series]}")
    if n_blocks is not None:
        check_positive_int("n_blocks", n_blocks, 2)
        per_chain = min(math.ceil(n_blocks / n_chains), n_draws)
        return Blocks(n_draws // per_chain, per_chain, 1.0)
    if method == "chains" or (method == "auto" and n_chains >= MANY_CHAINS):
        return Blocks(n_draws, 1, 1.0)
    times = [tau_int(x) for x in series]
    tau = max((t.value for t in times if t.value > 0), default=0.5)
    n = n_chains * n_draws
    per_chain = max(1, int(n_draws / max(2 * tau * (n / (2 * tau)) ** (1 / 3), 1)))
    if per_chain == 1:
        return Blocks(n_draws, 1, 1.0)
    length = n_draws // per_chain
    return Blocks(length, per_chain, 1 / math.sqrt(1 - min(tau / length, 0.5)))


def mean_estimate(x: Any, *, method: str = "auto") -> Estimate:
    """Return the mean over all chains and draws, with its standard error.

    The error is NaN for a single number, and where fewer than 64 numbers are all the same.

    Parameters
    ----------
    x : array_like, shape (n_chains, n_draws) or (n_draws,)
    method : {"auto", "chains", "binning", "gamma"}
        "auto" is "chains" from 64 chains on, and for chains of one draw, else "gamma".

    Raises
    ------
    InputError
        If `method` is unknown.
    """
    x = as_series(x)
    check_choice("method", method, ("auto", "chains", "binning", "gamma"))
    if method == "auto":
        method = "chains" if len(x) >= MANY_CHAINS or x.shape[1] == 1 else "gamma"
    value = float(x.mean())
    if method == "gamma":
        return Estimate(value, _gamma_error(x, tau_int(x)), method)
    blocks = choose_blocks([x], method=method)
    means = blocks.means(x)
    if len(means) < 2 or says_nothing(x):
        return Estimate(value, math.nan, method)
    error = blocks.inflation * means.std(ddof=1) / math.sqrt(len(means))
    return Estimate(value, float(error), method)


def gamma_method(function: Callable[..., Any], *series: Any) -> Estimate:
    r"""Return a function of means with its error by the Γ-method.

    The error is the error of the mean of :math:`\sum_a \partial_a f \, x_a`, with numerical
    derivatives at the means (Wolff 2004, eq. 26-35).  A cross-check of the jackknife that needs no
    blocks.

    Parameters
    ----------
    function : callable
        A smooth function of as many numbers as there are series.
    *series : array_like, shape (n_chains, n_draws)

    Returns
    -------
    Estimate
        The value is the function at the means, without bias correction.
    """
    arrays = [as_series(x) for x in series]
    means = np.array([x.mean() for x in arrays])
    projected = np.zeros_like(arrays[0])
    for a, x in enumerate(arrays):
        step = x.std() / math.sqrt(x.size)
        if step == 0:
            continue
        up, down = means.copy(), means.copy()
        up[a] += step
        down[a] -= step
        projected += (function(*up) - function(*down)) / (2 * step) * (x - means[a])
    return Estimate(float(function(*means)), _gamma_error(projected, tau_int(projected)), "gamma")


def says_nothing(*series: np.ndarray) -> bool:
    """Whether series are so short and constant that they have no error, rather than one of 0."""
    return series[0].size < MANY_CHAINS and all(is_constant(x) for x in series)


def _gamma_error(x: np.ndarray, tau: TauInt) -> float:
    """Return sqrt(2 tau Gamma(0) / n): 0 for a constant series, NaN for a very short one.

    An estimate of tau that is not positive is noise of a short series, or alternation: no mean has
    a variance below 0, so draws then count as independent.
    """
    if says_nothing(x) or x.shape[1] < 2:
        return math.nan
    if math.isnan(tau.value):
        return 0.0
    time = tau.value if tau.value > 0 else 0.5
    # The variance about the mean of the data misses the variance of this mean.
    return math.sqrt(2 * time * float(x.var()) / x.size * (1 + 2 * time / x.size))


def chi2_p_value(chi2: float, n: int) -> float:
    """Return the probability that n pulls have a chi^2 of at least `chi2` by chance."""
    from scipy.special import chdtrc

    return float(chdtrc(n, chi2))

r"""Integrated autocorrelation time and effective sample size.

With :math:`\Gamma(t) = \langle (x_i - \mu)(x_{i+t} - \mu) \rangle` and
:math:`\rho(t) = \Gamma(t) / \Gamma(0)`,

.. math:: \tau_\mathrm{int} = \tfrac12 + \sum_{t=1}^{W} \rho(t) , \qquad
          \mathrm{ess} = \frac{n}{2 \tau_\mathrm{int}} , \qquad
          \mathrm{error}(\bar x)^2 = \frac{2 \tau_\mathrm{int}}{n} \Gamma(0) ,

for n draws in all.  Independent draws have :math:`\tau_\mathrm{int} = 1/2`.  (emcee, pymbar and
most of the statistics literature call :math:`1 + 2 \sum \rho = 2 \tau_\mathrm{int}` the time.)

Chains are pooled: :math:`\mu` is the mean over all chains, so :math:`\Gamma` detects chains that
disagree, and many chains shorter than :math:`\tau_\mathrm{int}` are as good as one long chain.
No window can resolve a time longer than the chains: the window then reaches their end, and
:math:`\tau_\mathrm{int}` is flagged as a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from physgen.core.checks import check_choice, check_positive
from physgen.core.errors import InputError

__all__ = ["MANY_CHAINS", "TauInt", "as_series", "autocovariance", "ess", "is_constant", "tau_int"]

MANY_CHAINS = 64  # from here on errors come from the spread of chains, which knows its own error

MIN_LENGTH = 4  # chain length in tau_int below which no window can be trusted

_CHUNK = 1 << 21  # numbers that are transformed at a time


class TauInt(NamedTuple):
    """An integrated autocorrelation time, in draws.

    Attributes
    ----------
    value : float
        tau_int >= 0 (1/2 for independent draws); NaN if the series is constant.
    error : float
        One standard error, statistical.
    window : int
        Lag W at which the sum was cut.
    lower_bound : bool
        Whether the window reached the end of the chains, or the chains are shorter than 4 tau_int;
        tau_int is then at least `value`.
    """

    value: float
    error: float
    window: int
    lower_bound: bool


def as_series(x: Any, name: str = "series") -> np.ndarray:
    """Return `x` as float64 of shape (n_chains, n_draws); a 1-d array is one chain.

    Raises
    ------
    InputError
        If it is empty, has another number of dims, or a value is not finite.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "biuf" or x.ndim not in (1, 2) or x.size == 0:
        raise InputError(
            f"{name} must be real numbers of shape (n_chains, n_draws), got {x.dtype} {x.shape}"
        )
    x = np.atleast_2d(x).astype(np.float64, copy=False)
    if not np.isfinite(x).all():
        raise InputError(f"{name} must be finite, got {x[~np.isfinite(x)][0]}")
    return x


def is_constant(x: np.ndarray) -> bool:
    """Whether a series varies by no more than the rounding of its values."""
    return float(np.ptp(x)) <= 8 * np.finfo(np.float64).eps * float(np.max(np.abs(x)))


def tau_int(x: Any, *, window: str = "gamma", factor: float | None = None) -> TauInt:
    r"""Return the integrated autocorrelation time, pooled over chains.

    Parameters
    ----------
    x : array_like, shape (n_chains, n_draws) or (n_draws,)
    window : {"gamma", "sokal"}
        Rule for W.  "gamma" balances bias and noise: the first W at which
        :math:`e^{-W/\tau} - \tau / \sqrt{W n}` is negative, where :math:`\tau` is `factor` times
        the decay time of an exponential with the same tau_int(W) (Wolff 2004, eq. 50-52).
        "sokal": the first W >= `factor` tau_int(W) (Madras and Sokal 1988).
    factor : float, optional
        1.5 for "gamma", 6 for "sokal".

    Returns
    -------
    TauInt
        With fewer than 64 chains the error is :math:`2 \tau \sqrt{(W + 1/2 - \tau) / n}`
        (Wolff 2004, eq. 42); otherwise it is the spread of the chains, at fixed W.

    Raises
    ------
    InputError
        If `window` is unknown, or `factor` is not positive.

    Notes
    -----
    U. Wolff, Comput. Phys. Commun. 156 (2004) 143; N. Madras and A. D. Sokal, J. Stat. Phys. 50
    (1988) 109.  The bias from using the mean of the data is removed by Wolff's eq. 49.
    """
    x = as_series(x)
    check_choice("window", window, ("gamma", "sokal"))
    factor = (1.5 if window == "gamma" else 6.0) if factor is None else factor
    check_positive("factor", factor)
    n_chains, n_draws = x.shape
    if is_constant(x) or n_draws < 2:
        return TauInt(math.nan, math.nan, 0, n_draws < 2)
    gamma = autocovariance(x)
    n = n_chains * n_draws
    running = 0.5 + np.concatenate([[0.0], np.cumsum(gamma[1:])]) / gamma[0]
    W, reached_end = _window(running, n, window, factor)
    value = _unbiased(gamma, W, n)
    if n_chains >= MANY_CHAINS:
        error = _error_by_chains(x, W, value)
    else:
        error = 2 * value * math.sqrt(max(W + 0.5 - value, 0.5) / n)
    return TauInt(value, error, W, reached_end or n_draws < MIN_LENGTH * value)


def ess(x: Any) -> float:
    """Return the effective number of independent draws in all chains, n / (2 tau_int).

    NaN for a constant series.

    Parameters
    ----------
    x : array, shape (n_chains, n_draws) or (n_draws,)
        A series.
    """
    x = as_series(x)
    return x.size / (2 * tau_int(x).value)


def autocovariance(x: Any) -> np.ndarray:
    r"""Return :math:`\Gamma(t)`, t = 0..n_draws-1, averaged over chains about the pooled mean.

    Each lag is divided by its own number of pairs, n_chains (n_draws - t).

    Parameters
    ----------
    x : array_like, shape (n_chains, n_draws)
    """
    x = as_series(x)
    n_chains, n_draws = x.shape
    power = sum(p.sum(axis=0) for p in _power_spectra(x))
    pairs = n_chains * np.arange(n_draws, 0, -1)
    return _fft().irfft(power, _fft_length(n_draws))[:n_draws] / pairs


def _fft() -> Any:
    import scipy.fft

    return scipy.fft


def _fft_length(n_draws: int) -> int:
    return _fft().next_fast_len(2 * n_draws, real=True)


def _power_spectra(x: np.ndarray) -> Iterator[np.ndarray]:
    """Yield |F(k)|^2 of chains, a few of them at a time."""
    mean = x.mean()
    n = _fft_length(x.shape[1])
    step = max(1, _CHUNK // n)
    for i in range(0, len(x), step):
        f = _fft().rfft(x[i : i + step] - mean, n, axis=1)
        yield f.real**2 + f.imag**2


def _window(running: np.ndarray, n: int, rule: str, factor: float) -> tuple[int, bool]:
    """Return W, and whether no W before the end obeyed the rule."""
    lags = np.arange(len(running))
    if rule == "sokal":
        done = lags >= factor * running
    else:
        # The exponential rho(t) = e^{-t/tau} has tau_int = coth(1/(2 tau)) / 2; below 1/2, none.
        above = np.maximum(2 * running - 1, 1e-12)
        tau = factor / np.log((above + 2) / above)
        done = np.exp(-lags / tau) - tau / np.sqrt(np.maximum(lags, 1) * n) < 0
    done[0] = False
    found = int(np.argmax(done)) if done.any() else len(lags) - 1
    return found, not done.any()


def _unbiased(gamma: np.ndarray, W: int, n: int) -> float:
    """Return tau_int(W) with every Gamma(t) raised by the variance of the mean."""
    gamma = gamma[: W + 1]
    gamma = gamma + max(2 * gamma.sum() - gamma[0], 0.0) / n
    return float(gamma.sum() / gamma[0] - 0.5)


def _error_by_chains(x: np.ndarray, W: int, value: float) -> float:
    """Return the standard error of tau_int = A / B, A and B means over chains, linearised."""
    n_chains, n_draws = x.shape
    n = _fft_length(n_draws)
    weights = np.zeros(n_draws)
    weights[: W + 1] = 1 / np.arange(n_draws, n_draws - W - 1, -1)
    a = _quadratic_form(weights)
    total, variance = [], []
    for power in _power_spectra(x):
        # Parseval: sums over lags of an autocovariance are sums over its spectrum.
        total.append(power @ a(n))
        variance.append(power @ _quadratic_form(np.array([1 / n_draws]))(n))
    A, B = np.concatenate(total), np.concatenate(variance)
    residual = A - (value + 0.5) * B
    return float(residual.std(ddof=1) / math.sqrt(n_chains) / B.mean())


def _quadratic_form(weights: np.ndarray) -> Callable[[int], np.ndarray]:
    """Return k -> w(k) with sum_t weights(t) c(t) = sum_k w(k) P(k), c = irfft(P, n)."""

    def transform(n: int) -> np.ndarray:
        w = _fft().rfft(weights, n).real / n
        w[1:] *= 2
        if n % 2 == 0:
            w[-1] /= 2
        return w

    return transform

r"""Samplers of a diffusion process with a given score, on grids that end at exactly t = 0.

From t to s < t, with h = t - s, :math:`A = \alpha_s / \alpha_t`, :math:`\Delta = \lambda_t^2 -
\lambda_s^2`, :math:`\lambda = \sigma / \alpha` and normal deviates :math:`\xi`:

==============  ==================================================================================
euler-maruyama  :math:`x - h (f x - g^2 s) + g \sqrt h \, \xi`
frozen          :math:`A x + s \int_s^t (\alpha_s / \alpha_r) g_r^2 dr + \alpha_s \sqrt\Delta \,
                \xi`: the reverse equation with the score frozen, solved exactly; of the
                Ornstein-Uhlenbeck process :math:`e^h x + 2 (e^h - 1) s + (e^{2h} - 1)^{1/2} \xi`
ancestral       :math:`E[x_s | x_t, \hat x_0] + (\sigma_s \alpha_t / \sigma_t) \sqrt\Delta \,\xi`
                with :math:`\hat x_0 = (x + \sigma_t^2 s) / \alpha_t`
euler, heun     the probability flow to first and second order, without noise
==============  ==================================================================================

The variances are products of non-negative numbers for any grid: nothing is clamped, and a
schedule may be thinned.  All but Heun's are of first order in the steps.  Draws have no density,
except those of the flow: :func:`carried` returns log q beside them, given the divergence of the
score.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from physgen.core.checks import check_choice, check_finite, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.models.diffusion.process import Process

__all__ = ["LEAST", "SAMPLERS", "SPACINGS", "carried", "coefficients", "diffused", "times"]

SAMPLERS = ("euler-maruyama", "frozen", "ancestral", "euler", "heun")
SPACINGS = ("geometric", "uniform", "rho")
LEAST = 0.2  # sigma / alpha below which a geometric grid becomes uniform in time
RHO = 7.0
Score = Callable[[torch.Tensor, float], torch.Tensor]


def times(
    process: Process,
    n_steps: int,
    spacing: str = "geometric",
    *,
    start: float | None = None,
    least: float = LEAST,
) -> np.ndarray:
    r"""Return n_steps + 1 times from `start` down to exactly 0.

    Parameters
    ----------
    process : Process
    n_steps : int
        >= 1.
    spacing : {"geometric", "uniform", "rho"}
        "geometric": :math:`\ln(\lambda^p + \mathrm{least}^p)` is uniform, p = 2 where noise grows
        like the root of t at first, else 1: times are then a smooth function of their number;
        "uniform" in t; "rho": :math:`\lambda^{1/7}` is uniform up to the last step.
    start : float, optional
        In (0, T]; by default T.
    least : float
        Of "geometric" and "rho", in units of the field.

    Raises
    ------
    InputError
        If a number is out of range.
    """
    n = check_positive_int("n_steps", n_steps)
    check_choice("spacing", spacing, SPACINGS)
    first = process.end if start is None else check_finite("start", start)
    if not 0 < first <= process.end:
        raise InputError(f"start must lie in (0, {process.end:g}], got {start}")
    left, top = np.arange(n, -1, -1) / n, float(process.ratio(first))
    check_positive("least", least)
    if spacing == "uniform":
        return np.append(first * left[:-1], 0.0)
    if spacing == "geometric":
        power = 2 if float(process.diffusion2(0.0)) > 0 else 1
        grown = np.expm1(left * math.log1p((top / least) ** power))
        ratio = least * grown ** (1 / power)
    else:
        share, low = np.arange(n) / max(n - 1, 1), min(least, top) ** (1 / RHO)
        high = top ** (1 / RHO)
        ratio = np.append((high + share * (low - high)) ** RHO, 0.0)
    found = process.time_of(ratio)
    found[0], found[-1] = first, 0.0
    return found


def diffused(
    process: Process,
    score: Score,
    x: torch.Tensor,
    grid: np.ndarray,
    method: str = "heun",
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Return draws at the last time of a grid, from x at the first.

    Parameters
    ----------
    process : Process
    score : callable (x, t) -> tensor of the shape of x
    x : tensor (n, ...)
        Draws of the law of the first time: of variance ``process.variance(t, C)``.
    grid : array (n_steps + 1,)
        Falling times, as of :func:`times`.
    method : {"euler-maruyama", "frozen", "ancestral", "euler", "heun"}
    generator : torch.Generator, optional
        Of the noise; the flow needs none.

    Raises
    ------
    InputError
        If the method is unknown, times do not fall, or there is no generator for noise.
    """
    check_choice("method", method, SAMPLERS)
    if len(grid) < 2 or not np.all(np.diff(grid) < 0) or grid[-1] < 0:
        raise InputError(f"grid must be falling times >= 0, two at least, got {grid}")
    if method in ("euler", "heun"):
        return carried(process, score, x, grid, order=1 if method == "euler" else 2)[0]
    if generator is None:
        raise InputError(f"method {method!r} draws noise and needs a generator, got None")
    for t, (keep, pull, noise) in zip(grid[:-1], coefficients(process, grid, method), strict=True):
        x = torch.add(x * keep, score(x, float(t)), alpha=pull)
        if noise:
            xi = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            x = x.add_(xi, alpha=noise)
    return x


def coefficients(process: Process, grid: np.ndarray, method: str) -> list[list[float]]:
    """Return the factors of x, score and noise in every step of a method with noise."""
    t, s = grid[:-1], grid[1:]
    if method == "euler-maruyama":
        h, g2 = t - s, process.diffusion2(t)
        rows = [1 - h * process.drift(t), h * g2, np.sqrt(h * g2)]
        return np.stack(rows, 1).tolist()
    alpha_t, alpha_s = process.alpha(t), process.alpha(s)
    gap = process.ratio(t) ** 2 - process.ratio(s) ** 2
    if method == "frozen":
        node, weight = np.polynomial.legendre.leggauss(10)
        r = s[:, None] + 0.5 * (t - s)[:, None] * (1 + node)
        inside = process.diffusion2(r) / process.alpha(r)
        pull = alpha_s * 0.5 * (t - s) * (inside @ weight)
        return np.stack([alpha_s / alpha_t, pull, alpha_s * np.sqrt(gap)], 1).tolist()
    kept = (process.sigma(s) / process.sigma(t)) ** 2
    # sigma_ts^2 / sigma_t^2, the share of the noise that was added between s and t.
    share = gap / process.ratio(t) ** 2
    keep = kept * alpha_t / alpha_s + alpha_s * share / alpha_t
    pull = alpha_s * share * process.sigma(t) ** 2 / alpha_t
    noise = process.sigma(s) * np.sqrt(share)
    return np.stack([keep, pull, noise], 1).tolist()


def carried(
    process: Process,
    score: Score,
    x: torch.Tensor,
    grid: np.ndarray,
    log_q: torch.Tensor | None = None,
    divergence: Callable[[torch.Tensor, float], torch.Tensor] | None = None,
    order: int = 2,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return x, and log q if it is given, carried along the probability flow.

    Parameters
    ----------
    process : Process
    score : callable (x, t) -> tensor of the shape of x
    x : tensor (n, ...)
    grid : array (n_steps + 1,)
        Times in any order: falling ones draw, rising ones add noise.
    log_q : tensor (n,) float64, optional
        Of x at the first time.
    divergence : callable (x, t) -> tensor (n,), optional
        Of the score; exact, or the log q is not that of the draws.
    order : {1, 2}
        Of the steps: Euler or Heun.

    Raises
    ------
    InputError
        If log_q is given without a divergence.
    """
    if log_q is not None and divergence is None:
        raise InputError("log q needs the exact divergence of the score, got None")
    f, g2 = process.drift(grid).tolist(), (0.5 * process.diffusion2(grid)).tolist()
    steps, sites = np.diff(grid).tolist(), x[0].numel() if len(x) else 0
    for k, h in enumerate(steps):
        a, b = float(grid[k]), float(grid[k + 1])
        there = torch.add(x * (1 + h * f[k]), score(x, a), alpha=-h * g2[k])
        if order == 2:
            if log_q is not None and divergence is not None:
                log_q = log_q - 0.5 * h * (
                    f[k] * sites
                    - g2[k] * divergence(x, a).double()
                    + f[k + 1] * sites
                    - g2[k + 1] * divergence(there, b).double()
                )
            half = (x * 0.5).add_(there, alpha=0.5 * (1 + h * f[k + 1]))
            there = half.add_(score(there, b), alpha=-0.5 * h * g2[k + 1])
        elif log_q is not None and divergence is not None:
            log_q = log_q - h * (f[k] * sites - g2[k] * divergence(x, a).double())
        x = there
    return x, log_q

r"""Warnings that contradict importance weights which look good.

Errors are not to be trusted where weights have no variance (k-hat), and where their mean is so
skewed that log Z lies below three errors far too often.  With the skewness :math:`\gamma` of
:mod:`physgen.analysis.weights` that happens :math:`1 + 10 \gamma` times as often as it should:
nearly five times at the limit, where one draw makes half of the variance, or eight make all.  A
few draws do not matter while they carry little of the sum.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from physgen.analysis import weights

__all__ = ["Alarm", "alarms"]

K_HAT_MAX = 0.7
SKEWNESS_MAX = 0.35  # of the mean of the weights
THIRD_MOMENT = 1 / 3  # k-hat above which weights have none
LONE_SHARE_MAX = 0.01  # of the sum of weights, by a few draws
ALARM = 4.0  # standard errors by which log Z may miss an independent one


class Alarm(NamedTuple):
    """One line, and whether it says that log Z is wrong."""

    text: str
    fatal: bool


def alarms(
    log_w: np.ndarray, forward: np.ndarray | None, log_z: tuple[float, float] | None
) -> list[Alarm]:
    """Return what contradicts the weights.

    Parameters
    ----------
    log_w : array (n,)
        Log weights of draws of the model.
    forward : array (m,), optional
        Log weights of configurations of the target.
    log_z : (value, error), optional
        An independent log Z.
    """
    value, error = weights.log_z(log_w)
    found = []
    if log_z is not None:
        off, sigma = value - log_z[0], math.hypot(error, log_z[1])
        if abs(off) > ALARM * sigma:
            lost = abs(off + math.log(2)) < max(ALARM * sigma, 0.1)
            why = "; it is ln 2: the model holds one of two modes" if lost else ""
            text = (
                f"log Z = {value:.4f}({error:.1g}) contradicts the independent "
                f"{log_z[0]:.4f}({log_z[1]:.1g}) by {off:+.3f}{why}"
            )
            found.append(Alarm(text, True))
    if forward is not None and len(forward) > 1:
        # D(p || q) = <log w>_p - log Z is never negative.
        kl = float(forward.mean()) - value
        sigma = math.hypot(float(forward.std(ddof=1)) / math.sqrt(len(forward)), error)
        if kl < -ALARM * sigma:
            text = (
                f"the divergence of the samples from the model is {kl:.3f}({sigma:.1g}), and none "
                "is negative: the samples are not of this target, or log Z is too large"
            )
            found.append(Alarm(text, True))
        share, reverse = weights.forward_ess(forward), weights.ess(log_w)
        if share < 0.5 * reverse:
            text = (
                f"the forward share {share:.2g} is far below the reverse one {reverse:.2g}: "
                "configurations of the target are missing from the model"
            )
            found.append(Alarm(text, False))
    return found + _untrusted_errors(log_w)


def _untrusted_errors(log_w: np.ndarray) -> list[Alarm]:
    """Return why errors are not to be trusted, though nothing contradicts the values."""
    n, tail = len(log_w), weights.tail(log_w)
    share, skewness = weights.ess(log_w), weights.skewness(log_w)
    unseen = tail.k + 2 * tail.k_error > THIRD_MOMENT  # the largest weights
    text = ""
    if tail.k > K_HAT_MAX:
        text = (
            f"k-hat {tail.k:.2f} is above {K_HAT_MAX}: the weights have a heavy tail, and errors "
            "are not to be trusted; train the model further"
        )
    elif tail.lone_share > LONE_SHARE_MAX:
        text = (
            f"{tail.n_lone} of {n:,} draws carry {tail.lone_share:.2g} of the weights, and all "
            "others repeat: errors are not to be trusted; draw more, or train the model further"
        )
    elif unseen and weights.skewness_of_normal_logs(share, n) > SKEWNESS_MAX:
        text = (
            f"an effective share of {share:.2g} asks for {_needed(share):,} draws, got {n:,}: the "
            "largest weights are too rare to be among them, and log Z may be low by many errors; "
            "draw more, or train the model further"
        )
    elif skewness > SKEWNESS_MAX and not math.isnan(tail.k):
        few = max(1, round(skewness**-2))
        carried = float(
            np.sort(weights.relative(log_w))[-few:].sum() * weights.largest_share(log_w)
        )
        if carried > LONE_SHARE_MAX:
            text = (
                f"{few} of {n:,} draws carry {carried:.2g} of the weights and make the error of "
                "log Z, which is not to be trusted; draw more, or train the model further"
            )
    return [Alarm(text, False)] if text else []


def _needed(share: float) -> int:
    """Return how many draws of this share have a mean that is hardly skewed; two digits."""
    n = (weights.skewness_of_normal_logs(share, 1) / SKEWNESS_MAX) ** 2
    step = 10 ** max(int(math.log10(n)) - 1, 0)
    return math.ceil(n / step) * step

r"""What a network may predict, and the score that follows.

With :math:`x_t = \alpha x_0 + \sigma z` and expectations given :math:`x_t`,

==========  ==============================  ================================================
kind        prediction                      score
==========  ==============================  ================================================
score       :math:`s`                       :math:`s`
noise       :math:`\epsilon = E[z]`         :math:`-\epsilon / \sigma`
denoiser    :math:`D = E[x_0]`              :math:`(\alpha D - x_t) / \sigma^2`
velocity    :math:`v = \alpha' D +          :math:`2 (f x_t - v) / g^2`
            \sigma' \epsilon`
==========  ==============================  ================================================

All but the first are 0/0 without noise.  There they are asked at the time `LEAST_NOISE` instead,
where the noise is 3e-4 of a field of size 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from physgen.core.checks import check_choice
from physgen.models.diffusion.process import Process

__all__ = ["KINDS", "predicted", "score_from"]

KINDS = ("score", "noise", "denoiser", "velocity")
LEAST_NOISE = 3e-4  # of sigma / alpha
Field = Callable[[Any, float], Any]  # (x, t) -> an array of the shape of x


def score_from(kind: str, process: Process, network: Field) -> Field:
    """Return the score (x, t) -> s of a network that predicts something else.

    Parameters
    ----------
    kind : {"score", "noise", "denoiser", "velocity"}
    process : Process
    network : callable (x, t) -> prediction, of the shape of x

    Raises
    ------
    InputError
        If the kind is unknown.
    """
    if check_choice("kind", kind, KINDS) == "score":
        return network
    least = float(process.time_of(LEAST_NOISE))

    def score(x: Any, t: float) -> Any:
        t = max(t, least)
        found, sigma = network(x, t), float(process.sigma(t))
        if kind == "noise":
            return found / -sigma
        if kind == "denoiser":
            return (float(process.alpha(t)) * found - x) / sigma**2
        f, g2 = float(process.drift(t)), float(process.diffusion2(t))
        return (f * x - found) * (2 / g2)

    return score


def predicted(kind: str, process: Process, score: Field) -> Field:
    """Return the prediction of a kind that belongs to a score: the inverse of `score_from`."""
    check_choice("kind", kind, KINDS)

    def network(x: Any, t: float) -> Any:
        s, alpha, sigma = score(x, t), float(process.alpha(t)), float(process.sigma(t))
        if kind == "noise":
            return -sigma * s
        if kind == "denoiser":
            return (x + sigma**2 * s) / alpha
        return s if kind == "score" else process.flow(x, t, s)

    return network

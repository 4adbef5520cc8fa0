r"""Draws of a score model on their way from noise.

The probability flow in the clock of the process, by Heun's method with the learned score
(:mod:`physgen.models.diffusion.samplers`), stopped at noises that are even on the grid.  Fields
are shown in units in which all times have one size,

.. math:: x_t \, \frac{s}{(\alpha^2 s^2 + \sigma^2)^{1/2}} ,

with s the size of the field.  The density of the model solves the same flow in other variables.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from physgen.core.random import Stream, as_stream
from physgen.models.diffusion.process import Process
from physgen.models.diffusion.samplers import LEAST, diffused, times
from physgen.models.diffusion.starts import started
from physgen.models.path import Path

__all__ = ["reverse_path"]

SHOWN, BETWEEN = 8, 8  # times after the first, and steps between two of them


@torch.no_grad()
def reverse_path(model: Any, process: Process, n: int, rng: Stream | int) -> Path:
    """Return n fields at nine times, noise first.

    Parameters
    ----------
    model : ScoreModel
    process : Process
        Of the model.
    n : int
    rng : Stream or int
    """
    size, _ = model.units
    x, start = started(model, n, as_stream(rng))
    grid = times(process, SHOWN * BETWEEN, start=start, least=LEAST * size)
    fields, left, signal, hidden = [], [], [], []
    for k in range(SHOWN + 1):
        if k:
            part = grid[(k - 1) * BETWEEN : k * BETWEEN + 1]
            x = diffused(process, model.score, x, part, "heun")
        alpha, sigma = (
            float(process.alpha(grid[k * BETWEEN])),
            float(process.sigma(grid[k * BETWEEN])),
        )
        scale = size / math.hypot(alpha * size, sigma)
        fields.append(x * scale)
        left.append(sigma / (alpha * size))
        signal.append(alpha * scale)
        hidden.append(sigma * scale)
    return Path("noise", left, torch.stack(fields), signal, hidden)

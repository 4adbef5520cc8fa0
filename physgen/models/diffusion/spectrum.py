"""What a score model takes from its data, and what must fit it: spectrum, noise, schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.process import Process, schedule_of

__all__ = ["check_covered", "check_schedule", "measured", "scales_of"]


def measured(x: Any, filters: Filters, *, odd: bool) -> tuple[np.ndarray, float]:
    """Return the variance of every plane wave of configurations, and their mean.

    Parameters
    ----------
    x : array or tensor (n, *event_shape)
    filters : Filters
        Their modes, and their symmetries, which the spectrum is given.
    odd : bool
        The mean is 0.

    Raises
    ------
    InputError
        If a mode does not vary.
    """
    fields = to_numpy(x).astype(np.float64).reshape(len(x), -1)
    centre = 0.0 if odd else float(fields.mean())
    power = ((fields - centre) @ filters.modes) ** 2
    spectrum = filters.symmetric(power.mean(0))
    if not spectrum.min() > 1e-12 * spectrum.max():
        raise InputError(
            f"every plane wave of the configurations must vary, got variances from "
            f"{spectrum.min():.3g} to {spectrum.max():.3g}; are they all alike?"
        )
    return spectrum, centre


def check_covered(process: Process, needed: float, reach: float) -> None:
    """Raise InputError unless the last noise, sigma / alpha, is at least `needed`."""
    most = float(process.ratio(process.end))
    if most < needed:
        raise InputError(
            f"the noise of process {process.name!r} must end at {reach:g} times the slowest mode, "
            f"sigma/alpha = {needed:.3g}, got {most:.3g}; choose a larger end (or sigma_max), "
            "e.g. {name = 'ou', end = 7}"
        )


def check_schedule(process: Process, stored: np.ndarray) -> None:
    """Raise InputError unless a process has the schedule that is stored with weights."""
    mine = schedule_of(process)
    if mine.shape != stored.shape or not np.allclose(mine, stored, rtol=1e-9, atol=1e-12):
        (t, a, s), (u, b, c) = mine[:, -1], stored[:, -1]
        raise InputError(
            f"stored weights belong to a process {process.name!r} with alpha, sigma = {b:.6g}, "
            f"{c:.6g} at t = {u:g}; this one has {a:.6g}, {s:.6g} at t = {t:g}. Give the model "
            "the process that it was trained with"
        )


def scales_of(spectrum: torch.Tensor) -> torch.Tensor:
    """Return the size of the field, and the largest variance of a mode in units of its square."""
    mean = spectrum.double().mean()
    return torch.stack([mean.sqrt(), spectrum.double().max() / mean])

"""What energies of a range of noises share: the range, and the place of a noise in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from physgen.core.checks import check_positive
from physgen.core.errors import InputError

__all__ = ["checked_range", "place_of", "require_range"]


def checked_range(given: Sequence[float]) -> tuple[float, float]:
    """Return (low, high), 0 < low < high."""
    if isinstance(given, str) or len(given) != 2:
        raise InputError(f"noise_range must be two numbers (low, high), got {given!r}")
    low, high = (check_positive("each end of noise_range", x) for x in given)
    if not low < high:
        raise InputError(f"noise_range must have low < high, got {low} and {high}")
    return low, high


def require_range(noises: tuple[float, float] | None) -> tuple[float, float]:
    """Return the range of an energy, or raise InputError if it is the energy of one law."""
    if noises is None:
        raise InputError(
            "the energy must have a noise_range for one of a noise, got none; make it with "
            "noise_range = (low, high)"
        )
    return noises


def place_of(sigma: torch.Tensor, noises: tuple[float, float]) -> torch.Tensor:
    """Return log sigma, scaled to [-1, 1] over the range, (B,)."""
    low, high = map(math.log, noises)
    return (2 * sigma.log() - low - high) / (high - low)

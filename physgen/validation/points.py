"""Points in space: what tests of two samples take, checked once at their door.

A point is a configuration, or its features, as one row.  float64 stays float64; integers (spins,
outcomes) and all else become float32, which holds them exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.arrays import real_numbers, to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError

__all__ = ["as_points", "check_same_space", "pooled_blocks"]


def as_points(name: str, x: Any, least: int) -> np.ndarray:
    """Return x (n, ...) as rows (n, d), float32 or float64.

    Raises
    ------
    InputError
        If there are fewer than `least` points, no components, or a number is not finite.
    """
    x = to_numpy(real_numbers(name, x))
    if x.ndim < 1 or len(x) < least or x.size == 0:
        count = len(x) if x.ndim else 1
        raise InputError(
            f"{name} must be at least {least} points of shape ({least}, ...), got {count} in an "
            f"array of shape {x.shape}; draw more"
        )
    x = x.reshape(len(x), -1)
    x = x if x.dtype == np.float64 else x.astype(np.float32)
    if not np.isfinite(x).all():
        raise InputError(f"{name} must be finite numbers, got NaN or infinity")
    return x


def check_same_space(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of points in one type; InputError if their numbers of components differ."""
    if x.shape[1] != y.shape[1]:
        raise InputError(
            "samples and reference must have points of one shape, got "
            f"{x.shape[1]} and {y.shape[1]} components"
        )
    dtype = np.result_type(x, y)
    return x.astype(dtype, copy=False), y.astype(dtype, copy=False)


def pooled_blocks(x: np.ndarray, y: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets cut to whole blocks of draws; draws at the beginning are dropped."""
    check_positive_int("block", block)
    return x[len(x) % block :], y[len(y) % block :]

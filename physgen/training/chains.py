"""Configurations of Markov chains, for objectives whose errors need the order of the draws.

The last share of every chain is held out: neighbours in a chain are alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.protocols import Support
from physgen.targets.configurations import Configurations
from physgen.training.samples import LEAST, held_out_count

__all__ = ["ChainSamples"]


class ChainSamples:
    """Configurations chain by chain, the last share of each held out.

    Parameters
    ----------
    data : Configurations, or array of shape (n, *event_shape) or (n_chains, n_draws, *event_shape)
        In the order in which they were drawn; an array (n, *event_shape) is one chain.  Of chains
        with one draw each, the last chains are held out.
    event_shape : tuple of int
        Shape of one configuration.
    support : Support
    validation_fraction : float
        In [0, 1); 0: nothing is held out.

    Attributes
    ----------
    train : ndarray, shape (n_chains, n_draws, *event_shape)
        int8 for spins; real fields keep float32 and are float64 otherwise.
    validation : ndarray, shape (n_validation, *event_shape)

    Raises
    ------
    InputError
        If the shape or the fraction is wrong, a number is not finite, or spins are not -1 and 1.
    """

    def __init__(
        self,
        data: Any,
        event_shape: tuple[int, ...],
        support: Support,
        validation_fraction: float,
    ) -> None:
        x = to_numpy(data.x if isinstance(data, Configurations) else data)
        shape, axes = tuple(event_shape), x.ndim - len(event_shape)
        if axes not in (1, 2) or x.shape[axes:] != shape or x.size < LEAST * math.prod(shape):
            text = ", ".join(map(str, shape))
            raise InputError(
                f"configurations must be an array (n, {text}) or (n_chains, n_draws, {text}) of "
                f"at least {LEAST}, got shape {x.shape}"
            )
        if not 0 <= check_finite("validation_fraction", validation_fraction) < 1:
            raise InputError(f"validation_fraction must lie in [0, 1), got {validation_fraction}")
        x = _values(x[None] if axes == 1 else x, support)
        along = 0 if x.shape[1] == 1 else 1
        kept = x.shape[along] - held_out_count(x.shape[along], validation_fraction)
        self.train, out = np.split(x, [kept], axis=along)
        self.validation = out.swapaxes(0, 1).reshape(-1, *shape)

    @property
    def n_train(self) -> int:
        """Number of configurations that are trained on."""
        return self.train.shape[0] * self.train.shape[1]

    @property
    def n_validation(self) -> int:
        """Number of configurations that are held out."""
        return len(self.validation)


def _values(x: np.ndarray, support: Support) -> np.ndarray:
    """Return configurations in the type of their support, after checks."""
    if x.dtype.kind not in "biuf":
        raise InputError(f"configurations must be real numbers, got {x.dtype}")
    if support.kind == "spins":
        if not bool(
            (np.abs(x.astype(np.int8, copy=False)) == 1).all() and (x == np.rint(x)).all()
        ):
            raise InputError(
                f"spins must be -1 and +1, got {x.min():g} to {x.max():g}; for bits 0 and 1 give "
                "2 * x - 1 or 1 - 2 * x, whichever is meant"
            )
        return x.astype(np.int8, copy=False)
    x = x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)
    if not np.isfinite(x).all():
        raise InputError("configurations must be finite numbers, got NaN or infinity")
    first = x.reshape(-1)[:4096]
    if len(first) > LEAST and len(np.unique(first)) <= 2:
        listed = ", ".join(f"{v:g}" for v in np.unique(first))
        raise InputError(
            f"a density of real fields needs numbers that vary, got {listed} alone; for spins -1 "
            "and +1 take a model of spins, and for bits 0 and 1 give 2 * x - 1 to it"
        )
    return x

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
    data : Configurations, (target, samples), or ndarray (n, *event_shape)
        In the order in which they were drawn: samples are an array (n, *event_shape), one chain,
        or (n_chains, n_draws, *event_shape).  Of chains with one draw each, the last chains are
        held out.  In an array alone integers are spins, other numbers real fields.
    validation_fraction : float
        In [0, 1); 0: nothing is held out.

    Attributes
    ----------
    event_shape : tuple of int
    support : Support
    train : ndarray, shape (n_chains, n_draws, *event_shape)
        int8 for spins; real fields keep float32 and are float64 otherwise.
    validation : ndarray, shape (n_validation, *event_shape)

    Raises
    ------
    InputError
        If the data are neither spins nor real fields, the shape or the fraction is wrong, a number
        is not finite, or spins are not -1 and 1.
    """

    def __init__(self, data: Any, validation_fraction: float) -> None:
        source, samples = _source(data)
        shape = self.event_shape = tuple(source.event_shape)
        self.support: Support = source.support
        if self.support.kind not in ("spins", "reals"):
            raise InputError(f"data must be spins or real fields, got {self.support.kind}")
        x = to_numpy(samples)
        axes = x.ndim - len(shape)
        if axes not in (1, 2) or x.shape[axes:] != shape or x.size < LEAST * math.prod(shape):
            text = ", ".join(map(str, shape))
            raise InputError(
                f"configurations must be an array (n, {text}) or (n_chains, n_draws, {text}) of "
                f"at least {LEAST}, got shape {x.shape}"
            )
        if not 0 <= check_finite("validation_fraction", validation_fraction) < 1:
            raise InputError(f"validation_fraction must lie in [0, 1), got {validation_fraction}")
        x = _values(x[None] if axes == 1 else x, self.support)
        along = 0 if x.shape[1] == 1 else 1
        kept = x.shape[along] - held_out_count(x.shape[along], validation_fraction)
        self.train, out = np.split(x, [kept], axis=along)
        self.validation = out.swapaxes(0, 1).reshape(-1, *shape)

    @property
    def n_train(self) -> int:
        """Number of configurations that are trained on."""
        return self.train.shape[0] * self.train.shape[1]

    def check_model(self, model: Any) -> None:
        """Raise InputError unless a model has the shape and support of the data."""
        if tuple(model.event_shape) != self.event_shape or model.support != self.support:
            got = f"{model.support.kind} of shape {tuple(model.event_shape)}"
            raise InputError(
                f"the model must be one of {self.support.kind} of shape {self.event_shape}, as "
                f"the data are, got {got}; make it with for_target(...) of the same source"
            )

    @property
    def n_validation(self) -> int:
        """Number of configurations that are held out."""
        return len(self.validation)


def _source(data: Any) -> tuple[Any, Any]:
    """Return what declares shape and support, and the configurations."""
    if isinstance(data, np.ndarray):
        data = Configurations(data, support="reals" if data.dtype.kind == "f" else None)
    if isinstance(data, Configurations):
        return data, data.x
    if not (isinstance(data, tuple) and len(data) == 2 and hasattr(data[0], "event_shape")):
        raise InputError(
            "data must be Configurations, (target, samples) or an array, got "
            f"{type(data).__name__}"
        )
    return data


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

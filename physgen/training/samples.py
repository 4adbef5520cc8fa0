r"""The data that a fit learns from, in memory: any dtype, any shape of an item.

Of n items, some are held out and the rest are trained on.  An epoch is one permutation of the
training items, a function of the given stream, so a fit can resume bit for bit without stored
state.  Independent items are held out at random, since a file may be ordered by time or by
setting; of a Markov chain the last share is held out, since neighbours are correlated.

Where the distribution is even, :math:`p(-x) = p(x)`, every item may be flipped at random when it
is used.  Items may have weights :math:`w_s` of mean 1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS, Support
from physgen.core.random import Stream

__all__ = [
    "Batch",
    "Groups",
    "Samples",
    "check_weights",
    "held_out_count",
    "last_share",
    "mean_one",
    "random_share",
]

LEAST = 20  # configurations of a chain
Groups = Callable[[torch.Tensor], np.ndarray]  # items (n, ...) -> labels (n,)


class Batch(NamedTuple):
    """Items of one step.

    Attributes
    ----------
    x : tensor, shape (B, *event_shape)
    weights : tensor of float32 or None, shape (B,)
        None: all items count the same.
    """

    x: torch.Tensor
    weights: torch.Tensor | None = None


class Samples:
    """Items in memory, some of them held out.

    Parameters
    ----------
    items : ndarray, shape (n, *event_shape)
        Kept in this dtype.
    held_out : ndarray of int
        Positions of the held-out items, e.g. from :func:`random_share` or :func:`last_share`.
    weights : ndarray of float64, shape (n,), optional
        Scaled to mean 1 separately among training and held-out items.
    even : bool
        Flip the sign of every item at random when a batch is taken.

    Attributes
    ----------
    train, validation : tensor, shapes (n_train, *event_shape), (n_validation, *event_shape)
        On the CPU, in the order of `items`.
    validation_weights : ndarray or None, shape (n_validation,)
    """

    def __init__(
        self,
        items: np.ndarray,
        held_out: np.ndarray,
        weights: np.ndarray | None = None,
        *,
        even: bool = False,
    ) -> None:
        kept = np.delete(np.arange(len(items)), held_out)
        out = np.sort(held_out)
        self.train, self.validation = torch.from_numpy(items[kept]), torch.from_numpy(items[out])
        self.even = even
        self._weights = None if weights is None else mean_one(weights[kept])
        self.validation_weights = None if weights is None else mean_one(weights[out])

    @classmethod
    def of_chain(
        cls,
        samples: Any,
        event_shape: tuple[int, ...],
        support: Support,
        validation_fraction: float,
        *,
        even: bool,
    ) -> Samples:
        """Return configurations of Markov chains, the last share of them held out.

        Parameters
        ----------
        samples : array, shape (n, *event_shape)
            Kept as int8 for spins, else as float32.
        validation_fraction : float
            In (0, 1).

        Raises
        ------
        InputError
            If the shape or the fraction is wrong, or a number is not finite.
        """
        x = to_numpy(samples)
        if x.ndim < 2 or x.shape[1:] != tuple(event_shape) or len(x) < LEAST:
            listed = ", ".join(map(str, event_shape))
            raise InputError(
                f"samples must be at least {LEAST} configurations (n, {listed}), got shape "
                f"{x.shape}"
            )
        if not np.isfinite(x).all():
            raise InputError("samples must be finite numbers, got NaN or infinity")
        if not 0 < check_finite("validation_fraction", validation_fraction) < 1:
            raise InputError(f"validation_fraction must lie in (0, 1), got {validation_fraction}")
        x = x.astype(np.int8 if support == SPINS else np.float32)
        return cls(x, last_share(len(x), validation_fraction), even=even)

    @property
    def n_train(self) -> int:
        """Number of items that are trained on."""
        return len(self.train)

    @property
    def n_validation(self) -> int:
        """Number of items that are held out."""
        return len(self.validation)

    def resampled(self, rng: Stream, groups: Groups | None = None) -> Samples:
        """Return the same data with the items to train on drawn again, with replacement.

        Parameters
        ----------
        rng : Stream
        groups : callable(items) -> labels, optional
            Keep the number of items with each label.
        """
        n, generator = self.n_train, rng.numpy()
        rows = generator.integers(n, size=n)
        if groups is not None:
            label = groups(self.train)
            order = np.argsort(label, kind="stable")
            size = np.bincount(label)
            start = np.repeat(np.cumsum(size) - size, size)
            rows = order[start + (generator.random(n) * np.repeat(size, size)).astype(np.int64)]
        new = copy.copy(self)
        new.train = self.train[torch.from_numpy(rows)]
        new._weights = None if self._weights is None else self._weights[rows]
        return new

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of an epoch in training order."""
        return stream.numpy().permutation(self.n_train)

    def batch(self, index: np.ndarray, rng: Stream, device: Any = "cpu") -> Batch:
        """Return the items at these positions on `device`; `rng` flips them, where p is even."""
        x = self.train[torch.from_numpy(index)]
        if self.even:
            sign = rng.child("flip").numpy().integers(0, 2, size=len(x)) * 2 - 1
            x = x * torch.as_tensor(sign, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        if self._weights is None:
            return Batch(x.to(device))
        weights = torch.from_numpy(self._weights[index].astype(np.float32))
        return Batch(x.to(device), weights.to(device))


def held_out_count(n: int, fraction: float) -> int:
    """Return how many of n items are held out: at least one where `fraction` > 0."""
    count = round(fraction * n)
    if fraction > 0 and count == 0:
        count = 1
    if n - count < 1:
        raise InputError(f"at least 2 items are needed to hold some out, got {n}")
    return count


def random_share(n: int, fraction: float, rng: Stream) -> np.ndarray:
    """Return the positions of a random share of n items."""
    return rng.numpy().permutation(n)[: held_out_count(n, fraction)]


def last_share(n: int, fraction: float) -> np.ndarray:
    """Return the positions of the last share of n items."""
    return np.arange(n - held_out_count(n, fraction), n)


def check_weights(weights: Any, n: int) -> np.ndarray:
    """Return weights as float64 of shape (n,): finite, not negative, not all 0."""
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (n,) or not np.isfinite(array).all() or array.min() < 0 or not array.sum():
        raise InputError(
            f"weights must be one finite number >= 0 an item, shape ({n},), not all 0, "
            f"got shape {array.shape}"
        )
    return array


def mean_one(weights: np.ndarray) -> np.ndarray:
    """Return weights scaled to mean 1."""
    return weights / weights.mean() if weights.size else weights

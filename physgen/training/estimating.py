"""Densities with a solver of their own, as a solution of an objective of likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.learning import Estimable
from physgen.core.random import Stream
from physgen.training.samples import Samples

__all__ = ["estimate", "is_estimable"]


def is_estimable(model: Any) -> bool:
    """Whether a model sets its weights from configurations by itself."""
    return isinstance(model, Estimable)


def estimate(model: Any, samples: Samples, rng: Stream) -> None:
    """Give the model the weights of the largest likelihood of the training items.

    Where p(-x) = p(x), the items and their mirror images count alike.
    """
    x = samples.train.numpy()
    model.estimate(np.concatenate([x, -x]) if samples.even else x, rng)

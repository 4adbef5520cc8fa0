r"""The loss of a deterministic autoencoder: a sum of squares, which is no likelihood.

.. math:: \mathcal L = \frac{1}{c^2} \sum_i (x_i - \hat x_i)^2

in units c of the field; at the end a Gaussian is fitted to the codes of the training data, from
which fields can be drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream
from physgen.models.latent.autoencoder import Autoencoder
from physgen.training.evidence import Evidence
from physgen.training.problem import device_of

__all__ = ["Reconstruction"]


class Reconstruction(Evidence):
    """The squared error of what a code says of a configuration.

    Parameters
    ----------
    source : Configurations or Target
    samples : array (n, *event_shape), optional
        Configurations of a target, from converged chains.
    validation_fraction : float
        Share held out, in (0, 1).
    """

    # A name that ends in "_error" would be taken for an error bar.
    loss_name, label, unit = "sum_of_squares", "squared error, no likelihood", "1"

    def __init__(self, source: Any, samples: Any = None, validation_fraction: float = 0.1) -> None:
        super().__init__(source, samples, validation_fraction, 1)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing; refuse another model."""
        del rng
        if not isinstance(model, Autoencoder):
            raise InputError(f"model must be an Autoencoder, got {type(model).__name__}")
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items."""
        del carry
        x = self.samples.batch(index, rng, device_of(model)).x.to(model.dtype)
        return Loss(_errors(model, x).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the loss of every held-out item per site, (n_validation,)."""
        return self._held_out(model, lambda q, x, _: _errors(q, x.to(q.dtype)))

    def finish(self, model: Any) -> None:
        """Fit the Gaussian of codes."""
        model.fit_codes(self.samples.train)


def _errors(model: Any, x: torch.Tensor) -> torch.Tensor:
    return ((x - model(x)) / model.scale).square().flatten(1).double().sum(1)

r"""Training of dequantised densities: a bound of the likelihood of spins.

.. math:: \mathcal L = -E_p \, E_{r(y|s)}\Big[\log \frac{q(y)}{r(y|s)}\Big] \ge -E_p[\log P(s)] ,

in nats a configuration, minimised in q and r together; the gap is a divergence of r from the law
of y given its signs.  It is shown as a bound, and never in a column with likelihoods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.models.dequantised import Dequantised
from physgen.targets.configurations import Configurations
from physgen.training.problem import device_of
from physgen.training.samples import Samples

__all__ = ["DequantisedBound"]


class DequantisedBound:
    """The bound of the negative log-likelihood of spins, for a Dequantised density.

    Parameters
    ----------
    data : Configurations
        Of spins; flipped at random where they have the symmetry "z2".
    validation_fraction : float
        Share held out, in (0, 1): the end of every chain.

    Raises
    ------
    InputError
        If `data` are no spins, or the fraction is out of range.
    """

    loss_name, label, item, unit = "nll_bound", "bound of NLL", "configurations", "nat"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(self, data: Configurations, validation_fraction: float = 0.1) -> None:
        if not isinstance(data, Configurations) or data.support != SPINS:
            raise InputError(
                f"data must be Configurations(...) of spins, got {data!r}; real fields have a "
                "likelihood: MaximumLikelihood"
            )
        self.data, self.n_sites = data, math.prod(data.event_shape)
        self._samples = Samples.of_chain(
            data.flat, data.event_shape, SPINS, validation_fraction, even="z2" in data.symmetries
        )
        self.n_train, self.n_validation = self._samples.n_train, self._samples.n_validation

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self._samples.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing; refuse a model that is not dequantised.

        Raises
        ------
        InputError
            If the model is another one.
        """
        del rng
        if not isinstance(model, Dequantised):
            raise InputError(
                f"a bound needs a Dequantised density, got {type(model).__name__}; models of "
                "spins have a likelihood: MaximumLikelihood"
            )
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean of -log q(y)/r(y|s), one y for each configuration."""
        del carry
        s = self._samples.batch(index, rng.child("data"), device_of(model)).x.to(model.dtype)
        generator = rng.child("behind").torch(device_of(model))
        return Loss(-model.log_ratio(s, generator).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the bound of the NLL of each held-out configuration in nats per site."""
        with torch.no_grad():
            bound = model.bound(self._samples.validation.numpy(), Stream(0).child("held out"))
        return -np.asarray(bound) / self.n_sites

r"""Maximum likelihood on configurations whose action nobody knows.

.. math:: \mathcal L = -E_p[\log q(x)] = H(p) + D_{KL}(p \| q) ,

in nats per configuration; the entropy H(p) is not known, so only differences between models have
a meaning: they are differences of divergences.  For real fields H(p) may be negative.  Where the
action is known, :class:`~physgen.training.ForwardKL` has the same gradient and bounds log Z.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import Collapsed
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training.estimating import estimate, is_estimable
from physgen.training.problem import check_density, device_of
from physgen.training.samples import Samples

__all__ = ["MaximumLikelihood"]


class MaximumLikelihood:
    """Negative log-likelihood of configurations, with a held-out share.

    Parameters
    ----------
    data : Configurations
        Flipped at random where they have the symmetry "z2".
    validation_fraction : float
        Share held out, in (0, 1): the end of every chain, because neighbours are alike.

    Raises
    ------
    InputError
        If `data` is of another kind, or the fraction is out of range.
    """

    loss_name, label, item, unit = "nll", "NLL", "configurations", "nat"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(self, data: Configurations, validation_fraction: float = 0.1) -> None:
        if not isinstance(data, Configurations):
            raise InputError(
                f"data must be Configurations(...) of the array, got {type(data).__name__}"
            )
        self.data, self.n_sites = data, math.prod(data.event_shape)
        self._samples = Samples.of_chain(
            data.flat,
            data.event_shape,
            data.support,
            validation_fraction,
            even="z2" in data.symmetries,
        )
        self.n_train, self.n_validation = self._samples.n_train, self._samples.n_validation

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self._samples.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing, because a step keeps nothing; refuse a model of another target."""
        del rng
        if isinstance(model, Collapsed):
            raise InputError(
                "a model that draws a part of its variables from a known action cannot be fitted "
                "to configurations of an unknown one; make it with for_target(configurations)"
            )
        check_density(model, "MaximumLikelihood", joint=False)
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean negative log-likelihood, in nats per configuration."""
        del carry
        x = self._samples.batch(index, rng, device_of(model)).x
        return Loss(-model.forward(x.to(next(iter(model.parameters())).dtype)).mean())

    def solves(self, model: Any) -> bool:
        """Return whether the model finds the weights of the largest likelihood by itself."""
        return is_estimable(model)

    def solve(self, model: Any, rng: Stream) -> Loss:
        """Give the model these weights; return the negative log-likelihood of training items."""
        estimate(model, self._samples, rng)
        with torch.no_grad():
            return Loss(-model.log_prob(self._samples.train).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the NLL of each configuration held out in nats per site, (n_validation,)."""
        with torch.no_grad():
            return -to_numpy(model.log_prob(self._samples.validation)) / self.n_sites

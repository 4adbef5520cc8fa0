r"""Training of joint models on the importance-weighted bound.

.. math:: \mathrm{IWAE}_k(x) = E\Big[\log \frac1k \sum_{i=1}^k
          \frac{p(z_i)\, p(x|z_i)}{r(z_i|x)}\Big] , \qquad z_i \sim r(z|x) ,

is the evidence bound at k = 1 and rises with k to :math:`\log q(x)`.  The encoder learns by the
doubly reparametrised gradient,
:math:`\sum_i \tilde w_i^2 \, \partial_z \log w_i \, \partial z_i` with normalised weights, whose
noise does not drown its signal as k grows (Tucker et al., ICLR 2019).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream
from physgen.models.decimated import learned
from physgen.models.latent.latent_laws import Bits
from physgen.training.evidence import Evidence
from physgen.training.problem import device_of

__all__ = ["IWAE"]


class IWAE(Evidence):
    """The importance-weighted bound of configurations, negated; latents must be continuous.

    Parameters
    ----------
    source, samples, validation_fraction
        As of :class:`ELBO`.
    k : int
        Draws of z for each x, >= 1.
    doubly : bool
        The doubly reparametrised gradient of the encoder.

    Raises
    ------
    InputError
        If a number is out of range, or the configurations do not suit.
    """

    def __init__(
        self,
        source: Any,
        samples: Any = None,
        validation_fraction: float = 0.1,
        *,
        k: int = 16,
        doubly: bool = True,
    ) -> None:
        super().__init__(source, samples, validation_fraction, k)
        self.doubly = bool(doubly)

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items, in nats per configuration."""
        del carry
        q, x = learned(model), self._batch(model, index, rng)
        law = q.encode(x)
        if isinstance(law, Bits):
            raise InputError("IWAE needs continuous latents, got bits; take ELBO")
        z = law.draw(self.k, rng.child("latents").torch(device_of(q)))
        log_w = q(x, z) - (law.held() if self.doubly else law).log_prob(z)
        share = torch.softmax(log_w.detach(), 0)
        if self.doubly and z.requires_grad:
            z.register_hook(lambda g: g * share[..., None].to(g))
        value = torch.logsumexp(log_w, 0) - math.log(self.k)
        return Loss(-value.mean(), {"effective_latents": float(1 / (share**2).sum(0).mean())})

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the loss of every held-out item in nats per site, (n_validation,)."""

        def each(q: Any, x: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
            law = q.encode(x)
            z = law.draw(self.k, noise)
            log_w = q(x, z) - law.log_prob(z)
            return math.log(self.k) - torch.logsumexp(log_w, 0)

        return self._held_out(model, each)

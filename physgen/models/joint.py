r"""Base class of joint densities q(x, z) = p(z) p(x | z) with an encoder r(z | x).

The marginal :math:`q(x) = \int dz\, p(z) p(x | z)` is not available.  But for any r,

.. math:: \log q(x) \ge E_{r(z|x)}\left[ \log \frac{p(z)\, p(x | z)}{r(z | x)} \right]
          = \log q(x) - D_{KL}(r(z|x) \,\|\, q(z|x)) ,

and pairs have weights that correct every observable of x, exact for any r:

.. math:: w(x, z) = \frac{e^{-S(x)} \, r(z | x)}{p(z)\, p(x | z)} , \qquad E_q[w] = Z .

Draws of x alone are approximate for a target; weighted pairs are asymptotically exact.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import like
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError, NoDensityError
from physgen.core.protocols import SPINS, Support
from physgen.core.random import Stream, as_stream
from physgen.models.base import Model
from physgen.models.configurations import BLOCK_NUMBERS, BLOCK_NUMBERS_ON_DEVICE
from physgen.models.latent.latent_laws import LatentLaw
from physgen.models.latent.site_laws import SiteLaw

__all__ = ["JointModel"]


class JointModel(Model):
    """A density of pairs (x, z); a JointDensity.  It has no ``log_prob``.

    Parameters
    ----------
    event_shape : tuple of int
        Shape of x.
    support : Support
        Of x.
    n_latent : int
        Latents: z has shape (n_latent,).
    """

    def __init__(self, event_shape: tuple[int, ...], support: Support, n_latent: int) -> None:
        super().__init__(event_shape, support)
        self.n_latent = check_positive_int("n_latent", n_latent)

    # --- what a family supplies -------------------------------------------------------------

    @abstractmethod
    def prior_law(self) -> LatentLaw:
        """Return p(z), a law with one row."""

    @abstractmethod
    def encode(self, x: torch.Tensor) -> LatentLaw:
        """Return r(z | x) of x (B, *event_shape)."""

    @abstractmethod
    def decode(self, z: torch.Tensor) -> SiteLaw:
        """Return p(x | z) of z (B, n_latent), in the units of the network."""

    @abstractmethod
    def inside(self, x: torch.Tensor) -> torch.Tensor:
        """Return x (B, *event_shape) as the law of the decoder takes it, (B, n_sites)."""

    @abstractmethod
    def outside(self, x: torch.Tensor) -> torch.Tensor:
        """Return draws of the decoder (B, n_sites) as configurations."""

    @property
    @abstractmethod
    def log_unit(self) -> float:
        """Log density of configurations less log density in the units of the network."""

    def __getattr__(self, name: str) -> Any:
        """Refuse what only a density has, and say why."""
        if name in ("log_prob", "sample_and_log_prob"):
            raise NoDensityError.of_pairs(name, self)
        return super().__getattr__(name)

    # --- densities of tensors, differentiable -----------------------------------------------

    def log_likelihood(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return log p(x | z) (..., B) of x (B, *event_shape) and z (..., B, n_latent)."""
        flat = z.reshape(-1, self.n_latent)
        x = self.inside(x).expand(*z.shape[:-1], -1).reshape(len(flat), -1)
        return self.decode(flat).log_prob(x).reshape(z.shape[:-1]) + self.log_unit

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Return log p(z) + log p(x | z), (..., B) float64."""
        return self.prior_law().log_prob(z) + self.log_likelihood(x, z)

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n pairs, differentiable in the weights where x and z are continuous."""
        z = self.prior_law().draw(n, generator)[:, 0]
        return self.outside(self.decode(z).draw(generator)), z

    # --- the public contract ----------------------------------------------------------------

    @property
    def block(self) -> int:
        """Pairs of one block of random numbers: draws do not depend on n."""
        numbers = BLOCK_NUMBERS if self.device.type == "cpu" else BLOCK_NUMBERS_ON_DEVICE
        return max(16, numbers // math.prod(self.event_shape))

    def joint_log_prob(self, x: Any, z: Any) -> Any:
        """Return log q(x, z) in nats, float64.

        Parameters
        ----------
        x : array or tensor (..., *event_shape)
        z : array or tensor (..., n_latent)

        Raises
        ------
        InputError
            If a shape is wrong, or a value of x lies outside the support.
        """
        return self._of_pairs(self, x, z)

    def posterior_log_prob(self, x: Any, z: Any) -> Any:
        """Return log r(z | x) of the encoder in nats, float64; arguments as of `joint_log_prob`.

        It is normalised in z for every x, but it is the posterior of q only in the limit of
        perfect training.
        """
        return self._of_pairs(lambda a, b: self.encode(a).log_prob(b), x, z)

    def sample(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n draws of x (n, *event_shape) and of z (n, n_latent), without gradients.

        The draws depend on `rng` alone: the first m of n draws are the m draws.
        """
        check_positive_int("n", n)
        stream, size = as_stream(rng).child("pair"), self.block
        pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.no_grad():
            for k in range(math.ceil(n / size)):
                x, z = self.draw(size, stream.at(k).torch(self.device))
                pairs.append((x.to(torch.int8) if self.support == SPINS else x, z))
        x, z = (torch.cat(parts)[:n] for parts in zip(*pairs))
        return x, z

    def posterior_sample(self, x: Any, rng: Stream | int) -> torch.Tensor:
        """Return one z ~ r(z | x) for every x (n, *event_shape), (n, n_latent)."""
        flat, stream = self._batch(x), as_stream(rng).child("posterior")
        with torch.no_grad():
            parts = [
                self.encode(self._prepared(part)).draw(1, stream.at(k).torch(self.device))[0]
                for k, part in enumerate(flat.split(self.block))
            ]
        return torch.cat(parts)

    def log_prob_bound(self, x: Any, k: int, rng: Stream | int) -> np.ndarray:
        """Return lower bounds (on average) of log q(x) of x (n, *event_shape), (n,), in nats.

        The logarithm of the mean of k importance weights, z from the encoder; see
        :func:`~physgen.validation.latent_likelihood`.
        """
        check_positive_int("k", k)
        flat, stream, size = self._batch(x), as_stream(rng).child("bound"), max(1, self.block // k)
        found: list[torch.Tensor] = []
        with torch.no_grad():
            for i, part in enumerate(flat.split(size)):
                at = self._prepared(part)
                law = self.encode(at)
                z = law.draw(k, stream.at(i).torch(self.device))
                found.append(torch.logsumexp(self(at, z) - law.log_prob(z), 0) - math.log(k))
        return torch.cat(found).cpu().numpy()

    def latents(self, x: Any) -> np.ndarray:
        """Return the means of z given x (n, *event_shape) by the encoder, (n, n_latent)."""
        with torch.no_grad():
            parts = [
                self._mean(self.encode(self._prepared(part)))
                for part in self._batch(x).split(self.block)
            ]
        return torch.cat(parts).double().cpu().numpy()

    @staticmethod
    def _mean(law: Any) -> torch.Tensor:
        return law.mean if hasattr(law, "mean") else law.base.mean

    def _of_pairs(self, function: Any, x: Any, z: Any) -> Any:
        flat = self._batch(x)
        lead = tuple(np.shape(x))[: np.ndim(x) - len(self._event_shape)]
        if tuple(np.shape(z)) != (*lead, self.n_latent):
            raise InputError(
                f"z must have shape {(*lead, self.n_latent)}, one for every x, got "
                f"{tuple(np.shape(z))}"
            )
        if isinstance(x, torch.Tensor) and torch.is_grad_enabled():
            return self._in_blocks(function, flat, z).reshape(lead).to(x.device)
        with torch.no_grad():
            found = self._in_blocks(function, flat, z)
        return like(found.reshape(lead).cpu().numpy(), x)

    def _in_blocks(self, function: Any, x: torch.Tensor, z: Any) -> torch.Tensor:
        z = torch.as_tensor(z).reshape(-1, self.n_latent).to(self.device, self.dtype)
        pairs = zip(x.split(self.block), z.split(self.block), strict=True)
        parts = [function(self._prepared(a), b) for a, b in pairs]
        return torch.cat(parts) if parts else z.new_empty(0, dtype=torch.float64)

r"""Laws of x given z: sites are independent, and a decoder gives their parameters.

A law of M configurations of N sites has ``draw(generator)`` (M, N), ``log_prob(x)`` (M,) in nats,
float64, and ``held()``.  Real fields are in units of their size.

=============  ==========================================================================
`Pairs`        :math:`\sum_{k=1}^{2K} \pi_k N(x; \mu_k, \sigma_k)`, in pairs that are mirror images
               of each other at z = 0
`Gauss`        :math:`N(x; \mu, \sigma)`, the variance learned
`Spins`        :math:`e^{hx} / 2\cosh h`, x = -1, 1
`Outcomes`     :math:`\pi_x`, x = 0..K-1
=============  ==========================================================================

A site of a field in a double well has two humps, and the posterior of z has tails that reach both:
one Gaussian a site gives weights of infinite variance, which a mixture does not.  Draws of
mixtures are differentiable by the theorem of the implicit function, with the cumulative F:
:math:`dx = -dF(x) / p(x)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch.nn.functional import logsigmoid

from physgen.models.latent.latent_laws import HALF_LOG_2PI

__all__ = ["Gauss", "Outcomes", "Pairs", "SiteLaw", "Spins", "first_constants"]

FIRST_NOISE = 0.75  # variance of a site of a fresh model given z, in units of the field
WIDEST = 0.8  # distance of its outer Gaussians, in units of that noise
LEAST_DENSITY = 1e-6  # of a draw: below it the implicit derivative would blow up


class SiteLaw(Protocol):
    """A law of configurations whose sites are independent."""

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """Return one draw a row, (M, N), differentiable in the parameters if x is continuous."""
        ...

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p (M,) float64."""
        ...

    def held(self) -> Any:
        """Return the law with parameters that gradients do not reach; those of x pass."""
        ...


@final
@dataclass(frozen=True)
class Pairs:
    """A mixture of Gaussians at every site.

    Attributes
    ----------
    log_share, centre, log_width : tensor (M, N, 2K)
    """

    log_share: torch.Tensor
    centre: torch.Tensor
    log_width: torch.Tensor

    def _each(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p of every site, (M, N)."""
        off = (x[..., None] - self.centre) * torch.exp(-self.log_width)
        return (
            torch.logsumexp(self.log_share - self.log_width - 0.5 * off * off, -1) - HALF_LOG_2PI
        )

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p (M,)."""
        return self._each(x).double().sum(-1)

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """Return one draw a row, differentiable."""
        with torch.no_grad():
            u = torch.empty_like(self.log_share).exponential_(generator=generator)
            k = (self.log_share - u.log()).argmax(-1, keepdim=True)
            e = torch.randn(k.shape, generator=generator, device=u.device, dtype=u.dtype)
            x = self.centre.gather(-1, k) + self.log_width.gather(-1, k).exp() * e
            x = x[..., 0]
        if not self.centre.requires_grad:
            return x
        with torch.no_grad():
            density = self._each(x).exp().clamp_min(LEAST_DENSITY)
        off = (x[..., None] - self.centre) * torch.exp(-self.log_width)
        F = (self.log_share.exp() * torch.special.ndtr(off)).sum(-1)
        return x - (F - F.detach()) / density

    def held(self) -> Pairs:
        """Return the law with parameters that gradients do not reach."""
        return Pairs(*(v.detach() for v in vars(self).values()))


@final
@dataclass(frozen=True)
class Gauss:
    """One Gaussian at every site.

    Attributes
    ----------
    centre, log_width : tensor (M, N)
    """

    centre: torch.Tensor
    log_width: torch.Tensor

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p (M,)."""
        off = (x - self.centre) * torch.exp(-self.log_width)
        return (-self.log_width - 0.5 * off * off - HALF_LOG_2PI).double().sum(-1)

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """Return one draw a row, differentiable."""
        e = torch.randn(self.centre.shape, generator=generator, device=generator.device,
                        dtype=self.centre.dtype)  # fmt: skip
        return self.centre + torch.exp(self.log_width) * e

    def held(self) -> Gauss:
        """Return the law with parameters that gradients do not reach."""
        return Gauss(self.centre.detach(), self.log_width.detach())


@final
@dataclass(frozen=True)
class Spins:
    """Spins -1 and 1.

    Attributes
    ----------
    field : tensor (M, N)
        h.
    """

    field: torch.Tensor

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p (M,) of floating-point spins."""
        return logsigmoid(2 * self.field * x).double().sum(-1)

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """Return one draw a row, floating-point spins."""
        with torch.no_grad():
            u = torch.rand(self.field.shape, generator=generator, device=generator.device,
                           dtype=self.field.dtype)  # fmt: skip
            return torch.where(u < torch.sigmoid(2 * self.field), 1.0, -1.0).to(self.field)

    def held(self) -> Spins:
        """Return the law with parameters that gradients do not reach."""
        return Spins(self.field.detach())


@final
@dataclass(frozen=True)
class Outcomes:
    """Outcomes 0..K-1.

    Attributes
    ----------
    log_share : tensor (M, N, K)
    """

    log_share: torch.Tensor

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p (M,) of int64 outcomes."""
        return self.log_share.gather(-1, x[..., None])[..., 0].double().sum(-1)

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """Return one draw a row, int64."""
        with torch.no_grad():
            u = torch.empty_like(self.log_share).exponential_(generator=generator)
            return (self.log_share - u.log()).argmax(-1)

    def held(self) -> Outcomes:
        """Return the law with parameters that gradients do not reach."""
        return Outcomes(self.log_share.detach())


def first_constants(pairs: int) -> torch.Tensor:
    """Return even numbers of a site, of variance FIRST_NOISE, to begin with.

    Log shares, centres and log widths of mirrored pairs, (3 * pairs,); the log width of one
    Gaussian without them, (1,).
    """
    if not pairs:
        return torch.tensor([0.5 * math.log(FIRST_NOISE)])
    at = torch.linspace(0, WIDEST, pairs + 1)[1:]
    rest = 1 - float((at * at).mean())
    width = torch.full((pairs,), 0.5 * math.log(FIRST_NOISE * rest))
    return torch.cat([torch.zeros(pairs), at * math.sqrt(FIRST_NOISE), width])

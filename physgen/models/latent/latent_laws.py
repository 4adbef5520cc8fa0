r"""Laws of latent variables z, one for every configuration of a batch: posteriors and priors.

A law holds parameters of shape (B, n) and has ``draw(k, generator)`` (k, B, n), ``log_prob(z)`` of
z (..., B, n) with shape (..., B), and ``held()``, the same law without gradients in its
parameters.  B = 1 broadcasts.  Of a normal law,

.. math:: e = \big( (z - m) \, e^{a} \big) \, R \, e^{b} \sim N(0, 1) , \qquad
          \Sigma = e^{-a} R^{-T} e^{-2b} R^{-1} e^{-a} ,

with vectors a and b that depend on x and a matrix R that does not: a diagonal covariance without
R, and one that is correlated as the field is with it.  `Cholesky` has :math:`\Sigma = L L^T` with
all of L a function of x.  Divergences from the prior N(0, 1) are

.. math:: D_{KL}(N(m, \Sigma) \| N(0, 1)) = \tfrac12 \big( \mathrm{tr}\,\Sigma + |m|^2 - n
          - \log\det\Sigma \big) ,

sums over the latents, never means.  A bit z = -1, 1 has :math:`r(z) = e^{hz} / 2\cosh h`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol, final

import torch
from torch.nn.functional import logsigmoid

__all__ = ["Bits", "Cholesky", "LatentLaw", "Normal", "standard_normal"]

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class LatentLaw(Protocol):
    """A law of z for every configuration of a batch."""

    def draw(self, k: int, generator: torch.Generator) -> torch.Tensor:
        """Return k draws (k, B, n), differentiable in the parameters if z is continuous."""
        ...

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return the normalised log density (..., B) float64 of z (..., B, n)."""
        ...

    def held(self) -> Any:
        """Return the law with parameters that gradients do not reach; those of z pass."""
        ...


@final
@dataclass(frozen=True)
class Normal:
    """A normal law.

    Attributes
    ----------
    mean, before : tensor (B, n)
        m and a.
    after : tensor (B, n) or None
        b; None without R.
    mixing : tensor (n, n) or None
        R, invertible; None: the identity.
    """

    mean: torch.Tensor
    before: torch.Tensor
    after: torch.Tensor | None = None
    mixing: torch.Tensor | None = None

    def draw(self, k: int, generator: torch.Generator) -> torch.Tensor:
        """Return k draws (k, B, n), differentiable."""
        e = _normal((k, *self.mean.shape), self.mean, generator)
        if self.mixing is not None and self.after is not None:
            e = (e * torch.exp(-self.after)) @ torch.linalg.inv(self.mixing)
        return self.mean + e * torch.exp(-self.before)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log r (..., B)."""
        e, log_scale = (z - self.mean) * torch.exp(self.before), self.before
        if self.mixing is not None and self.after is not None:
            e = (e @ self.mixing) * torch.exp(self.after)
            log_scale = self.before + self.after
        found = (log_scale - 0.5 * e * e - HALF_LOG_2PI).double().sum(-1)
        return found if self.mixing is None else found + self._log_det

    @property
    def _log_det(self) -> torch.Tensor:
        assert self.mixing is not None
        return torch.linalg.slogdet(self.mixing)[1].double()

    def variance(self) -> torch.Tensor:
        """Return the variance of every latent, (B, n)."""
        own = torch.exp(-2 * self.before)
        if self.mixing is None or self.after is None:
            return own
        return own * (torch.exp(-2 * self.after) @ torch.linalg.inv(self.mixing).square())

    def divergences(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the divergences of all marginals from N(0, 1), (B, n), and of the whole, (B,)."""
        v = self.variance().double()
        square = v + self.mean.double().square() - 1
        log_v = -2 * self.before.double()
        if self.mixing is None or self.after is None:
            each = 0.5 * (square - log_v)
            return each, each.sum(-1)
        log_det = (log_v - 2 * self.after.double()).sum(-1) - 2 * self._log_det
        return 0.5 * (square - v.log()), 0.5 * (square.sum(-1) - log_det)

    def held(self) -> Normal:
        """Return the law with parameters that gradients do not reach."""
        parts = {k: None if v is None else v.detach() for k, v in vars(self).items()}
        return replace(self, **parts)


@final
@dataclass(frozen=True)
class Cholesky:
    """A normal law with a whole covariance matrix for every configuration.

    Attributes
    ----------
    mean : tensor (B, n)
    factor : tensor (B, n, n)
        L, lower triangular with a positive diagonal.
    """

    mean: torch.Tensor
    factor: torch.Tensor

    def draw(self, k: int, generator: torch.Generator) -> torch.Tensor:
        """Return k draws (k, B, n), differentiable."""
        e = _normal((k, *self.mean.shape), self.mean, generator)
        return self.mean + torch.einsum("bij,kbj->kbi", self.factor, e)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log r (..., B)."""
        off = (z - self.mean)[..., None]
        factor = self.factor.expand(*off.shape[:-2], *self.factor.shape[-2:])
        e = torch.linalg.solve_triangular(factor, off, upper=False)[..., 0]
        return (-0.5 * e * e - HALF_LOG_2PI).double().sum(-1) - self._log_det

    @property
    def _log_det(self) -> torch.Tensor:
        return self.factor.diagonal(dim1=-2, dim2=-1).double().log().sum(-1)

    def variance(self) -> torch.Tensor:
        """Return the variance of every latent, (B, n)."""
        return self.factor.square().sum(-1)

    def divergences(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the divergences of all marginals from N(0, 1), (B, n), and of the whole, (B,)."""
        v = self.variance().double()
        square = v + self.mean.double().square() - 1
        return 0.5 * (square - v.log()), 0.5 * square.sum(-1) - self._log_det

    def held(self) -> Cholesky:
        """Return the law with parameters that gradients do not reach."""
        return Cholesky(self.mean.detach(), self.factor.detach())


@final
@dataclass(frozen=True)
class Bits:
    """Independent latents -1 and 1.

    Attributes
    ----------
    field : tensor (B, n)
        h.
    """

    field: torch.Tensor

    def draw(self, k: int, generator: torch.Generator) -> torch.Tensor:
        """Return k draws (k, B, n), without gradients."""
        with torch.no_grad():
            u = torch.rand((k, *self.field.shape), generator=generator,
                           device=generator.device, dtype=self.field.dtype)  # fmt: skip
            return torch.where(u < torch.sigmoid(2 * self.field), 1.0, -1.0).to(self.field)

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log r (..., B)."""
        return logsigmoid(2 * self.field * z).double().sum(-1)

    @property
    def mean(self) -> torch.Tensor:
        """Mean of every latent, (B, n)."""
        return torch.tanh(self.field)

    def divergences_from(self, prior: Bits) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the divergences of all latents from their prior, (B, n), and their sum, (B,)."""
        up, each = torch.sigmoid(2 * self.field).double(), 0.0
        for sign, share in ((1, up), (-1, 1 - up)):
            own, other = (logsigmoid(2 * sign * law.field).double() for law in (self, prior))
            each = each + share * (own - other)
        assert isinstance(each, torch.Tensor)
        return each, each.sum(-1)

    def held(self) -> Bits:
        """Return the law with parameters that gradients do not reach."""
        return Bits(self.field.detach())


def standard_normal(n: int, like: torch.Tensor) -> Normal:
    """Return N(0, 1) of n latents, of the type and on the device of a tensor."""
    zero = like.new_zeros(1, n)
    return Normal(zero, zero)


def _normal(
    shape: tuple[int, ...], like: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype)

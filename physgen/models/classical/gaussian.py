r"""The normal density of the largest likelihood, in closed form.

.. math:: \log q(x) = -\tfrac12 (x - \mu)^T \Sigma^{-1} (x - \mu) - \tfrac12 \log\det(2\pi\Sigma),
          \qquad \mu = \frac1m \sum_s x_s, \quad
          \Sigma = \frac1m \sum_s (x_s - \mu)(x_s - \mu)^T ,

with m and not m - 1.  It is exact for a free field, and of the normal densities the closest to any
p in :math:`D_{KL}(p \| q)`.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.classical.base import FieldEstimate, lower, raised, whitened
from physgen.models.configurations import normal

__all__ = ["GaussianDensity"]


@final
class GaussianDensity(FieldEstimate):
    """A normal density with any mean and covariance.

    Parameters
    ----------
    shape : sequence of int
        Shape of a configuration.
    rng : Stream or int
        Not used: a fresh density is the standard normal one.
    """

    def __init__(self, shape: Any, *, rng: Stream | int = 0) -> None:
        del rng
        super().__init__(shape)
        self.mean = nn.Parameter(torch.zeros(self.n))
        self.factor = nn.Parameter(torch.zeros(self.n, self.n))

    def _estimate(self, x: np.ndarray, rng: Stream) -> None:
        if len(x) <= self.n:
            raise InputError(
                f"a normal density of {self.n} numbers needs more than {self.n} configurations, "
                f"got {len(x)}; give more, or take 'factor-analysis'"
            )
        self.mean.copy_(torch.from_numpy(x.mean(0)))
        away = x - x.mean(0)
        self.factor.copy_(raised(away.T @ away / len(x), "configurations"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and fields."""
        return whitened(x.flatten(1), self.mean, lower(self.factor))

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, differentiable in the weights."""
        eps, _ = normal(n, (self.n,), generator, self.dtype)
        x = self.mean + eps @ lower(self.factor).to(self.dtype).t()
        x = x.reshape(n, *self.event_shape)
        return x, self(x)

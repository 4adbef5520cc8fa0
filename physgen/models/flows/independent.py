r"""A Gaussian field of independent sites of one learned width: a base without translations.

.. math:: z = e^{\ell} \epsilon , \qquad \epsilon \sim N(0, 1) , \qquad
          \log r(z) = -\tfrac12 |\epsilon|^2 - \tfrac{n}{2} \log 2\pi - n \ell .
"""

from __future__ import annotations

import math

import torch
from torch import nn

from physgen.models.configurations import normal, normal_log_prob

__all__ = ["IndependentGaussian"]


class IndependentGaussian(nn.Module):
    """A centred Gaussian of n independent sites.

    Parameters
    ----------
    n : int
    scale : float
        Standard deviation to begin with.
    """

    def __init__(self, n: int, scale: float) -> None:
        super().__init__()
        self.n = n
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def draw(
        self, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return draws z (n, n_sites), their log r and the score d log r / dz."""
        eps, log_r = normal(n, (self.n,), generator, self.log_scale.dtype)
        z, score = eps * torch.exp(self.log_scale), -eps * torch.exp(-self.log_scale)
        return z, log_r - self.n * self.log_scale.double(), score

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log r (B,) float64."""
        return normal_log_prob(z * torch.exp(-self.log_scale)) - self.n * self.log_scale.double()

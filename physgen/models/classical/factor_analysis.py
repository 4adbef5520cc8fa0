r"""Factor analysis: a normal density whose correlations come from a few latent numbers.

.. math:: x = \mu + W z + \epsilon, \quad z \sim N(0, 1_k), \quad
          \epsilon \sim N(0, \mathrm{diag}\,\psi), \qquad
          q = N(\mu, \; W W^T + \mathrm{diag}\,\psi) ,

estimated by scikit-learn.  With one psi for all sites it would be probabilistic principal
components.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.classical.base import FieldEstimate, converged, whitened
from physgen.models.configurations import normal

__all__ = ["FactorAnalysis"]


@final
class FactorAnalysis(FieldEstimate):
    """A normal density with a covariance of low rank and a diagonal.

    Parameters
    ----------
    shape : sequence of int
        Shape of a configuration of n numbers.
    n_factors : int
        Latent numbers k, 1 <= k < n.
    tolerance : float
        The solver stops where the likelihood of a configuration rises by less, > 0.
    max_iter : int
        Most steps of the solver; one that needs more is refused.
    rng : Stream or int
        Not used: a fresh density is the standard normal one.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    def __init__(
        self,
        shape: Any,
        n_factors: int = 2,
        tolerance: float = 1e-6,
        max_iter: int = 10_000,
        *,
        rng: Stream | int = 0,
    ) -> None:
        del rng
        super().__init__(shape)
        self.n_factors = check_positive_int("n_factors", n_factors)
        if n_factors >= self.n:
            raise InputError(
                f"n_factors must be fewer than the {self.n} numbers of a configuration, got "
                f"{n_factors}; take 'gaussian' for any covariance"
            )
        self.tolerance = check_positive("tolerance", tolerance)
        self.max_iter = check_positive_int("max_iter", max_iter)
        self.mean = nn.Parameter(torch.zeros(self.n))
        self.loadings = nn.Parameter(torch.zeros(self.n, self.n_factors))
        self.log_noise = nn.Parameter(torch.zeros(self.n))  # of psi, a variance

    def _estimate(self, x: np.ndarray, rng: Stream) -> None:
        from sklearn.decomposition import FactorAnalysis as Solver

        if not (x.std(0) > 0).all():
            raise InputError(
                "factor analysis needs sites that vary, got site "
                f"{int(np.argmin(x.std(0)))} constant; leave it out"
            )
        with converged("factor analysis"):
            found: Any = Solver(
                self.n_factors, tol=self.tolerance, max_iter=self.max_iter, svd_method="lapack"
            ).fit(x)
        self.mean.copy_(torch.from_numpy(found.mean_))
        self.loadings.copy_(torch.from_numpy(found.components_.T.copy()))
        self.log_noise.copy_(torch.from_numpy(np.log(found.noise_variance_)))

    def _triangle(self) -> torch.Tensor:
        W = self.loadings.double()
        return torch.linalg.cholesky(W @ W.t() + torch.diag(self.log_noise.double().exp()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and fields."""
        return whitened(x.flatten(1), self.mean, self._triangle())

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, differentiable in the weights."""
        eps, _ = normal(n, (self.n,), generator, self.dtype)
        x = self.mean + eps @ self._triangle().to(self.dtype).t()
        x = x.reshape(n, *self.event_shape)
        return x, self(x)

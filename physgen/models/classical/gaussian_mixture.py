r"""Mixtures of normal densities by expectation maximisation.

.. math:: q(x) = \sum_{k=1}^K w_k \, N(x; \mu_k, \Sigma_k), \qquad
          r_k(x) = \frac{w_k N(x; \mu_k, \Sigma_k)}{q(x)} ,

with the responsibilities r of the components.  scikit-learn alternates r and the moments that they
weigh; the likelihood never falls, and a run that has not settled is refused.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.classical.base import FieldEstimate, converged, lower, raised, whitened
from physgen.models.configurations import normal

__all__ = ["GaussianMixture"]


@final
class GaussianMixture(FieldEstimate):
    """A mixture of normal densities with any covariances.

    Parameters
    ----------
    shape : sequence of int
        Shape of a configuration.
    n_components : int
        K.
    n_starts : int
        Starts of the solver; the best end counts.
    tolerance : float
        The solver stops where the likelihood of a configuration rises by less, > 0.
    max_iter : int
        Most steps of the solver; one that needs more is refused.
    rng : Stream or int
        Means of a fresh density, which is not meant for use.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    def __init__(
        self,
        shape: Any,
        n_components: int = 2,
        n_starts: int = 3,
        tolerance: float = 1e-5,
        max_iter: int = 1000,
        *,
        rng: Stream | int = 0,
    ) -> None:
        del rng
        super().__init__(shape)
        K = self.n_components = check_positive_int("n_components", n_components)
        self.n_starts = check_positive_int("n_starts", n_starts)
        self.tolerance = check_positive("tolerance", tolerance)
        self.max_iter = check_positive_int("max_iter", max_iter)
        self.logits = nn.Parameter(torch.zeros(K))
        self.means = nn.Parameter(torch.linspace(-1, 1, K)[:, None].repeat(1, self.n))
        self.factors = nn.Parameter(torch.zeros(K, self.n, self.n))

    def _estimate(self, x: np.ndarray, rng: Stream) -> None:
        from sklearn.mixture import GaussianMixture as Solver

        least = self.n_components * (self.n + 1)
        if len(x) < least:
            raise InputError(
                f"{self.n_components} components of {self.n} numbers need at least {least} "
                f"configurations, got {len(x)}; give more, or take fewer components"
            )
        scale = x.std()
        if not scale > 0:
            raise InputError("configurations must vary, got equal numbers; check the data")
        with converged("expectation maximisation"):
            found: Any = Solver(
                self.n_components,
                n_init=self.n_starts,
                tol=self.tolerance,
                max_iter=self.max_iter,
                reg_covar=1e-9,
                random_state=int(rng.child("starts").numpy().integers(2**31)),
            ).fit(x / scale)
        self.logits.copy_(torch.from_numpy(np.log(found.weights_)))
        self.means.copy_(torch.from_numpy(scale * found.means_))
        for k, covariance in enumerate(found.covariances_):
            self.factors[k].copy_(raised(scale**2 * covariance, f"component {k}"))

    def responsibilities(self, x: Any) -> Any:
        """Return r (..., K) of configurations (..., *event_shape), without gradients."""
        flat = self._prepared(self._batch(x))
        with torch.no_grad():
            r = torch.softmax(self._joint(flat), 1)
        lead = np.shape(x)[: np.ndim(x) - len(self.event_shape)]
        return like(r.cpu().numpy().reshape(*lead, self.n_components), x)

    def _joint(self, x: torch.Tensor) -> torch.Tensor:
        """Return log w_k N_k (B, K)."""
        flat, C = x.flatten(1), lower(self.factors)
        each = [whitened(flat, m, c) for m, c in zip(self.means, C)]
        return torch.log_softmax(self.logits.double(), 0) + torch.stack(each, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and fields."""
        return torch.logsumexp(self._joint(x), 1)

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields, without gradients, and their log q, differentiable in the weights."""
        with torch.no_grad():
            k = torch.multinomial(self.logits.exp(), n, replacement=True, generator=generator)
            eps, _ = normal(n, (self.n,), generator, self.dtype)
            spread = lower(self.factors).to(self.dtype)[k] @ eps.unsqueeze(-1)
            x = (self.means[k] + spread.squeeze(-1)).reshape(n, *self.event_shape)
        return x, self(x)

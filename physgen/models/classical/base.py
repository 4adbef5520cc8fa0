r"""What classical densities of fields share: weights of the largest likelihood, and covariances.

A classical density is *estimated*: a formula or a solver of its own sets its weights from
configurations (:class:`~physgen.core.learning.Estimable`), and :func:`physgen.fit` takes no steps.
Covariances are products of lower triangles with positive diagonals,

.. math:: \Sigma = C C^T, \qquad C_{ij} = A_{ij} \; (i > j), \qquad C_{ii} = e^{A_{ii}} .
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import ConfigurationModel
from physgen.targets.even import EvenTarget

__all__ = ["FieldEstimate", "converged", "lower", "raised", "whitened"]


class FieldEstimate(ConfigurationModel):
    """A density of n real numbers that is estimated from configurations."""

    def __init__(self, shape: Any) -> None:
        super().__init__(tuple(shape), REALS)
        self.shape, self.n = self.event_shape, math.prod(self.event_shape)

    @abstractmethod
    def _estimate(self, x: np.ndarray, rng: Stream) -> None:
        """Set the weights from numbers (m, n) float64."""

    def estimate(self, x: Any, rng: Stream) -> None:
        """Set the weights to those of the largest likelihood.

        Parameters
        ----------
        x : array (m, *event_shape)
        rng : Stream
            Of solvers that start at random.

        Raises
        ------
        InputError
            If the configurations do not determine the weights, or a solver does not converge.
        """
        flat = np.asarray(x, dtype=np.float64).reshape(-1, self.n)
        if not np.isfinite(flat).all():
            raise InputError("configurations must be finite numbers, got NaN or infinity")
        with torch.no_grad():
            self._estimate(flat, rng)

    @staticmethod
    def can_halve(lattice: Hypercubic) -> bool:
        """Return False: configurations are described as they are."""
        del lattice
        return False

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the shape of a source of real fields."""
        del even, options, rng
        if target.support != REALS:
            raise InputError(f"{cls.__name__} needs real fields, got {target!r}")
        return {"shape": tuple(target.event_shape)}


def lower(raw: torch.Tensor) -> torch.Tensor:
    """Return the triangles C (..., n, n) float64 of raw numbers A."""
    a = raw.double()
    return torch.tril(a, -1) + torch.diag_embed(torch.diagonal(a, dim1=-2, dim2=-1).exp())


def raised(covariance: np.ndarray, what: str) -> torch.Tensor:
    """Return the raw numbers A of a covariance (n, n).

    Raises
    ------
    InputError
        If it is singular.
    """
    size = np.linalg.eigvalsh(covariance)
    if not size[0] > 1e-12 * size[-1]:
        raise InputError(
            f"{what} must have a covariance of full rank, got eigenvalues from {size[0]:.2g} to "
            f"{size[-1]:.2g}; give more configurations, or none that repeat or are constant"
        )
    C = torch.from_numpy(np.linalg.cholesky(covariance))
    return torch.tril(C, -1) + torch.diag_embed(torch.diagonal(C).log())


def whitened(x: torch.Tensor, mean: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
    """Return log N(x; mean, C C^T) (B,) float64 of x (B, n)."""
    z = torch.linalg.solve_triangular(C, (x.double() - mean.double()).t(), upper=False)
    log_det = torch.diagonal(C).log().sum()
    return -0.5 * (z * z).sum(0) - log_det - 0.5 * len(C) * math.log(2 * math.pi)


@contextmanager
def converged(what: str) -> Iterator[None]:
    """Refuse what a solver of scikit-learn returns with a warning that it did not converge."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as error:
            raise InputError(
                f"{what} must converge, and stopped early: {error} Raise max_iter, or take fewer "
                "components"
            ) from error
        except ValueError as error:
            raise InputError(f"{what}: {error}") from error

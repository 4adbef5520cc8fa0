r"""Kernel densities: a normal bump on every configuration.

.. math:: q_h(x) = \frac1m \sum_s N(x; x_s, h^2 1), \qquad
          h = \arg\max_h \sum_s \log \frac{1}{m - 1} \sum_{t \ne s} N(x_s; x_t, h^2 1) ,

with the bandwidth of the largest leave-one-out likelihood.  For a relative error of 10 % at the
centre of a normal density in d dimensions 4, 67, 768, 10,700 and 842,000 points are needed for
d = 1, 3, 5, 7 and 10 (Silverman 1986, table 4.2), so more than 8 numbers are refused.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.classical.base import FieldEstimate
from physgen.models.configurations import normal

__all__ = ["KernelDensity"]

MAX_DIMENSIONS = 8
_DISTANCES = 2**19  # numbers at once
_NARROWEST = 1e-4  # of the standard deviation: the likelihood has no maximum


@final
class KernelDensity(FieldEstimate):
    """A normal bump on every configuration.

    Parameters
    ----------
    shape : sequence of int
        Shape of a configuration of at most 8 numbers.
    bandwidth : float, optional
        h > 0, in units of the fields; by default of the largest leave-one-out likelihood.
    n_points : int
        At most this many configurations carry a bump, chosen at random, >= 2.
    rng : Stream or int
        Not used: a fresh density is one bump at 0.

    Raises
    ------
    InputError
        If a number is out of range, or a configuration has more than 8 numbers.
    """

    points: torch.Tensor
    used: torch.Tensor

    def __init__(
        self,
        shape: Any,
        bandwidth: float | None = None,
        n_points: int = 2000,
        *,
        rng: Stream | int = 0,
    ) -> None:
        del rng
        super().__init__(shape)
        if self.n > MAX_DIMENSIONS:
            raise InputError(
                f"a kernel density takes at most {MAX_DIMENSIONS} numbers, got {self.n}: in 10 "
                "dimensions 10 % at the centre of a normal density need 842,000 points; take "
                "'gaussian-mixture', or a network"
            )
        self.bandwidth = None if bandwidth is None else check_positive("bandwidth", bandwidth)
        self.n_points = check_positive_int("n_points", n_points, 2)
        self.register_buffer("points", torch.zeros(self.n_points, self.n))
        self.register_buffer("used", torch.tensor(1))
        self.log_h = nn.Parameter(torch.tensor(math.log(bandwidth or 1.0)))

    @property
    def block(self) -> int:
        """Configurations whose distances to all points are computed at once."""
        return max(16, _DISTANCES // (self.n_points * self.n))

    def _estimate(self, x: np.ndarray, rng: Stream) -> None:
        chosen = rng.child("points").numpy().permutation(len(x))[: self.n_points]
        kept = x[np.sort(chosen)]
        if len(kept) < 2:
            raise InputError(f"a kernel density needs at least 2 configurations, got {len(kept)}")
        self.points.zero_()
        self.points[: len(kept)] = torch.from_numpy(kept)
        self.used.fill_(len(kept))
        self.log_h.fill_(math.log(self.bandwidth or _cross_validated(kept)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in the bandwidth and in fields."""
        points = self.points[: int(self.used)].double()
        y, h = x.flatten(1).double(), self.log_h.double().exp()
        squares = (y.unsqueeze(1) - points).square().sum(-1)
        bumps = torch.logsumexp(-0.5 * squares / (h * h), 1)
        return bumps - math.log(len(points)) - self.n * (h.log() + 0.5 * math.log(2 * math.pi))

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields, without gradients, and their log q."""
        m = int(self.used)
        with torch.no_grad():
            k = torch.randint(m, (n,), generator=generator, device=generator.device)
            eps, _ = normal(n, (self.n,), generator, self.dtype)
            x = (self.points[k] + self.log_h.exp() * eps).reshape(n, *self.event_shape)
        return x, self(x)


def _cross_validated(x: np.ndarray) -> float:
    """Return the bandwidth of the largest leave-one-out likelihood."""
    from scipy.optimize import minimize_scalar
    from scipy.spatial.distance import pdist, squareform
    from scipy.special import logsumexp

    n = x.shape[1]
    squares = squareform(pdist(x, "sqeuclidean"))
    np.fill_diagonal(squares, np.inf)
    width = float(x.std(0).max())
    nearest = squares.min(1)
    if not width > 0 or np.median(nearest) <= (_NARROWEST * width) ** 2:
        raise InputError(
            "a bandwidth needs configurations that differ, got at least half of them repeated; "
            "thin the chain, or give bandwidth"
        )

    def loss(log_h: float) -> float:
        bumps: Any = logsumexp(-0.5 * squares * math.exp(-2 * log_h), axis=1)
        return float(-bumps.mean() + n * log_h)

    found: Any = minimize_scalar(
        loss, bounds=(math.log(_NARROWEST * width), math.log(10 * width)), method="bounded",
        options={"xatol": 1e-4},
    )  # fmt: skip
    if not found.success:
        raise InputError(f"the bandwidth must converge, and did not: {found.message}")
    return math.exp(float(found.x))

r"""Networks that act on sites, between the scaled modes of a score model.

.. math:: y \mapsto r \, E^T f\big( E \, q \, y , \tau \big) , \qquad
          \nabla \cdot = \operatorname{tr} J_f M , \quad M = E \,\mathrm{diag}(q r) \, E^T ,

with the waves E of the sites and a function f of fields of sites.  All but the filters of
:mod:`physgen.models.diffusion.network` are of this kind.  Layers are mixtures of M layers with the
weights of the time, and have no bias where f is odd.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.errors import InputError
from physgen.models.configurations import as_tensor
from physgen.models.diffusion.divergence import full_trace
from physgen.models.diffusion.field import Field
from physgen.models.diffusion.filters import Filters

__all__ = ["SpaceNet", "mixture"]


class SpaceNet(nn.Module, ABC):
    """A function of fields of sites, as a network of a score model.

    Parameters
    ----------
    filters : Filters
        Their waves.
    """

    kind: str  # the name in configs
    most_sites: int  # up to which the full trace is affordable
    modes: torch.Tensor

    def __init__(self, filters: Filters) -> None:
        super().__init__()
        self.n, self._all = filters.n, filters
        self.register_buffer("modes", as_tensor(filters.modes), persistent=False)

    @property
    @abstractmethod
    def passes(self) -> int:
        """Fields in the memory that a divergence of one field takes."""

    @abstractmethod
    def values(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return f (B, n) of fields x (B, n); weights (B, M), or (1, M) for all of them."""

    @abstractmethod
    def carry_over(self, other: Any) -> None:
        """Take the weights of a network of the same kind on another lattice."""

    def forward(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return N (B, n) in modes, of modes x (B, n) at times of their own: weights (B, M)."""
        return self.values(x @ self.modes.t(), weights) @ self.modes

    def check_divergence(self, divergence: str) -> None:
        """Raise InputError unless the network has this way to its divergence."""
        if divergence == "coloured":
            raise InputError(
                f"coloured probes need a local network, got {self.kind!r}, where every site "
                "depends on every other; take net = 'local', or divergence 'full'"
            )

    def fields(
        self,
        weights: torch.Tensor,
        scale_in: torch.Tensor,
        scale_out: torch.Tensor,
        divergence: str = "exact",
    ) -> list[Field]:
        """Return the fields at S times: weights (S, M), q and r (S, n).

        Raises
        ------
        InputError
            When a divergence is asked for of more sites than passes can be afforded.
        """
        self.check_divergence(divergence)
        rows = zip(weights.split(1), scale_in, scale_out, strict=True)
        return [self._field(*row, divergence) for row in rows]

    def _field(
        self, weights: torch.Tensor, q: torch.Tensor, r: torch.Tensor, divergence: str
    ) -> Field:
        del divergence

        def value(y: torch.Tensor) -> torch.Tensor:
            return (self.values((y * q) @ self.modes.t(), weights) @ self.modes) * r

        def both(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            if self.n > self.most_sites:
                raise InputError(
                    f"the density of a {self.kind!r} score network takes n passes for its full "
                    f"trace and has at most {self.most_sites} sites, got {self.n}; take net = "
                    "'local' or 'filters', or draw without a density: diffuse(n, rng)"
                )
            return full_trace(value, y)

        return Field(value, both)


def mixture(kept: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return layers (B, ...) at their times from (M, ...) and weights (B, M)."""
    return (weights @ kept.flatten(1)).view(len(weights), *kept.shape[1:])


def first(draw: np.random.Generator, times: int, *shape: int, size: float) -> nn.Parameter:
    """Return a layer (times, *shape) to begin with: nearly the same at all times."""
    one = draw.normal(size=shape) + 0.1 * draw.normal(size=(times, *shape))
    return nn.Parameter(as_tensor(size * one))

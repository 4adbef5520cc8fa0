r"""The empirical distribution: what was seen, as often as it was seen.

.. math:: q(s) = \frac{1}{m} \, \#\{t : s_t = s\}

has the largest likelihood of all, and knows nothing else: held-out configurations that were not
seen have :math:`\log q = -\infty`.  Of real numbers it is no density, so it is one of spins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import ConfigurationModel
from physgen.targets.even import EvenTarget

__all__ = ["EmpiricalDistribution"]


@final
class EmpiricalDistribution(ConfigurationModel):
    """The frequencies of configurations of spins.

    Parameters
    ----------
    shape : sequence of int
        Shape of a configuration.
    n_points : int
        Most different configurations that can be stored.
    rng : Stream or int
        Not used: a fresh distribution has seen nothing but spins up.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    seen: torch.Tensor

    def __init__(self, shape: Any, n_points: int = 20_000, *, rng: Stream | int = 0) -> None:
        del rng
        super().__init__(tuple(shape), SPINS)
        self.shape, self.n_points = self.event_shape, check_positive_int("n_points", n_points)
        n = math.prod(self.event_shape)
        self.register_buffer("seen", torch.ones(self.n_points, n, dtype=torch.int8))
        # A weight of its own type and device for all that asks a model for both.
        share = torch.zeros(self.n_points)
        share[0] = 1.0
        self.share = nn.Parameter(share, requires_grad=False)

    @staticmethod
    def can_halve(lattice: Hypercubic) -> bool:
        """Return False: configurations are stored as they are."""
        del lattice
        return False

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the shape of a source of spins."""
        del even, options, rng
        if target.support != SPINS:
            raise InputError(f"{cls.__name__} needs spins, got {target!r}")
        return {"shape": tuple(target.event_shape)}

    def estimate(self, x: Any, rng: Stream) -> None:
        """Set the frequencies to those of spins (m, *event_shape).

        Raises
        ------
        InputError
            If more different configurations were seen than can be stored.
        """
        del rng
        flat = np.asarray(x, dtype=np.int8).reshape(len(x), -1)
        rows, counts = np.unique(flat, axis=0, return_counts=True)
        if len(rows) > self.n_points:
            raise InputError(
                f"n_points must be at least the {len(rows)} different configurations seen, got "
                f"{self.n_points}"
            )
        with torch.no_grad():
            self.seen[: len(rows)] = torch.from_numpy(rows)
            self.share.zero_()
            self.share[: len(rows)] = torch.from_numpy(counts / len(flat))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of spins (B, *event_shape); -inf of those not seen."""
        n = int((self.share > 0).sum())
        stored = {row.tobytes(): k for k, row in enumerate(_codes(self.seen[:n]))}
        at = [stored.get(row.tobytes(), n) for row in _codes(x.flatten(1))]
        shares = torch.cat([self.share[:n].double(), self.share.new_zeros(1).double()])
        return shares[torch.tensor(at, device=self.device)].log()

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spins (n, *event_shape), floating, and log q."""
        shares = self.share.double()
        k = torch.multinomial(shares, n, replacement=True, generator=generator)
        return self.seen[k].to(self.dtype).reshape(n, *self.event_shape), shares[k].log()


def _codes(spins: torch.Tensor) -> np.ndarray:
    """Return rows of bits of spins (B, n)."""
    return np.packbits(to_numpy(spins) > 0, axis=1)

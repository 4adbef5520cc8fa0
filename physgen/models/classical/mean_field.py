r"""Mean field: spins without correlations.

.. math:: \log q(s) = -\sum_x \log\big(1 + e^{-2 s_x b_x}\big), \qquad
          m_x = \langle s_x \rangle_q = \tanh b_x .

By reverse divergence from an action it is the variational mean field,

.. math:: F_q = \langle S \rangle_q + \langle \log q \rangle_q \ge F, \qquad
          b_x = -\frac{\partial \langle S \rangle_q}{\partial m_x} ,

whose F_q is above the free energy; by likelihood from configurations, :math:`m_x` is the mean of a
spin.  Below the temperature where mean field orders it takes one of two signs; ``mixture = true``
gives both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.protocols import SPINS
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import as_tensor
from physgen.models.geometry import Geometry, LatticeModel
from physgen.targets.even import EvenTarget

__all__ = ["MeanField"]


@final
class MeanField(LatticeModel):
    """Independent spins with a field each.

    Parameters
    ----------
    shape : sequence of int
        Extents of a lattice.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Spins live on the even sublattice, in the order of ``lattice.split``.
    rng : Stream or int
        First fields, normal with standard deviation 0.01: without them a symmetric action would
        leave all of them at 0.
    """

    odd = False

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(Geometry.of(shape, boundary, halved), SPINS)
        first = as_stream(rng).child("fields").numpy().normal(size=self.geometry.n)
        self.b = nn.Parameter(as_tensor(0.01 * first))

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the lattice of a target of spins."""
        del options, rng
        known = cls._lattice_arguments(target, even, SPINS)
        return {k: v for k, v in known.items() if k != "odd"}

    def estimate(self, x: Any, rng: Stream) -> None:
        """Set the fields to those of the largest likelihood of spins (m, *event_shape).

        A spin that never turned would have an infinite field: it is taken to have turned in half
        a configuration.
        """
        del rng
        s = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
        edge = 1 - 1 / len(s)
        with torch.no_grad():
            self.b.copy_(torch.from_numpy(np.arctanh(np.clip(s.mean(0), -edge, edge))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of spins (B, *event_shape), differentiable in the fields."""
        return nn.functional.logsigmoid(2 * x.flatten(1) * self.b).double().sum(1)

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spins (n, *event_shape), floating, and log q, differentiable in the fields."""
        with torch.no_grad():
            u = torch.rand(
                n, len(self.b), generator=generator, dtype=self.dtype, device=self.device
            )
            s = torch.where(u < torch.sigmoid(2 * self.b), 1.0, -1.0).to(self.dtype)
            x = s.reshape(n, *self.event_shape)
        return x, self(x)

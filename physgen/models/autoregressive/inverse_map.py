r"""The draws of an autoregressive model as a map of uniform numbers (Knothe-Rosenblatt).

.. math:: x_i = F_i^{-1}(u_i \mid x_1, \dots, x_{i-1}), \qquad u_i \in (0, 1) ,

with the conditional distribution functions :math:`F_i` in the order in which the model draws its
sites, and :math:`F^{-1}(u) = \min \{x : F(x) \ge u\}`.  Equal numbers give equal draws: of one
model they replay a sample, of two models they are common random numbers, whose differences have
little noise.  Every :math:`x_i` grows with :math:`u_i`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch

from physgen.core.errors import InputError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.models.base import DensityModel

__all__ = ["Triangular"]


class Triangular(DensityModel):
    """A density whose draws are a map of one uniform number for each site."""

    @property
    def uniform_shape(self) -> tuple[int, ...]:
        """Shape of the uniform numbers of one draw: those of site i stand where site i does."""
        return self.event_shape

    @abstractmethod
    def _inverted(self, u: torch.Tensor) -> torch.Tensor:
        """Return configurations (B, *event_shape) of uniform numbers (B, n_sites) float64."""

    def sample(
        self, n: int | None = None, rng: Stream | int | None = None, *, u: Any = None
    ) -> torch.Tensor:
        """Return draws: n of a stream, or those of given uniform numbers.

        Parameters
        ----------
        n : int
        rng : Stream or int
            The first m of n draws are the m draws.
        u : array or tensor (n, *uniform_shape), optional
            Numbers in (0, 1), instead of both.  Equal numbers give equal draws, up to the rounding
            of batches of different sizes.

        Returns
        -------
        tensor (n, *event_shape) on the model's device

        Raises
        ------
        InputError
            If neither or both are given, or `u` has another shape or other numbers.
        """
        if u is None:
            if n is None or rng is None:
                raise InputError("sample needs n and rng, or u; give sample(1000, rng=1)")
            return super().sample(n, rng)
        if n is not None or rng is not None:
            raise InputError("sample takes n and rng, or u, got both; leave out n and rng")
        numbers = torch.as_tensor(u).detach().to(self.device, torch.float64)
        shape = self.uniform_shape
        if tuple(numbers.shape[1:]) != shape or numbers.ndim != len(shape) + 1:
            text = ", ".join(map(str, shape))
            raise InputError(f"u must have shape (n, {text}), got {tuple(numbers.shape)}")
        if not bool(((numbers > 0) & (numbers < 1)).all()):
            raise InputError(
                "u must hold numbers between 0 and 1, both left out, got others; "
                "numpy's random() may return 0: take 1 - random()"
            )
        if len(numbers) == 0:
            raise InputError("u must hold the numbers of at least 1 draw, got 0")
        with torch.no_grad():
            parts = [self._inverted(part) for part in numbers.flatten(1).split(self.block)]
        x = torch.cat(parts)
        return x.to(torch.int8) if self.support == SPINS else x

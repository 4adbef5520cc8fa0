r"""Autoregressive spins one by one, in raster order.

.. math:: \log q(s) = \sum_{i=0}^{n-1} \log \sigma(2 s_i b_i), \qquad
          b_i = b_i(s_0, \dots, s_{i-1}),

with :math:`\sigma(x) = 1 / (1 + e^{-x})`: b is the effective field on a single spin (Wu, Wang and
Zhang, PRL 122, 080602 (2019)).  To impose q(-s) = q(s), the net sees the spins relative to the
first one,

.. math:: t_i = s_i s_0, \qquad
          \log q(s) = -\log 2 + \sum_{i=1}^{n-1} \log \sigma(2 t_i b_i(1, t_1, \dots, t_{i-1})),

which is the same for s and -s (to the last bit at the same place of a batch); a draw is z t with a
fair random sign z.

A family supplies the fields of all sites at once, for scores and gradients, and a walk that keeps
what it computed for earlier sites, so a draw of n sites costs n steps and not n passes.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from physgen.core.errors import InputError
from physgen.models.autoregressive.inverse_map import Triangular
from physgen.models.autoregressive.spins import SpinModel
from physgen.models.geometry import Geometry

__all__ = ["RasterNet", "Step"]

Step = Callable[[int, torch.Tensor], torch.Tensor]


class RasterNet(Triangular, SpinModel):
    """A model of spins that are drawn one after another in the order of the sites.

    Parameters
    ----------
    shape : sequence of int
        Extents of a lattice of at least two sites.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Spins live on the even sublattice, with sites in the order of ``lattice.split``.
    odd : bool
        q(-s) = q(s), exactly.

    Raises
    ------
    InputError
        If the lattice has fewer than two sites to draw, or no even sublattice.
    """

    def __init__(self, shape: Any, boundary: Any, halved: bool, odd: bool) -> None:
        geometry = Geometry.of(shape, boundary, halved)
        if (n := geometry.n) < 2:
            raise InputError(
                f"spins in raster order must be at least 2, got {n} in {geometry.lattice}"
            )
        super().__init__(geometry, odd)
        self.n = n

    # --- what a family supplies -----------------------------------------------------------

    @abstractmethod
    def _fields(self, t: torch.Tensor) -> torch.Tensor:
        """Return b (B, n) of spins t (B, n): at site i it depends on the spins before i only."""

    @abstractmethod
    def _walk(self, B: int) -> Step:
        """Return step(i, previous) -> b_i (B,), to be called for i = 0, 1, ...

        ``previous`` (B,) holds the spins of site i - 1, or zeros at the first site.  A walk
        updates its state in place, so it has no gradient.
        """

    # --- the density ----------------------------------------------------------------------

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the sites in raster order.

        On the even sublattice, row r holds the columns r mod 2, r mod 2 + 2, ... of the lattice.

        Raises
        ------
        InputError
            If the lattice is not two-dimensional, or rows of its even sublattice differ in length.
        """
        shape = self.lattice.shape
        if len(shape) != 2:
            raise InputError(f"a net of rows and columns needs a lattice of 2 axes, got {shape}")
        if not self.halved:
            return shape[0], shape[1]
        if shape[1] % 2:
            raise InputError(
                f"rows of the even sublattice must be equally long, got shape {shape}; use an "
                "even extent along axis 1, or all sites (decimate=False)"
            )
        return shape[0], shape[1] // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of spins (B, *event_shape), differentiable in the weights."""
        t = x.flatten(1).to(self.dtype)
        if self.odd:
            t = t * t[:, :1]
        return self._log_q(t, self._fields(t), 1)

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spins (n, *event_shape), floating, and log q, differentiable in the weights.

        With gradients enabled log q comes from one pass over the spins of the walk.
        """
        u = torch.rand(self.n, n, generator=generator, dtype=self.dtype, device=self.device)
        with torch.no_grad():
            t, log_q = self._drawn(u)
            if self.odd:
                t = t * _sign(u[0] < 0.5, t)
            x = t.t().reshape(n, *self.event_shape).contiguous()
        return x, self(x) if torch.is_grad_enabled() else log_q

    def _inverted(self, u: torch.Tensor) -> torch.Tensor:
        """Return the spins of uniform numbers: a spin is up where u exceeds its share of down."""
        u = u.t()
        below = 1 - u  # a walk draws up where its number is below the share of up
        if not self.odd:
            return self._drawn(below.to(self.dtype))[0].t().reshape(-1, *self.event_shape)
        # Relative to a first spin that is down, up and down change places.
        up = u[0] >= 0.5
        t = self._drawn(torch.where(up, below, u).to(self.dtype))[0]
        return (t * _sign(up, t)).t().reshape(-1, *self.event_shape)

    def _drawn(self, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return t (n, B) and log q (B,) from uniforms u (n, B): up where u is below its share."""
        t, b = torch.empty_like(u), torch.empty_like(u)
        step, previous = self._walk(u.shape[1]), torch.zeros_like(u[0])
        for i in range(self.n):
            b[i] = step(i, previous)
            fixed = self.odd and i == 0  # other spins are relative to the first one
            up = torch.ones_like(u[0]) > 0 if fixed else u[i] < torch.sigmoid(2 * b[i])
            t[i] = previous = _sign(up, u)
        return t, self._log_q(t, b, 0)

    def _log_q(self, t: torch.Tensor, b: torch.Tensor, axis: int) -> torch.Tensor:
        """Return log q (B,) of spins t and their fields b, with the sites along an axis."""
        terms = nn.functional.logsigmoid(2 * t * b).double()
        if not self.odd:
            return terms.sum(axis)
        return terms.narrow(axis, 1, self.n - 1).sum(axis) - math.log(2)


def _sign(up: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return 2 * up.to(like.dtype) - 1

r"""A local energy of real fields: the same function of the window around every site.

With :math:`\varphi = \phi / \text{scale}` and filters w over the displacements d of a window,

.. math:: a_{c}(x) = \sum_d w_{cd} \, \varphi_{x+d} , \qquad
          u = a^2 \;\text{(even)}, \quad u = (a, a^2) \;\text{(else)},

.. math:: S(\phi) = \sum_x \Big[ l \cdot u(x) + v \cdot \mathrm{softplus}(A u(x) + b) \Big]
          + g_1 \sum_x \varphi_x^2 + g_2 \sum_{\langle xy \rangle} \varphi_x \varphi_y
          + e^{\rho} \sum_x \varphi_x^4 .

Everything before the last term grows at most as the square of the field.  The last one has a
positive coefficient, so :math:`e^{-S}` is normalisable whatever the weights.  The two couplings g
are the soft directions of a lattice field near criticality: moment matching moves them alone.

With a range of noises it is the energy of every smoothed law :math:`p * N(0, \sigma^2)`: the unit
of the field is then :math:`\sqrt{\text{scale}^2 + \sigma^2}`, about the size of the smoothed one,
and l, b, g and :math:`\rho` are linear in :math:`\log\sigma`, scaled to [-1, 1].  ``forward`` is
the energy at the lowest noise.  Every one of them is normalisable.

Windows close periodically, and are filled with zeros beyond an open boundary.  On a periodic
lattice S is invariant under translations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import nn
from torch.nn.functional import softplus

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.models.energy.base import Energy
from physgen.models.energy.noise import checked_range, place_of, require_range

__all__ = ["ConvolutionalEnergy"]


@final
class ConvolutionalEnergy(Energy):
    """A sum over sites of a network of the window around each.

    Parameters
    ----------
    shape : tuple of int
        Extents of the lattice.
    boundary : {"periodic", "open"}, or one of them for each axis
    channels, hidden : int
        Filters, and units of the network that follows them.
    reach : int
        Longest displacement of the window along each axis, at least 1.
    even : bool
        Make S(-phi) = S(phi).
    scale : float
        Size of a typical field, > 0: the unit of all weights.
    noise_range : (low, high), optional
        Standard deviations of the noise that the energy is a function of, 0 < low < high.
    rng : Stream or int
        First weights; S begins as that of independent normal deviates of this size.

    Raises
    ------
    InputError
        If a number is out of range, or the window is wider than the lattice.
    """

    translations = True

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        channels: int = 8,
        hidden: int = 16,
        reach: int = 1,
        even: bool = True,
        scale: float = 1.0,
        noise_range: Sequence[float] | None = None,
        *,
        rng: Stream | int,
    ) -> None:
        if boundary is None:
            raise InputError(
                "a convolutional energy needs a lattice, got no boundary; give 'periodic' or "
                "'open', or take 'mlp-energy'"
            )
        super().__init__(shape, REALS, boundary, even=even, scale=scale)
        self.noise_range = None if noise_range is None else checked_range(noise_range)
        self.channels = check_positive_int("channels", channels)
        self.hidden, self.reach = (
            check_positive_int("hidden", hidden),
            check_positive_int("reach", reach),
        )
        assert self.lattice is not None
        self._words = self.lattice.boundaries
        wide = [2 * self.reach + 1 if extent > 1 else 1 for extent in self.shape]
        for extent, word in zip(self.shape, self._words, strict=True):
            if extent > 1 and word == "periodic" and self.reach > extent // 2:
                raise InputError(
                    f"reach must be at most half of a periodic extent, got {self.reach} on "
                    f"{self.shape}"
                )
        self._reaches = [(w - 1) // 2 for w in wide]
        self._displacements = list(itertools.product(*(range(-r, r + 1) for r in self._reaches)))
        generator = as_stream(rng).child("weights").torch()
        n, features = len(self._displacements), self.channels if even else 2 * self.channels
        filters = torch.randn(self.channels, n, generator=generator) / math.sqrt(n)
        filters[0] = torch.tensor([float(not any(d)) for d in self._displacements])
        self.filters = nn.Parameter(filters)
        self.linear = nn.Parameter(torch.zeros(features))
        mix = torch.randn(self.hidden, features, generator=generator) / math.sqrt(features)
        self.mix = nn.Parameter(mix)
        self.bias = nn.Parameter(torch.linspace(-3, 1, self.hidden).unsqueeze(1))
        self.out = nn.Parameter(0.01 * torch.randn(self.hidden, generator=generator))
        self.soft_couplings = nn.Parameter(torch.tensor([0.5, 0.0]))
        self.log_quartic = nn.Parameter(torch.tensor(-4.0))
        if self.noise_range is not None:
            # How l, b, (g, rho) change from the middle of the range to its ends.
            self.linear_by_noise = nn.Parameter(torch.zeros(features))
            self.bias_by_noise = nn.Parameter(torch.zeros(self.hidden, 1))
            self.couplings_by_noise = nn.Parameter(torch.zeros(3))

    @classmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return shape, boundary, even and scale, as a source of real fields declares them."""
        del options
        return cls.lattice_arguments(source, REALS, rng)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return S (B,) float64, differentiable in weights and fields."""
        if self.noise_range is not None:
            return self.forward_at(x, torch.full((len(x),), self.noise_range[0]).to(x))
        field = x / self.scale
        windows, u = self._features(field)
        local = self.linear @ u + self.out @ softplus(self.mix @ u + self.bias)
        square = field * field
        S = (local.view(square.shape) + self.log_quartic.exp() * square * square).double()
        terms = self._terms(field, windows)
        return S.flatten(1).sum(1) + terms @ self.soft_couplings.double()

    def forward_at(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Return the energy (B,) of the law smoothed by N(0, sigma^2), sigma (B,).

        Raises
        ------
        InputError
            If the model has no range of noises.
        """
        place = place_of(sigma, require_range(self.noise_range)).to(x)
        unit = (self.scale**2 + sigma.square()).sqrt().to(x)
        field = x / unit.view(-1, *[1] * (x.ndim - 1))
        windows, u = self._features(field)
        each = place.repeat_interleave(math.prod(self.shape))  # of the sites of a configuration
        linear = self.linear @ u + each * (self.linear_by_noise @ u)
        units = softplus(self.mix @ u + self.bias + each * self.bias_by_noise)
        square = field * field
        quartic = (self.log_quartic + self.couplings_by_noise[2] * place).exp()
        quartic = quartic.view(-1, *[1] * (x.ndim - 1)) * square * square
        S = ((linear + self.out @ units).view(square.shape) + quartic).double()
        g = self.soft_couplings + place.unsqueeze(1) * self.couplings_by_noise[:2]
        return S.flatten(1).sum(1) + (self._terms(field, windows) * g.double()).sum(1)

    def _features(self, field: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the windows, and u (features, B V)."""
        windows = self._windows(field)
        a = self.filters @ windows.flatten(1)  # (channels, B V)
        return windows, a * a if self.even else torch.cat([a, a * a])

    def soft_terms(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sums of phi^2 and of phi phi' over bonds, in the unit of forward, (B, 2)."""
        noise = 0.0 if self.noise_range is None else self.noise_range[0]
        field = x / math.hypot(self.scale, noise)
        return self._terms(field, self._windows(field))

    def _terms(self, field: torch.Tensor, windows: torch.Tensor) -> torch.Tensor:
        ahead = [
            windows[
                self._displacements.index(tuple(int(nu == mu) for nu in range(field.ndim - 1)))
            ]
            for mu, r in enumerate(self._reaches)
            if r
        ]
        square = (field * field).double().flatten(1).sum(1)
        if not ahead:
            return torch.stack([square, torch.zeros_like(square)], 1)
        nearest = (field * torch.stack(ahead).sum(0)).double().flatten(1).sum(1)
        return torch.stack([square, nearest], 1)

    def _windows(self, field: torch.Tensor) -> torch.Tensor:
        """Return the field at each displacement from each site, (n_displacements, B, *shape)."""
        wide = field
        for axis, (r, word) in enumerate(zip(self._reaches, self._words, strict=True), 1):
            if r == 0:
                continue
            before, after = wide.narrow(axis, wide.shape[axis] - r, r), wide.narrow(axis, 0, r)
            if word == "open":
                before, after = torch.zeros_like(before), torch.zeros_like(after)
            wide = torch.cat([before, wide, after], axis)
        return torch.stack([wide[(slice(None), *self._place(d))] for d in self._displacements])

    def _place(self, d: tuple[int, ...]) -> list[slice]:
        """Return where the lattice lies in the widened field, seen from a displacement."""
        each = zip(d, self._reaches, self.shape, strict=True)
        return [slice(r + i, r + i + extent) for i, r, extent in each]

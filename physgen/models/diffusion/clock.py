"""Noise as the time of a score model: the units of its network, its fields, and its score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from physgen.models.diffusion.field import Field
from physgen.models.diffusion.process import Process
from physgen.models.diffusion.sampling import DELTA, REACH

__all__ = ["Clock"]


class Clock:
    """The part of a :class:`~physgen.models.ScoreModel` that asks its network at a noise."""

    _process: Process
    _divergence: str
    network: Any
    times: int
    spectrum: torch.Tensor
    centre: torch.Tensor
    scales: torch.Tensor
    modes: torch.Tensor
    device: Any
    dtype: Any

    @property
    def units(self) -> tuple[float, torch.Tensor]:
        """Size of the field, and the spectrum in its units."""
        size = float(self.scales[0])
        return size, self.spectrum / size**2

    @property
    def range(self) -> tuple[float, float]:
        """Tau without noise and with the most, in units of the field."""
        top = REACH**2 * float(self.scales[1])
        return math.log(DELTA), 0.5 * math.log(top + DELTA**2)

    def weights(self, tau: torch.Tensor) -> torch.Tensor:
        """Return the shares (S, times) of the filters at times tau (S,)."""
        low, high = self.range
        at = torch.linspace(low, high, self.times, dtype=tau.dtype, device=tau.device)
        width = (high - low) / (self.times - 1)
        return torch.softmax(-0.5 * ((tau[:, None] - at) / width) ** 2, 1)

    def fields_at(self, tau: Sequence[float]) -> list[Field]:
        """Return dy/dtau, as fields of y, at times tau."""
        t = torch.tensor(list(tau), dtype=torch.float64, device=self.device)
        c, lam2 = self.units[1].double(), (torch.exp(2 * t) - DELTA**2).clamp(min=0)[:, None]
        D = c + lam2
        q, r = c / D.sqrt(), (lam2 + DELTA**2) * c / D**1.5
        parts = (part.to(self.dtype) for part in (self.weights(t), q, r))
        return self.network.fields(*parts, self._divergence)

    def score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return the score of the noised field x_t (B, *event_shape), 0 <= t <= T."""
        found = self.mode_score(x.flatten(1) @ self.modes, t)
        return (found @ self.modes.t()).reshape(x.shape)

    def mode_score(self, y: torch.Tensor, t: float) -> torch.Tensor:
        """Return the score in plane waves, (B, n), of a noised field given in them."""
        size, c = self.units
        alpha, lam2 = float(self._process.alpha(t)), (float(self._process.ratio(t)) / size) ** 2
        z = (y.to(self.dtype) / alpha - self.centre * self.modes.sum(0)) / size
        D = c + lam2
        low, high = self.range
        tau = min(0.5 * math.log(lam2 + DELTA**2), high)
        weights = self.weights(torch.tensor([max(tau, low)], dtype=self.dtype, device=y.device))
        gamma = (c / D)[None].to(self.dtype)
        (at,) = self.network.fields(weights, gamma, gamma)
        return -(z / D + at.value(z)) / (size * alpha)

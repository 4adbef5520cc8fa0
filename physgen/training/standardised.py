"""Functions of configurations in units of their size over the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch

from physgen.core.errors import InputError

__all__ = ["Functions", "Standardised"]

Functions = Callable[[torch.Tensor], torch.Tensor]  # x (B, *event_shape) -> (B, n)
_AT_ONCE = 4096


@final
class Standardised:
    """Functions of configurations, less their means over the data, in units of their size there.

    The unit is the root of the mean square (`centred` False: errors are then relative ones), or
    the standard deviation.
    """

    def __init__(
        self, functions: Functions, x: torch.Tensor, what: str, *, centred: bool = True
    ) -> None:
        self.functions = functions
        with torch.no_grad():
            parts = [functions(part).double() for part in x.split(_AT_ONCE)]
        for part, given in zip(parts, x.split(_AT_ONCE), strict=True):
            finite = bool(torch.isfinite(part).all())
            if part.ndim != 2 or len(part) != len(given) or not finite:
                raise InputError(
                    f"{what} must return finite numbers (B, n) of configurations (B, "
                    f"{', '.join(map(str, x.shape[1:]))}), got shape {tuple(part.shape)}"
                    f"{'' if finite else ' with NaN or infinity'}"
                )
        values = torch.cat(parts)
        self.mean = values.mean(0)
        size = values.std(0) if centred else values.square().mean(0).sqrt()
        self.size = torch.where(size > 1e-12 * (1 + self.mean.abs()), size, 1.0)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, n), float64."""
        values = self.functions(x).double()
        return (values - self.mean.to(values)) / self.size.to(values)

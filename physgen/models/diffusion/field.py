"""A network at one time of the flow, as a field of scaled modes, and what networks promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch

from physgen.core.checks import check_choice
from physgen.core.errors import InputError

__all__ = ["DIVERGENCES", "Field", "Network", "check_exact"]

# "exact": the cheapest exact one that the network has.
DIVERGENCES = ("exact", "full", "coloured")


class Field(NamedTuple):
    """The field r N(q y) of modes y (B, n).

    Attributes
    ----------
    value : callable (B, n) -> (B, n)
    both : callable (B, n) -> (B, n), (B,)
        The field and its exact divergence.
    """

    value: Callable[[torch.Tensor], torch.Tensor]
    both: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class Network(Protocol):
    """What a score model needs of its network N."""

    @property
    def passes(self) -> int:
        """Fields in the memory that a divergence of one field takes."""
        ...

    def __call__(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return N (B, n) in modes, of modes x (B, n) at times of their own: weights (B, M)."""
        ...

    def fields(
        self,
        weights: torch.Tensor,
        scale_in: torch.Tensor,
        scale_out: torch.Tensor,
        divergence: str = "exact",
    ) -> list[Field]:
        """Return the fields at S times: weights (S, M), q and r (S, n)."""
        ...

    def check_divergence(self, divergence: str) -> None:
        """Raise InputError unless the network has this way to its divergence."""
        ...

    def carry_over(self, other: Any) -> None:
        """Take the weights of a network of the same kind on another lattice."""
        ...


def check_exact(divergence: str, network: Network) -> None:
    """Raise InputError unless a divergence is exact, and one that the network has."""
    if divergence == "hutchinson":
        raise InputError(
            "weights need the exact divergence, got 'hutchinson': a random estimate of log q with "
            "variance v makes weights wrong by e^(v/2) and their share e^-v; for plots of a "
            "training there is rough_log_prob"
        )
    check_choice("divergence", divergence, DIVERGENCES)
    network.check_divergence(divergence)

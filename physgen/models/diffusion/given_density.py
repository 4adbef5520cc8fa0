"""The density of the hidden part of one field, whose known part is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream

__all__ = ["BLOCK", "GivenDensity"]

BLOCK = 512  # draws at once: kernels of hidden numbers cost as much as some hundred draws


@final
@dataclass(frozen=True, eq=False)
class GivenDensity:
    """The hidden numbers of one field, given the known ones; a Density.

    Attributes
    ----------
    model : ConditionalScore
    known : ndarray (n_known,)
    """

    model: Any
    known: np.ndarray

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(n_hidden,)."""
        return (self.model.partition.n_hidden,)

    @property
    def support(self) -> Support:
        """Real numbers."""
        return REALS

    @property
    def block(self) -> int:
        """Draws that are made at once."""
        return BLOCK

    def refined(self) -> GivenDensity:
        """Return the same density with twice the steps."""
        return GivenDensity(self.model.refined(), self.known)

    def log_prob(self, x: Any) -> Any:
        """Return log q (...) float64 of hidden numbers (..., n_hidden)."""
        shape = tuple(x.shape)
        return self.model.log_prob(self.known[None], x.reshape(-1, shape[-1])).reshape(shape[:-1])

    def sample(self, n: int, rng: Stream | int) -> Any:
        """Return n draws (n, n_hidden)."""
        return self.sample_and_log_prob(n, rng)[0]

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[Any, Any]:
        """Return n draws and their log q."""
        check_positive_int("n", n)
        return self.model.sample_and_log_prob(np.tile(self.known, (n, 1)), rng)

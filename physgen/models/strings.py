"""Base class of models of strings of outcomes, for any way to compute log q.

A string is L outcomes in 0..K-1; q is normalised over the K^L strings, log q is in nats.  A family
defines how log q is computed and how a block of strings is drawn; this class sets the blocks and
their random numbers.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import outcomes
from physgen.core.random import Stream, as_stream
from physgen.models.base import DensityModel

__all__ = ["BLOCK", "StringModel"]

# Random numbers are keyed by blocks of this many samples, so draws do not depend on n or
# memory; a block's gates and states fit in a second-level cache.
BLOCK = 1024
# Strings scored in one pass unless a family sets another number: the output of a layer for a chain
# of 50 sites is then a few MB.
SCORE_BLOCK = 128


class StringModel(DensityModel):
    """A normalised distribution of strings of L outcomes in 0..K-1; a Density.

    Parameters
    ----------
    L : int
        Number of sites, >= 1.
    K : int
        Outcomes per site, 2..256.

    Raises
    ------
    InputError
        If a size is not a positive integer or K > 256.
    """

    def __init__(self, L: int, K: int) -> None:
        check_positive_int("L", L)
        if check_positive_int("K", K, 2) > 256:
            raise InputError(f"K must be at most 256 (outcomes are stored as uint8), got {K}")
        super().__init__((L,), outcomes(K))
        self.L, self.K = L, K

    # --- what a family supplies -----------------------------------------------------------

    @abstractmethod
    def _draw_block(self, rng: Stream, size: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return strings (size, L) uint8 and their log q (size,), or None to have them scored.

        size <= BLOCK, and the first m of n strings must be the m strings.
        """

    # --- the density ----------------------------------------------------------------------

    @property
    def block(self) -> int:
        """Strings of one block of random numbers, and of one pass without gradients."""
        return BLOCK

    def _score(self, x: torch.Tensor) -> np.ndarray:
        parts = [super(StringModel, self)._score(part) for part in x.split(SCORE_BLOCK)]
        return np.concatenate(parts)

    def extra_repr(self) -> str:
        """Sizes, shown by ``repr``."""
        return f"L={self.L}, K={self.K}, n_parameters={sum(p.numel() for p in self.parameters())}"

    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n independent strings, uint8 tensor (n, L) on the model's device."""
        return torch.cat([strings for strings, _ in self._draws(n, rng)])

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n strings (n, L) uint8 and their log q (n,) float64 in nats.

        The draws depend on `rng` alone: the first m of n draws are the m draws.
        """
        strings, log_q = [], []
        for drawn, log_prob in self._draws(n, rng):
            strings.append(drawn)
            if log_prob is None:
                log_prob = torch.from_numpy(self._score(drawn)).to(drawn.device)
            log_q.append(log_prob)
        return torch.cat(strings), torch.cat(log_q)

    @torch.no_grad()
    def _draws(self, n: int, rng: Stream | int) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
        check_positive_int("n", n)
        stream = as_stream(rng).child("sample")
        sizes = [min(BLOCK, n - start) for start in range(0, n, BLOCK)]
        return [self._draw_block(stream.at(block), size) for block, size in enumerate(sizes)]

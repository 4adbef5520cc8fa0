"""Models of strings of outcomes: what they have in common, whatever computes log q.

A string is L outcomes in 0..K-1; q is normalised over the K^L strings, log q is in nats.  A family
says how log q is computed and how a block of strings is drawn; checked input, kinds of arrays,
blocks and the random numbers of each block are decided here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Support, outcomes
from physgen.core.random import Stream, as_stream

__all__ = ["BLOCK", "StringModel"]

# Random numbers are keyed by blocks of this many samples, so draws do not depend on n or
# memory; a block's gates and states fit in a second-level cache.
BLOCK = 1024
# Strings scored in one pass where a family does not say how: what a layer then writes down for a
# chain of 50 sites is a few MB.
SCORE_BLOCK = 128


class StringModel(nn.Module, ABC):
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
        super().__init__()
        self.L, self.K = check_positive_int("L", L), check_positive_int("K", K, 2)
        if K > 256:
            raise InputError(f"K must be at most 256 (outcomes are stored as uint8), got {K}")

    # --- what a family supplies -----------------------------------------------------------

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build`` (JSON types) that give the same architecture again."""

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q of outcome strings, differentiable in the weights.

        Parameters
        ----------
        x : integer tensor (B, L)
            On the model's device.

        Returns
        -------
        tensor (B,) float64, in nats
        """

    @abstractmethod
    def _draw_block(self, rng: Stream, size: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return strings (size, L) uint8 and their log q (size,), or None to have them scored.

        size <= BLOCK, and the first m of n strings must be the m strings.
        """

    def _score(self, x: torch.Tensor) -> np.ndarray:
        """Return log q (B,) of checked strings (B, L), B <= BLOCK, without gradients."""
        with torch.no_grad():
            parts = [self(part.to(self._device)) for part in x.split(SCORE_BLOCK)]
        return torch.cat(parts).cpu().numpy()

    # --- the density ----------------------------------------------------------------------

    @property
    def event_shape(self) -> tuple[int, ...]:
        """One outcome a site."""
        return (self.L,)

    @property
    def support(self) -> Support:
        """Outcomes 0..K-1."""
        return outcomes(self.K)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def extra_repr(self) -> str:
        """Sizes, shown by ``repr``."""
        return f"L={self.L}, K={self.K}, n_parameters={sum(p.numel() for p in self.parameters())}"

    def log_prob(self, x: Any) -> Any:
        """Return log q of outcome strings in nats.

        Parameters
        ----------
        x : integer array or tensor (..., L)
            Outcomes 0..K-1.

        Returns
        -------
        array or tensor (...) float64
            The kind of x; differentiable if x is a tensor and gradients are enabled.

        Raises
        ------
        InputError
            If the last axis is not L or an outcome lies outside 0..K-1.
        """
        tensor = torch.as_tensor(np.asarray(x)) if not isinstance(x, torch.Tensor) else x
        self._check(tensor)
        flat = tensor.reshape(-1, self.L)
        if isinstance(x, torch.Tensor) and torch.is_grad_enabled():
            return self(flat.to(self._device)).reshape(tensor.shape[:-1]).to(x.device)
        scored = [self._score(block) for block in flat.split(BLOCK)]
        result = np.concatenate(scored) if scored else np.empty(0)
        return like(result.reshape(tuple(tensor.shape[:-1])), x)

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

    def _check(self, x: torch.Tensor) -> None:
        if x.ndim < 1 or x.shape[-1] != self.L:
            raise InputError(f"x must have shape (..., {self.L}), got {tuple(x.shape)}")
        if x.is_floating_point() or x.is_complex():
            raise InputError(f"x must hold integer outcomes, got dtype {x.dtype}")
        if x.numel() and (int(x.min()) < 0 or int(x.max()) >= self.K):
            raise InputError(
                f"outcomes must lie in 0..{self.K - 1}, got {int(x.min())}..{int(x.max())}"
            )

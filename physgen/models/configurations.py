"""Models of lattice configurations: what they have in common, whatever computes log q.

A configuration is an array of real numbers, or of spins -1 and 1, of shape ``event_shape``; q is
normalised, log q is in nats and float64.  A family says how a batch is scored and how one is
drawn; kinds of arrays, blocks and the random numbers of each block are decided here.  Inside,
spins are floating-point numbers; outside they are int8.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Support
from physgen.core.random import Stream, as_stream

__all__ = ["ConfigurationModel", "as_tensor", "normal", "normal_log_prob"]

# Numbers in one block of draws: what a layer writes down for it stays in the caches of a CPU, and
# fills another device, which needs the same time to launch a kernel for few numbers or many.
BLOCK_NUMBERS, BLOCK_NUMBERS_ON_DEVICE = 2**15, 2**22


class ConfigurationModel(nn.Module, ABC):
    """A normalised distribution of configurations; a Density.

    Parameters
    ----------
    event_shape : tuple of int
        Shape of one configuration.
    support : Support
        Real numbers or spins.
    """

    def __init__(self, event_shape: tuple[int, ...], support: Support = REALS) -> None:
        super().__init__()
        self._support = support
        self._event_shape = tuple(check_positive_int("each extent", n) for n in event_shape)

    # --- what a family supplies -----------------------------------------------------------

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build`` (JSON types) that give the same architecture again."""

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of (B, *event_shape), differentiable in the weights.

        The one method that training calls with data.
        """

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n configurations and their log q, differentiable in the weights."""

    # --- the density ----------------------------------------------------------------------

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self._event_shape

    @property
    def support(self) -> Support:
        """Real numbers or spins."""
        return self._support

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and of fields that are drawn."""
        return next(self.parameters()).dtype

    @property
    def block(self) -> int:
        """Draws in one block: random numbers are keyed by blocks, so draws do not depend on n.

        Blocks are larger on a GPU, whose random numbers are others anyway.
        """
        numbers = BLOCK_NUMBERS if self._device.type == "cpu" else BLOCK_NUMBERS_ON_DEVICE
        return max(16, numbers // math.prod(self._event_shape))

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def extra_repr(self) -> str:
        """Sizes, shown by ``repr``."""
        n = sum(p.numel() for p in self.parameters())
        return f"event_shape={self._event_shape}, n_parameters={n}"

    def log_prob(self, x: Any) -> Any:
        """Return log q in nats.

        Parameters
        ----------
        x : array or tensor (..., *event_shape)

        Returns
        -------
        array or tensor (...) float64, without gradients

        Raises
        ------
        InputError
            If the shape is not that of a configuration, or a spin is not -1 or 1.
        """
        flat = self._batch(x)
        if self._support == SPINS and not bool((flat.abs() == 1).all()):
            raise InputError("x must hold spins -1 and 1, got other numbers")
        with torch.no_grad():
            parts = [self(part) for part in flat.split(self.block)]
        log_q = torch.cat(parts) if parts else flat.new_empty(0, dtype=torch.float64)
        return like(log_q.cpu().numpy().reshape(x.shape[: x.ndim - len(self._event_shape)]), x)

    def force(self, x: Any) -> Any:
        """Return d log q / dx of real fields, the shape, kind and type of x.

        What a Markov chain that begins at this density needs of it (`smc` with ``start``).

        Raises
        ------
        InputError
            If the model is one of spins, or the shape is not that of a configuration.
        """
        if self._support.kind != "reals":
            raise InputError(f"a force needs real fields, got a model of {self._support.kind}")
        flat, parts = self._batch(x), []
        for part in flat.detach().split(self.block):
            at = part.requires_grad_(True)
            with torch.enable_grad():
                parts.append(torch.autograd.grad(self(at).sum(), at)[0])
        found = torch.cat(parts) if parts else flat
        if isinstance(x, torch.Tensor):
            return found.reshape(x.shape).to(x.device, x.dtype)
        return found.cpu().numpy().reshape(x.shape).astype(x.dtype)

    def _batch(self, x: Any) -> torch.Tensor:
        """Return configurations (..., *event_shape) as one batch of the model's own type."""
        shape, dim = tuple(x.shape), len(self._event_shape)
        if len(shape) < dim or shape[len(shape) - dim :] != self._event_shape:
            text = ", ".join(map(str, self._event_shape))
            raise InputError(f"x must have shape (..., {text}), got {shape}")
        return torch.as_tensor(x).to(self._device, self.dtype).reshape(-1, *self._event_shape)

    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n draws; see :meth:`sample_and_log_prob`."""
        return self.sample_and_log_prob(n, rng)[0]

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return draws and their log q, on the model's device and without gradients.

        Parameters
        ----------
        n : int
        rng : Stream or int
            The first m of n draws are the m draws.

        Returns
        -------
        x : tensor (n, *event_shape)
        log_q : tensor (n,) float64
        """
        check_positive_int("n", n)
        stream, size = as_stream(rng).child("block"), self.block
        xs, log_qs = [], []
        with torch.no_grad():
            for k in range(math.ceil(n / size)):
                x, log_q = self.draw(size, stream.at(k).torch(self._device))
                xs.append(x.to(torch.int8) if self._support == SPINS else x)
                log_qs.append(log_q)
        return torch.cat(xs)[:n], torch.cat(log_qs)[:n]


def normal(
    n: int, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return n standard normal arrays and their log density (n,) float64."""
    eps = torch.randn(n, *shape, generator=generator, device=generator.device, dtype=dtype)
    return eps, normal_log_prob(eps)


def normal_log_prob(eps: torch.Tensor) -> torch.Tensor:
    """Return the log density of standard normal arrays (n, ...), (n,) float64."""
    flat = eps.double().flatten(1)
    return -0.5 * (flat * flat).sum(1) - 0.5 * flat.shape[1] * math.log(2 * math.pi)


def as_tensor(a: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a tensor with memory of its own."""
    return torch.tensor(np.asarray(a), dtype=dtype)

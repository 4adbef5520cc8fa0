r"""Networks from latent variables to fields, odd where they have no bias.

.. math:: g(a, b) = \tanh a + a \tanh^2 b

is odd in (a, b) and grows like a: a generator of hyperbolic tangents alone is bounded and loses
the tails of a field.  Without biases the whole network is odd, G(-z) = -G(z), and as z and -z are
equally likely the law of G(z) is even exactly: both modes, whatever the weights.

The convolutional network of a lattice adds to the latent variables of every site some of the whole
lattice, which are equal at all sites.  Filters of a few layers see a few sites; without a global
variable the magnetization is a sum of many nearly independent parts, and too Gaussian.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["Convolution", "ConvolutionalNet", "DenseNet", "gated"]

_CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
MAX_DIM = max(_CONVOLVE)


def gated(h: torch.Tensor) -> torch.Tensor:
    """Return g(a, b) of the two halves of the channels of h (B, 2C, ...), (B, C, ...)."""
    a, b = h.chunk(2, 1)
    return torch.tanh(a) + a * torch.tanh(b).square()


class Convolution(nn.Module):
    """A convolution over a lattice: around its periodic axes, with zeros beyond its open ends.

    Parameters
    ----------
    boundaries : sequence of {"periodic", "open"}
        One word an axis; at most 3 axes.
    inputs, outputs : int
        Channels.
    reach : int
        Sites on either side that a filter sees, >= 0.
    bias : bool
    generator : torch.Generator
        First weights: normal, of variance 1 / (3 inputs of a unit): nearly linear at first.

    Attributes
    ----------
    weight : parameter (outputs, inputs, 2 reach + 1, ...)
    bias : parameter (outputs,) or None
    """

    def __init__(
        self,
        boundaries: Sequence[str],
        inputs: int,
        outputs: int,
        reach: int,
        *,
        bias: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.boundaries, self.reach = tuple(boundaries), reach
        window = (2 * reach + 1,) * len(self.boundaries)
        fan_in = inputs * math.prod(window)
        size = 1 / math.sqrt(3 * fan_in)
        first = size * torch.randn(outputs, inputs, *window, generator=generator)
        self.weight = nn.Parameter(first)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, outputs, *shape) of (B, inputs, *shape)."""
        if self.reach:
            for axis, word in enumerate(self.boundaries):
                x = _padded(x, axis + 2, self.reach, word == "periodic")
        return _CONVOLVE[len(self.boundaries)](x, self.weight, self.bias)


def _padded(x: torch.Tensor, dim: int, reach: int, periodic: bool) -> torch.Tensor:
    extent = x.shape[dim]
    if periodic:
        around = torch.arange(-reach, extent + reach, device=x.device) % extent
        return x.index_select(dim, around)
    edge = list(x.shape)
    edge[dim] = reach
    zeros = x.new_zeros(edge)
    return torch.cat([zeros, x, zeros], dim)


class ConvolutionalNet(nn.Module):
    """Fields from latent variables of sites, and of the whole lattice.

    Parameters
    ----------
    shape, boundaries : of the lattice
    latents, global_latents : int
        Latent variables of a site, >= 1, and of the lattice, >= 0.
    channels, layers, reach : int
        Hidden channels, layers of them, and what a filter sees.
    bias : bool
        False: the network is odd.
    generator : torch.Generator
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        boundaries: Sequence[str],
        latents: int,
        global_latents: int,
        channels: int,
        layers: int,
        reach: int,
        *,
        bias: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape, self.latents, self.n_local = shape, latents, latents * math.prod(shape)
        self.n_latent = self.n_local + global_latents
        sizes = [latents + global_latents, *[channels] * layers]
        self.hidden = nn.ModuleList(
            Convolution(boundaries, n, 2 * m, reach, bias=bias, generator=generator)
            for n, m in itertools.pairwise(sizes)
        )
        self.out = Convolution(boundaries, channels, 1, 0, bias=bias, generator=generator)
        self.skip = nn.Parameter(torch.tensor(0.5))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return (B, *shape) of (B, n_latent)."""
        local = z[:, : self.n_local].view(-1, self.latents, *self.shape)
        parts = [local]
        if self.n_latent > self.n_local:
            whole = z[:, self.n_local :].reshape(len(z), -1, *[1] * len(self.shape))
            parts.append(whole.expand(-1, -1, *self.shape))
        first, *rest = self.hidden
        h = gated(first(torch.cat(parts, 1)))
        for layer in rest:
            h = h + gated(layer(h))
        return (self.out(h) + self.skip * local[:, :1])[:, 0]


class DenseNet(nn.Module):
    """Fields of any shape from latent variables, without neighbours.

    Parameters
    ----------
    shape : tuple of int
    n_latent : int
    hidden, layers : int
        Units of a layer, and layers.
    bias : bool
        False: the network is odd.
    generator : torch.Generator
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        n_latent: int,
        hidden: int,
        layers: int,
        *,
        bias: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape, self.n_latent = shape, n_latent
        sizes = [n_latent, *[hidden] * layers]
        maps = [(n, 2 * m) for n, m in itertools.pairwise(sizes)] + [(hidden, math.prod(shape))]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(m, n, generator=generator) / math.sqrt(n)) for n, m in maps
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros(m)) for _, m in (maps if bias else [])
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return (B, *shape) of (B, n_latent)."""
        biases = [*self.biases] or [None] * len(self.weights)
        h = z
        for k, (W, b) in enumerate(zip(self.weights, biases, strict=True)):
            h = F.linear(h, W, b)
            if k < len(self.weights) - 1:
                h = gated(h)
        return h.view(-1, *self.shape)

r"""Dilated causal convolutions as normalised distributions of outcomes.

With the code x_i of the string before site i (see :mod:`~physgen.models.autoregressive.base`),

.. math::

   h^{0}_i = U x_i + u, \qquad
   h^{n}_i = h^{n-1}_i + R_n \big[ \tanh f^n_i \odot \sigma(g^n_i) \big] + r_n, \qquad
   (f^n_i, g^n_i) = W_n h^{n-1}_i + W'_n h^{n-1}_{i - d_n} + b_n,

with dilations :math:`d_n = 2^{n-1}`, n = 1..N, and h = 0 left of the chain; the logits are
:math:`V h^N_i + S x_i + v`.  An outcome depends on the 2^N before it: 2^N >= L - 1 covers the
chain, and with fewer layers q is a Markov chain of order 2^N.

A draw keeps the last d_n inputs of every layer in a ring, so a site costs N small products.

References
----------
.. [1] van den Oord et al., "WaveNet: a generative model for raw audio" (2016), arXiv:1609.03499.
.. [2] van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS (2016),
       arXiv:1606.05328: the gate.
.. [3] Schmale, Reh, Gärttner, "Efficient quantum state tomography with convolutional neural
       networks", npj Quantum Information 8, 115 (2022), arXiv:2109.13776.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from physgen.core.checks import check_positive_int
from physgen.core.random import Stream
from physgen.models.autoregressive.feedforward import FeedForwardNet

__all__ = ["ConvolutionNet"]


class ConvolutionNet(FeedForwardNet):
    """An autoregressive network of dilated causal convolutions; a Density.

    Parameters
    ----------
    L : int
        Number of sites, >= 1.
    K : int
        Outcomes per site, 2..256.
    hidden : int
        Channels of each layer.
    layers : int or None
        Number N of convolutions; None: the fewest whose receptive field 2^N covers the chain.
    shared : bool
        One W, W', b, R, r for all layers, a network that is the same on every scale: it has fewer
        weights to learn from few shots.
    site_features : bool
        Feed the distances to both ends of the chain.
    rng : Stream or int
        Initial weights, uniform with variance 1 / (number of inputs).

    Raises
    ------
    InputError
        If a size is not a positive integer or K > 256.
    """

    def __init__(
        self,
        L: int,
        K: int,
        hidden: int = 48,
        layers: int | None = None,
        shared: bool = True,
        site_features: bool = True,
        *,
        rng: Stream | int = 0,
    ) -> None:
        super().__init__(L, K, hidden, site_features)
        covering = max(1, (L - 2).bit_length())
        self.layers = covering if layers is None else check_positive_int("layers", layers)
        self.shared = bool(shared)
        with torch.device("meta"):
            stored = range(1 if shared else self.layers)
            self.gates = nn.ModuleList(nn.Linear(2 * hidden, 2 * hidden) for _ in stored)
            self.residuals = nn.ModuleList(nn.Linear(hidden, hidden) for _ in stored)
        self._initialise(rng)

    @property
    def receptive_field(self) -> int:
        """Number 2^N of outcomes before a site that its distribution depends on."""
        return 2**self.layers

    def _convolutions(self) -> Iterator[tuple[int, nn.Module, nn.Module]]:
        """Yield dilation, W and R of each layer."""
        for n in range(self.layers):
            stored = 0 if self.shared else n
            yield 2**n, self.gates[stored], self.residuals[stored]

    def _trunk(self, h: torch.Tensor) -> torch.Tensor:
        for d, gates, residual in self._convolutions():
            before = nn.functional.pad(h[:-d], (0, 0, 0, 0, min(d, self.L), 0))
            h = h + residual(_gated(gates(torch.cat([h, before], -1))))
        return h

    def _trunk_walk(self, B: int) -> Callable[[int, torch.Tensor], torch.Tensor]:
        # Slot i mod d of a ring holds the layer's input of d sites ago until it is overwritten.
        sizes = [min(d, self.L) for d, _, _ in self._convolutions()]
        rings = [self.code.weight.new_zeros(size, B, self.hidden) for size in sizes]

        def step(i: int, h: torch.Tensor) -> torch.Tensor:
            for ring, (d, gates, residual) in zip(rings, self._convolutions()):
                both = torch.cat([h, ring[i % d]], -1)
                ring[i % d] = h
                h = h + residual(_gated(gates(both)))
            return h

        return step


def _gated(pairs: torch.Tensor) -> torch.Tensor:
    """Return tanh(f) sigma(g) of the halves f, g of the last axis."""
    f, g = pairs.chunk(2, -1)
    return torch.tanh(f) * torch.sigmoid(g)

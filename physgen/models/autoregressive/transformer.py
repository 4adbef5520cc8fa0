r"""Causal transformers as normalised distributions of outcomes.

With the codes x_i of the string before site i (see :mod:`~physgen.models.autoregressive.base`) and
N pre-norm layers,

.. math::

   h \leftarrow h + O\, \mathrm{att}(\mathrm{norm}\, h), \qquad
   h \leftarrow h + D\, \mathrm{gelu}(E\, \mathrm{norm}\, h + e) + d ,

of H heads each,

.. math::

   \mathrm{att}_i = \sum_{j \le i} p_{ij} v_j, \qquad
   p_{ij} \propto \exp\!\big( q_i \cdot k_j / \sqrt{d} + b_{i-j} \big), \qquad
   \sum_{j \le i} p_{ij} = 1 ,

where q, k, v of dimension d are linear in norm h and b is a learned bias for each layer, head and
distance.  It starts from :math:`b_r = -s \log(1 + r)` with s = 0..2 over the heads (1 if there is
one): from no preference to a weight that decays as 1/r^2.  The logits are
:math:`V\, \mathrm{norm}\, h + S x_i + v`.

A draw keeps the keys and values of earlier sites, so site i costs i products with a key.

References
----------
.. [1] Vaswani et al., "Attention is all you need", NeurIPS (2017), arXiv:1706.03762.
.. [2] Cha et al., "Attention-based quantum tomography", Machine Learning: Science and Technology
       3, 01LT01 (2021), arXiv:2006.12469.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.autoregressive.feedforward import FeedForwardNet

__all__ = ["TransformerNet"]

EXPANSION = 2  # inner width of the pointwise layers in units of the outer one
STEEPEST = 2.0  # initial decay exponent s of the last head


class TransformerNet(FeedForwardNet):
    """An autoregressive transformer; a Density.

    Parameters
    ----------
    L : int
        Number of sites, >= 1.
    K : int
        Outcomes per site, 2..256.
    hidden : int
        Width of each layer, a multiple of `heads`.
    layers : int
        Number N of pairs of an attention and a pointwise layer.
    heads : int
        Attention heads of each layer.
    site_features : bool
        Feed the distances to both ends of the chain.
    rng : Stream or int
        Initial weights, uniform with variance 1 / (number of inputs).

    Raises
    ------
    InputError
        If a size is not a positive integer, K > 256 or `heads` does not divide `hidden`.
    """

    blocks: Any
    distance: torch.Tensor
    future: torch.Tensor

    def __init__(
        self,
        L: int,
        K: int,
        hidden: int = 48,
        layers: int = 2,
        heads: int = 2,
        site_features: bool = True,
        *,
        rng: Stream | int = 0,
    ) -> None:
        super().__init__(L, K, hidden, site_features)
        self.layers, self.heads = (
            check_positive_int("layers", layers),
            check_positive_int("heads", heads),
        )
        if hidden % heads:
            raise InputError(f"hidden must be a multiple of heads = {heads}, got {hidden}")
        with torch.device("meta"):
            self.blocks = nn.ModuleList(_Block(hidden) for _ in range(layers))
            self.norm = nn.LayerNorm(hidden)
        self._initialise(rng)
        decay = torch.linspace(0, STEEPEST, heads) if heads > 1 else torch.ones(1)
        start = -decay[:, None] * torch.log1p(torch.arange(L))
        self.bias = nn.Parameter(start.repeat(layers, 1, 1))
        i = torch.arange(L)
        self.register_buffer("distance", (i[:, None] - i).clamp(min=0), persistent=False)
        future = torch.full((L, L), -math.inf).triu(1)
        self.register_buffer("future", future, persistent=False)

    @property
    def _scale(self) -> float:
        return (self.hidden // self.heads) ** -0.5

    def _trunk(self, h: torch.Tensor) -> torch.Tensor:
        L, B, H = h.shape[0], h.shape[1], self.heads
        for block, bias in zip(self.blocks, self.bias):
            q, k, v = block.qkv(h, H)
            scores = torch.bmm(q.transpose(0, 1) * self._scale, k.permute(1, 2, 0))
            bias = bias[:, self.distance] + self.future
            p = torch.softmax(scores.view(B, H, L, L) + bias, -1)
            mixed = torch.bmm(p.view(B * H, L, L), v.transpose(0, 1))
            h = block(h, mixed.transpose(0, 1).reshape(L, B, self.hidden))
        return self.norm(h)

    def _trunk_walk(self, B: int) -> Callable[[int, torch.Tensor], torch.Tensor]:
        d = self.hidden // self.heads
        cache = self.code.weight.new_zeros(self.layers, 2, B * self.heads, self.L, d)

        def step(i: int, h: torch.Tensor) -> torch.Tensor:
            for block, bias, (keys, values) in zip(self.blocks, self.bias, cache):
                q, keys[:, i], values[:, i] = (t[0] for t in block.qkv(h[None], self.heads))
                scores = torch.bmm(keys[:, : i + 1], q[:, :, None] * self._scale)
                by_head = scores.view(B, self.heads, i + 1) + bias[:, : i + 1].flip(-1)
                p = torch.softmax(by_head, -1).view(B * self.heads, 1, i + 1)
                h = block(h, torch.bmm(p, values[:, : i + 1]).view(B, self.hidden))
            return self.norm(h)

        return step


class _Block(nn.Module):
    """Weights of one layer, before and after the attention."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        # No biases: a key's would cancel in the softmax, those of q and v are in the norm.
        self.projection = nn.Linear(hidden, 3 * hidden, bias=False)
        self.out = nn.Linear(hidden, hidden, bias=False)
        self.up = nn.Linear(hidden, EXPANSION * hidden)
        self.down = nn.Linear(EXPANSION * hidden, hidden)

    def qkv(self, h: torch.Tensor, heads: int) -> tuple[torch.Tensor, ...]:
        """Return queries, keys and values (L, B heads, d) for h (L, B, hidden)."""
        L, B, hidden = h.shape
        together = self.projection(self.before(h)).view(L, B * heads, 3 * hidden // heads)
        return together.chunk(3, -1)

    def forward(self, h: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """Return the output of the layer, given what its attention gathered."""
        h = h + self.out(mixed)
        return h + self.down(nn.functional.gelu(self.up(self.between(h))))

r"""Feed-forward autoregressive networks: layers that see a whole string at once.

.. math:: h^{0}_i = U x_i + u, \qquad h^N = \mathrm{trunk}(h^0), \qquad
          l_i = V h^{N}_i + S x_i + v

with the codes x_i of :mod:`~physgen.models.autoregressive.base`.  The trunk, several layers of one
kind, is causal: its output at i depends on its input at j <= i only.  S starts from zero.

Products with x_i are tables over sites and previous outcomes, looked up and not multiplied.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import embedding, linear

from physgen.core.checks import check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.models.autoregressive.base import AutoregressiveNet, Step

__all__ = ["FeedForwardNet"]


class FeedForwardNet(AutoregressiveNet):
    """A causal stack of layers between the codes of the sites and their logits.

    Parameters
    ----------
    L, K : int
        Number of sites, >= 1, and outcomes per site, 2..256.
    hidden : int
        Width H of the trunk.
    site_features : bool
        Feed the distances to both ends of the chain.
    """

    def __init__(self, L: int, K: int, hidden: int, site_features: bool) -> None:
        super().__init__(L, K, site_features)
        self.hidden = check_positive_int("hidden", hidden)
        with torch.device("meta"):
            self.code = nn.Linear(self.width, hidden)
            self.head = nn.Linear(hidden + self.width, K)

    @abstractmethod
    def _trunk(self, h: torch.Tensor) -> torch.Tensor:
        """Return the output (L, B, H) of the layers for their input (L, B, H)."""

    @abstractmethod
    def _trunk_walk(self, B: int) -> Callable[[int, torch.Tensor], torch.Tensor]:
        """Return step(i, h) -> output (B, H) at site i, to be called for i = 0, 1, ..."""

    def _initialise(self, rng: Stream | int) -> None:
        """Give weights to layers that were made on torch's meta device.

        Made on a real one they would draw from torch's global state.  Here a matrix is uniform
        with variance 1 / (number of inputs), a bias zero, a gain one.
        """
        generator = as_stream(rng).child("weights").torch()
        for module in self.children():
            module.to_empty(device="cpu")
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    bound = math.sqrt(3 / module.in_features)
                    module.weight.uniform_(-bound, bound, generator=generator)
                    if module.bias is not None:
                        module.bias.zero_()
                elif isinstance(module, nn.LayerNorm):
                    module.reset_parameters()
            self.head.weight[:, self.hidden :] = 0.0

    def _tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return U x + u (L, K+1, H) and S x + v (L, K+1, K) of all sites and outcomes."""
        w = self.head.weight[:, self.hidden :]
        code = self._table(self.code.weight, self.code.bias)
        return code, self._table(w, self.head.bias)

    def _logits(self, sites: torch.Tensor) -> torch.Tensor:
        place = self._place(self._previous(sites))
        h, direct = (embedding(place, table.flatten(0, 1)) for table in self._tables())
        return linear(self._trunk(h), self.head.weight[:, : self.hidden]) + direct

    def _walk(self, B: int) -> Step:
        codes, direct = self._tables()
        trunk, v = self._trunk_walk(B), self.head.weight[:, : self.hidden]

        def step(i: int, previous: torch.Tensor) -> torch.Tensor:
            return linear(trunk(i, codes[i][previous]), v) + direct[i][previous]

        return step

r"""Base class of autoregressive networks: a chain of conditional distributions.

.. math:: \log q(a) = \sum_{i=1}^{L} \log \mathrm{softmax}(l_i)_{a_i}, \qquad
          l_i = l_i(a_1, \dots, a_{i-1}),

normalised by construction.  A network reads the shifted string: at site i the code
x_i = (e(a_{i-1}), f_i), with e the one-hot code of the previous outcome (zero at the first site)
and the site features

.. math:: f_i = \big(e^{-i/\ell}, e^{-(L-1-i)/\ell}\big)_{\ell = 1, 3, 8, 20}

(i = 0..L-1, lengths in lattice spacings), which encode the distances to both ends of an open
chain.

A draw is ancestral: one uniform number per site inverts the cumulative distribution.  A family
keeps what it computed for earlier sites, so L sites cost L steps and not L passes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from physgen.core.random import Stream
from physgen.models.autoregressive.inverse_map import Triangular
from physgen.models.strings import BLOCK, StringModel

__all__ = ["AutoregressiveNet", "Step"]

FEATURE_LENGTHS = (1.0, 3.0, 8.0, 20.0)

Step = Callable[[int, torch.Tensor], torch.Tensor]


class AutoregressiveNet(Triangular, StringModel):
    """A network that gives the distribution of each outcome, given the outcomes before it.

    Parameters
    ----------
    L, K : int
        Number of sites, >= 1, and outcomes per site, 2..256.
    site_features : bool
        Feed the distances to both ends of the chain.
    """

    features: torch.Tensor
    head: nn.Linear

    def __init__(self, L: int, K: int, site_features: bool) -> None:
        super().__init__(L, K)
        self.site_features = bool(site_features)
        features = _site_features(L) if site_features else torch.zeros(L, 0)
        self.register_buffer("features", features, persistent=False)

    @property
    def width(self) -> int:
        """Length of the code x_i of a site."""
        return self.K + self.features.shape[1]

    @abstractmethod
    def _logits(self, sites: torch.Tensor) -> torch.Tensor:
        """Logits of every site given those before it, (L, B, K), for outcomes (L, B)."""

    @abstractmethod
    def _walk(self, B: int) -> Step:
        """Return step(i, previous) -> logits (B, K) of site i, to be called for i = 0, 1, ...

        ``previous`` (B,) holds the outcomes of site i - 1, or K at the first site.
        """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q of outcome strings, differentiable in the weights.

        Parameters
        ----------
        x : integer tensor (B, L)

        Returns
        -------
        tensor (B,) float64, in nats
        """
        sites = x.long().t()
        log_p = torch.log_softmax(self._logits(sites), dim=-1)
        return log_p.gather(-1, sites.unsqueeze(-1)).squeeze(-1).double().sum(0)

    def _draw_block(self, rng: Stream, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        u = rng.numpy().random((BLOCK, self.L), dtype=np.float32)[:size].T.copy()
        return self._draw(u)

    def _inverted(self, u: torch.Tensor) -> torch.Tensor:
        numbers = np.ascontiguousarray(u.cpu().numpy().T, dtype=np.float32)
        return self._draw(numbers)[0].to(self.device)

    def _draw(self, u: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return strings (B, L) uint8 and their log q (B,), for uniforms (L, B)."""
        uniforms = torch.from_numpy(u).to(self.device)
        B, dtype = u.shape[1], self.head.weight.dtype
        step, drawn = self._walk(B), []
        previous = torch.full((B,), self.K, device=self.device)
        log_q = torch.zeros(B, device=self.device, dtype=torch.float64)
        for i in range(self.L):
            log_p = torch.log_softmax(step(i, previous), -1)
            edges = log_p.exp().cumsum(-1)[:, :-1].contiguous()
            previous = torch.searchsorted(edges, uniforms[i, :, None].to(dtype), right=True)[:, 0]
            log_q += log_p.gather(-1, previous[:, None])[:, 0].double()
            drawn.append(previous)
        return torch.stack(drawn, 1).to(torch.uint8), log_q

    def _previous(self, sites: torch.Tensor) -> torch.Tensor:
        """Outcome (L, B) of the site before each site, K where there is none."""
        return torch.cat([sites.new_full((1, sites.shape[1]), self.K), sites[:-1]])

    def _table(self, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """W x + b of every site and previous outcome, (L, K+1, G), for W of shape (G, width)."""
        by_outcome = nn.functional.pad(w[:, : self.K].t(), (0, 0, 0, 1))
        by_site = nn.functional.linear(self.features, w[:, self.K :], b)
        return by_site.unsqueeze(1) + by_outcome

    def _place(self, previous: torch.Tensor) -> torch.Tensor:
        """Rows of a flattened table that a string reads, (L, B)."""
        sites = torch.arange(self.L, device=previous.device).unsqueeze(1)
        return sites * (self.K + 1) + previous


def _site_features(L: int) -> torch.Tensor:
    i = torch.arange(L, dtype=torch.float64)
    columns = [torch.exp(-d / ell) for ell in FEATURE_LENGTHS for d in (i, L - 1 - i)]
    return torch.stack(columns, dim=1).float()

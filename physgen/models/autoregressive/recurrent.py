r"""Recurrent networks as normalised distributions of measurement outcomes.

.. math::

   \log q(a) = \sum_{i=1}^{L} \log \mathrm{softmax}(V h_i + S x_i + v)_{a_i}, \qquad
   h_i = \mathrm{cell}(U x_i + u,\; W h_{i-1} + b), \qquad x_i = (e(a_{i-1}), f_i)

with e the one-hot code of the previous outcome (zero at the first site) and weights shared by all
sites; S starts from zero.  The site features

.. math:: f_i = \big(e^{-i/\ell}, e^{-(L-1-i)/\ell}\big)_{\ell = 1, 3, 8, 20}

(i = 0..L-1, lengths in lattice spacings) tell the cell how far both ends of an open chain are.
log q is in nats; q sums to one over the K^L strings by construction.

On a CPU in float32 the loops of :mod:`physgen.models.autoregressive.fused` run; elsewhere the
same weights run through ``torch.nn.GRU`` and its siblings, which are also the reference in tests.

References
----------
.. [1] Carrasquilla, Torlai, Melko, Aolita, "Reconstructing quantum states with generative
       models", Nature Machine Intelligence 1, 155 (2019), arXiv:1810.10584.
.. [2] Cho et al., "Learning phrase representations using RNN encoder-decoder" (2014), eq. 5-8,
       with torch's placement of the reset gate.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Support, outcomes
from physgen.core.random import Stream, as_stream
from physgen.models.autoregressive.fused import LayerWeights, draw, sequence
from physgen.models.default import FAMILY, HIDDEN, LAYERS

__all__ = ["CELLS", "RecurrentNet"]

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
FEATURE_LENGTHS = (1.0, 3.0, 8.0, 20.0)
# Random numbers are keyed by blocks of this many samples, so draws do not depend on n or
# memory; a block's gates and states fit in a second-level cache.
BLOCK = 1024


class RecurrentNet(nn.Module):
    """An autoregressive recurrent network over L sites with K outcomes each; a Density.

    Parameters
    ----------
    L : int
        Number of sites, >= 1.
    K : int
        Outcomes per site, 2..256.
    hidden : int
        Width H of each layer.
    layers : int
        Number of stacked layers.
    site_features : bool
        Feed the distances to both ends of the chain to the first layer.
    precision : {"float32", "bfloat16"}
        Factors of the recurrent products in sampling, and in scoring without gradients, on a
        CPU: bfloat16 is faster where the hardware has it and changes log q by less than about
        0.005 nats per string.  Whatever needs gradients stays in float32.
    cell : {"gru", "lstm", "rnn"}
    rng : Stream or int
        Initial weights, uniform in +-1/sqrt(H).

    Raises
    ------
    InputError
        If a size is not a positive integer, K > 256 or the cell is unknown.
    """

    features: torch.Tensor

    def __init__(
        self,
        L: int,
        K: int,
        hidden: int = HIDDEN,
        layers: int = LAYERS,
        site_features: bool = True,
        precision: str = "float32",
        *,
        cell: str = FAMILY,
        rng: Stream | int = 0,
    ) -> None:
        super().__init__()
        self.L, self.K = check_positive_int("L", L), check_positive_int("K", K, 2)
        if K > 256:
            raise InputError(f"K must be at most 256 (outcomes are stored as uint8), got {K}")
        self.cell = check_choice("cell", cell, tuple(CELLS))
        self.hidden, self.layers = (
            check_positive_int("hidden", hidden),
            check_positive_int("layers", layers),
        )
        self.site_features = bool(site_features)
        self.precision = check_choice("precision", precision, ("float32", "bfloat16"))
        features = _site_features(L) if site_features else torch.zeros(L, 0)
        self.register_buffer("features", features, persistent=False)
        width = K + features.shape[1]
        with torch.device("meta"):  # torch's own initialisation would draw from a global state
            rnn = CELLS[cell](width, hidden, num_layers=layers)
            head = nn.Linear(hidden + width, K)
        self.rnn, self.head = rnn.to_empty(device="cpu"), head.to_empty(device="cpu")
        bound, generator = 1 / math.sqrt(hidden), as_stream(rng).child("weights").torch()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
            self.head.weight[:, hidden:] = 0.0

    @property
    def config(self) -> dict[str, Any]:
        """Constructor arguments (JSON types), enough to build the same architecture again."""
        return {
            "family": self.cell,
            "L": self.L,
            "K": self.K,
            "hidden": self.hidden,
            "layers": self.layers,
            "site_features": self.site_features,
            "precision": self.precision,
        }

    @property
    def event_shape(self) -> tuple[int, ...]:
        """One outcome a site."""
        return (self.L,)

    @property
    def support(self) -> Support:
        """Outcomes 0..K-1."""
        return outcomes(self.K)

    def extra_repr(self) -> str:
        """Sizes, shown by ``repr``."""
        return f"L={self.L}, K={self.K}, n_parameters={sum(p.numel() for p in self.parameters())}"

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
            return self.forward(flat.to(self._device)).reshape(tensor.shape[:-1]).to(x.device)
        scored = [self._score(block) for block in flat.split(BLOCK)]
        result = np.concatenate(scored) if scored else np.empty(0)
        return like(result.reshape(tuple(tensor.shape[:-1])), x)

    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n independent strings, uint8 tensor (n, L) on the model's device."""
        return self.sample_and_log_prob(n, rng)[0]

    @torch.no_grad()
    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n strings (n, L) uint8 and their log q (n,) float64 in nats.

        The draws depend on `rng` alone: the first m of n draws are the m draws.
        """
        check_positive_int("n", n)
        stream = as_stream(rng).child("sample")
        strings, log_q = [], []
        for block, start in enumerate(range(0, n, BLOCK)):
            size = min(BLOCK, n - start)
            u = stream.at(block).numpy().random((BLOCK, self.L), dtype=np.float32)[:size].T.copy()
            drawn, log_prob = self._draw_fused(u) if self._fused else self._draw_torch(u)
            strings.append(drawn)
            log_q.append(log_prob)
        return torch.cat(strings), torch.cat(log_q)

    # --- the two ways to run the same weights ---------------------------------------------

    @property
    def _device(self) -> torch.device:
        return self.head.weight.device

    @property
    def _fused(self) -> bool:
        return self._device.type == "cpu" and self.head.weight.dtype == torch.float32

    def _logits(self, sites: torch.Tensor) -> torch.Tensor:
        """Logits of every site given those before it, (L, B, K), for outcomes (L, B)."""
        start = sites.new_full((1, sites.shape[1]), self.K)
        previous = torch.cat([start, sites[:-1]])
        if not self._fused:
            features = self.features.unsqueeze(1).expand(-1, sites.shape[1], -1)
            x = torch.cat([self._one_hot[previous], features], dim=-1)
            return self.head(torch.cat([self.rnn(x)[0], x], dim=-1))
        h, rows = None, previous
        for layer in self._layer_weights():
            x = layer.table
            if h is not None:
                x = nn.functional.linear(h, layer.w_in, layer.b_in)  # type: ignore
                rows = torch.arange(sites.shape[1]).expand(self.L, -1).contiguous()
            h = sequence(x, rows, layer.w, layer.b_n, self.cell)  # type: ignore[arg-type]
        w, table = self._head_weights()
        place = torch.arange(self.L).unsqueeze(1) * (self.K + 1)
        return nn.functional.linear(h, w) + table.flatten(0, 1)[place + previous]  # type: ignore

    @property
    def _one_hot(self) -> torch.Tensor:
        """Codes of outcomes 0..K-1 and, in the last row, of nothing measured yet."""
        return torch.eye(self.K + 1, self.K, device=self._device, dtype=self.head.weight.dtype)

    def _table(self, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """W x + b of every site and previous outcome, (L, K+1, G), for W of shape (G, width)."""
        by_outcome = nn.functional.pad(w[:, : self.K].t(), (0, 0, 0, 1))
        by_site = nn.functional.linear(self.features, w[:, self.K :], b)
        return by_site.unsqueeze(1) + by_outcome

    def _head_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (K, H) of the top layer, and logits by site and previous outcome."""
        w = self.head.weight
        return w[:, : self.hidden], self._table(w[:, self.hidden :], self.head.bias)

    def _layer_weights(self) -> list[LayerWeights]:
        layers = []
        for i in range(self.layers):
            w_in, w, b_in, b = (
                getattr(self.rnn, f"{name}_l{i}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            # All biases act beside the input, except the one inside a GRU's reset gate.
            if self.cell == "gru":
                outside, b_n = b.split((2 * self.hidden, self.hidden))
                b_in = b_in + nn.functional.pad(outside, (0, self.hidden))
            else:
                b_in, b_n = b_in + b, b.new_zeros(self.hidden)
            if i > 0:
                layers.append(LayerWeights(w, b_n, w_in=w_in, b_in=b_in))
                continue
            layers.append(LayerWeights(w, b_n, table=self._table(w_in, b_in)))
        return layers

    @torch.no_grad()
    def _score(self, x: torch.Tensor) -> np.ndarray:
        if not self._fused:
            return self.forward(x.to(self._device)).cpu().numpy()
        sites = np.ascontiguousarray(x.cpu().numpy().T)
        return draw(*self._weights(), given=sites, precision=self.precision)[1]

    def _weights(self) -> tuple[list[LayerWeights], tuple[torch.Tensor, torch.Tensor], str]:
        return self._layer_weights(), self._head_weights(), self.cell

    def _draw_fused(self, u: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        drawn, log_q = draw(*self._weights(), u=u, precision=self.precision)
        return torch.from_numpy(drawn.T.astype(np.uint8)), torch.from_numpy(log_q)

    def _draw_torch(self, u: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw the same strings with torch operations, on any device."""
        uniforms = torch.from_numpy(u).to(self._device)
        B, dtype = u.shape[1], self.head.weight.dtype
        previous = torch.full((B,), self.K, device=self._device)
        state, drawn = None, []
        log_q = torch.zeros(B, device=self._device, dtype=torch.float64)
        for i in range(self.L):
            features = self.features[i].expand(B, -1).to(dtype)
            x = torch.cat([self._one_hot[previous], features], -1)
            h, state = self.rnn(x.unsqueeze(0), state)
            log_p = torch.log_softmax(self.head(torch.cat([h[0], x], -1)), -1)
            edges = log_p.exp().cumsum(-1)[:, :-1].contiguous()
            previous = torch.searchsorted(edges, uniforms[i, :, None].to(dtype), right=True)[:, 0]
            log_q += log_p.gather(-1, previous[:, None])[:, 0].double()
            drawn.append(previous)
        return torch.stack(drawn, 1).to(torch.uint8), log_q

    def _check(self, x: torch.Tensor) -> None:
        if x.ndim < 1 or x.shape[-1] != self.L:
            raise InputError(f"x must have shape (..., {self.L}), got {tuple(x.shape)}")
        if x.is_floating_point() or x.is_complex():
            raise InputError(f"x must hold integer outcomes, got dtype {x.dtype}")
        if x.numel() and (int(x.min()) < 0 or int(x.max()) >= self.K):
            raise InputError(
                f"outcomes must lie in 0..{self.K - 1}, got {int(x.min())}..{int(x.max())}"
            )


def _site_features(L: int) -> torch.Tensor:
    i = torch.arange(L, dtype=torch.float64)
    columns = [torch.exp(-d / ell) for ell in FEATURE_LENGTHS for d in (i, L - 1 - i)]
    return torch.stack(columns, dim=1).float()

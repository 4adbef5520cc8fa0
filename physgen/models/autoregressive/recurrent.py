r"""Recurrent networks as normalised distributions of measurement outcomes.

.. math::

   \log q(a) = \sum_{i=1}^{L} \log \mathrm{softmax}(V h_i + S x_i + v)_{a_i}, \qquad
   h_i = \mathrm{cell}(U x_i + u,\; W h_{i-1} + b), \qquad x_i = (e(a_{i-1}), f_i)

with e the one-hot code of the previous outcome (zero at the first site) and weights shared by all
sites; S starts from zero.  The site features

.. math:: f_i = \big(e^{-i/\ell}, e^{-(L-1-i)/\ell}\big)_{\ell = 1, 3, 8, 20}

(i = 0..L-1, lengths in lattice spacings) tell the cell the distances to both ends of an open
chain.  log q is in nats; q sums to one over the K^L strings by construction.

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
from functools import partial

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.models.autoregressive.base import AutoregressiveNet, Step
from physgen.models.autoregressive.fused import LayerWeights, draw, sequence
from physgen.models.default import FAMILY, HIDDEN, LAYERS

__all__ = ["CELLS", "GRU", "LSTM", "RNN", "RecurrentNet"]

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentNet(AutoregressiveNet):
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
        CPU: bfloat16 is faster where the processor has it and changes log q by less than about
        0.005 nats per string; elsewhere a warning says that float32 is used.  Computations with
        gradients stay in float32.
    cell : {"gru", "lstm", "rnn"}
    rng : Stream or int
        Initial weights, uniform in +-1/sqrt(H).

    Raises
    ------
    InputError
        If a size is not a positive integer, K > 256 or the cell is unknown.
    """

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
        super().__init__(L, K, site_features)
        self.cell = check_choice("cell", cell, tuple(CELLS))
        self.hidden, self.layers = (
            check_positive_int("hidden", hidden),
            check_positive_int("layers", layers),
        )
        self.precision = check_choice("precision", precision, ("float32", "bfloat16"))
        with torch.device("meta"):  # torch's own initialisation would draw from a global state
            rnn = CELLS[cell](self.width, hidden, num_layers=layers)
            head = nn.Linear(hidden + self.width, K)
        self.rnn, self.head = rnn.to_empty(device="cpu"), head.to_empty(device="cpu")
        bound, generator = 1 / math.sqrt(hidden), as_stream(rng).child("weights").torch()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
            self.head.weight[:, hidden:] = 0.0

    # --- the two ways to run the same weights ---------------------------------------------

    @property
    def _fused(self) -> bool:
        return self.device.type == "cpu" and self.head.weight.dtype == torch.float32

    def _logits(self, sites: torch.Tensor) -> torch.Tensor:
        """Logits of every site given those before it, (L, B, K), for outcomes (L, B)."""
        previous = self._previous(sites)
        if not self._fused:
            self.rnn.flatten_parameters()  # on a GPU, where a copied network has them apart
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
        by_place = table.flatten(0, 1)[self._place(previous)]
        return nn.functional.linear(h, w) + by_place  # type: ignore[arg-type]

    @property
    def _one_hot(self) -> torch.Tensor:
        """Codes of outcomes 0..K-1 and, in the last row, of nothing measured yet."""
        return torch.eye(self.K + 1, self.K, device=self.device, dtype=self.head.weight.dtype)

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
            return self.forward(x.to(self.device)).cpu().numpy()
        sites = np.ascontiguousarray(x.cpu().numpy().T)
        return draw(*self._weights(), given=sites, precision=self.precision)[1]

    def _weights(self) -> tuple[list[LayerWeights], tuple[torch.Tensor, torch.Tensor], str]:
        return self._layer_weights(), self._head_weights(), self.cell

    def _draw(self, u: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        if not self._fused:
            return super()._draw(u)
        drawn, log_q = draw(*self._weights(), u=u, precision=self.precision)
        return torch.from_numpy(drawn.T.astype(np.uint8)), torch.from_numpy(log_q)

    def _walk(self, B: int) -> Step:
        state = None
        self.rnn.flatten_parameters()

        def step(i: int, previous: torch.Tensor) -> torch.Tensor:
            nonlocal state
            features = self.features[i].expand(B, -1).to(self.head.weight.dtype)
            x = torch.cat([self._one_hot[previous], features], -1)
            h, state = self.rnn(x.unsqueeze(0), state)
            return self.head(torch.cat([h[0], x], -1))

        return step


RNN = partial(RecurrentNet, cell="rnn")
GRU = partial(RecurrentNet, cell="gru")
LSTM = partial(RecurrentNet, cell="lstm")

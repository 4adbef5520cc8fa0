r"""A masked dense network of spins.

.. math:: b_{i+1} = a_{i+1} + \sum_{j \le i} \big( A_{ij} t_j + V_{ij} \cdot h^N_j \big), \qquad
          h^n_i = \tanh\Big( c^n_i + \sum_{j \le i} W^n_{ij} h^{n-1}_j \Big), \qquad
          h^0_j = t_j

(MADE: Germain et al., ICML 2015, arXiv:1502.03509).  Site i owns a block h_i of hidden units in
every layer, which see the spins up to i; masks keep the lower block triangles of A, V and W.
A draw computes every unit once, when the last spin that it sees is known.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.models.autoregressive.raster import RasterNet, Step
from physgen.models.configurations import as_tensor

__all__ = ["MaskedNet"]


@final
class MaskedNet(RasterNet):
    """An autoregressive model of spins by masked dense layers.

    Parameters
    ----------
    shape : sequence of int
        Extents of a lattice of any dimension.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Spins live on the even sublattice, in the order of ``lattice.split``.
    odd : bool
        q(-s) = q(s), exactly.
    hidden : int
        Units of a layer for each site.
    layers : int
        Hidden layers.
    rng : Stream or int
        Initial hidden weights, normal with variance 1 / (number of inputs); q is uniform.

    Raises
    ------
    InputError
        If a number is out of range, or the lattice has no even sublattice.
    """

    mask: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        odd: bool = True,
        hidden: int = 8,
        layers: int = 1,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(shape, boundary, halved, odd)
        self.hidden = check_positive_int("hidden", hidden)
        self.layers = check_positive_int("layers", layers)
        m, stream = self.n - 1, as_stream(rng).child("layer")
        self.register_buffer("mask", torch.ones(m, m).tril()[:, None, :, None], persistent=False)
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for k in range(layers):
            inputs = 1 if k == 0 else hidden
            W = stream.at(k).numpy().normal(size=(m, hidden, m * inputs))
            W /= np.sqrt(inputs * np.arange(1, m + 1))[:, None, None]
            self.weights.append(nn.Parameter(as_tensor(W.reshape(m * hidden, m * inputs))))
            self.biases.append(nn.Parameter(torch.zeros(m * hidden)))
        self.direct, self.head, self.bias = (
            nn.Parameter(torch.zeros(size)) for size in ((m, m), (m, m * hidden), (self.n,))
        )

    def _masked(self, W: torch.Tensor) -> torch.Tensor:
        m = self.n - 1
        return (W.view(m, W.shape[0] // m, m, W.shape[1] // m) * self.mask).view_as(W)

    def _fields(self, t: torch.Tensor) -> torch.Tensor:
        h = t[:, :-1]
        b = nn.functional.linear(h, self._masked(self.direct), self.bias[1:])
        for W, c in zip(self.weights, self.biases):
            h = torch.tanh(nn.functional.linear(h, self._masked(W), c))
        b = b + nn.functional.linear(h, self._masked(self.head))
        return torch.cat([self.bias[:1].expand(len(t), 1), b], 1)

    def _walk(self, B: int) -> Step:
        m, H = self.n - 1, self.hidden
        t = self.bias.new_zeros(m, B)
        units = [self.bias.new_zeros(m * H, B) for _ in range(self.layers)]

        def step(i: int, previous: torch.Tensor) -> torch.Tensor:
            if i == 0:
                return self.bias[0].expand(B)
            t[i - 1] = previous
            h, block = t[:i], slice((i - 1) * H, i * H)
            for W, c, layer in zip(self.weights, self.biases, units):
                layer[block] = torch.tanh(W[block, : len(h)] @ h + c[block, None])
                h = layer[: i * H]
            linear = self.direct[i - 1, :i] @ t[:i]
            return self.bias[i] + linear + self.head[i - 1, : i * H] @ h

        return step

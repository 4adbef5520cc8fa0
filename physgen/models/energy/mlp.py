r"""A dense energy of real fields: a network of bounded size in a quadratic well.

.. math:: S(x) = \frac{e^{\rho}}{2} |\varphi|^2 + v \cdot h_n , \qquad
          h_{l} = \tanh(W_l h_{l-1} + b_l) , \quad h_0 = \varphi = x / \text{scale} ,

or, made even, the mean of this at x and -x.  The network lies within :math:`\pm |v|_1` and the
well has a positive curvature, so :math:`e^{-S}` is normalisable whatever the weights.

With a range of noises it is the energy of every smoothed law :math:`p * N(0, \sigma^2)`:

.. math:: S(x; \sigma) = \frac{|x|^2}{2 (e^{-\rho} \text{scale}^2 + \sigma^2)} + v \cdot h_n ,

the smoothed Gaussian, and :math:`\log\sigma`, scaled to [-1, 1], is one more input of the first
layer.  ``forward`` is then the energy at the lowest noise.

It knows no lattice: for fields of many sites take
:class:`~physgen.models.energy.convolutional.ConvolutionalEnergy`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.models.energy.base import Energy
from physgen.models.energy.noise import checked_range, place_of, require_range

__all__ = ["MlpEnergy"]


@final
class MlpEnergy(Energy):
    """A dense network of hyperbolic tangents in a quadratic well.

    Parameters
    ----------
    shape : tuple of int
    boundary : {"periodic", "open"}, or one of them for each axis, or None
        Of the lattice, for observables; the network does not use it.
    hidden, layers : int
        Units of a layer, and layers.
    even : bool
        Make S(-x) = S(x), for twice the cost.
    scale : float
        Size of a typical field, > 0.
    noise_range : (low, high), optional
        Standard deviations of the noise that the energy is a function of, 0 < low < high.
    rng : Stream or int
        First weights.

    Attributes
    ----------
    weights, biases : list of parameters
        W_l (hidden, inputs) and b_l (hidden,), of the layers in their order.
    out : parameter (hidden,)
        v.
    log_curvature : parameter ()
        rho.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    def __init__(
        self,
        shape: Any,
        boundary: Any = None,
        hidden: int = 64,
        layers: int = 2,
        even: bool = False,
        scale: float = 1.0,
        noise_range: Sequence[float] | None = None,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(shape, REALS, boundary, even=even, scale=scale)
        self.hidden = check_positive_int("hidden", hidden)
        self.layers = check_positive_int("layers", layers)
        self.noise_range = None if noise_range is None else checked_range(noise_range)
        generator = as_stream(rng).child("weights").torch()
        sizes = [math.prod(self.shape), *[self.hidden] * self.layers]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(m, n, generator=generator) / math.sqrt(n))
            for n, m in itertools.pairwise(sizes)
        )
        self.biases = nn.ParameterList(
            nn.Parameter(0.5 * torch.randn(m, generator=generator)) for m in sizes[1:]
        )
        self.out = nn.Parameter(0.01 * torch.randn(self.hidden, generator=generator))
        self.log_curvature = nn.Parameter(torch.tensor(0.0))
        if self.noise_range is not None:
            self.by_noise = nn.Parameter(0.1 * torch.randn(self.hidden, generator=generator))

    @classmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return shape, boundary, even and scale, as a source of real fields declares them."""
        del options
        return cls.lattice_arguments(source, REALS, rng)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return S (B,) float64, differentiable in weights and fields."""
        if self.noise_range is not None:
            return self.forward_at(x, torch.full((len(x),), self.noise_range[0]).to(x))
        field = x.flatten(1) / self.scale
        well = 0.5 * self.log_curvature.double().exp() * field.double().square().sum(1)
        return well + self._network(field, None)

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """("mlp", (W_1 / scale, the other W, b, v, [a, m])), float32 and float64, for chains.

        a = e^rho / (2 scale^2), and m = 2 if the energy is even, else 1.  An energy with a range
        of noises has no kernel.
        """
        if self.noise_range is not None:
            raise AttributeError("an energy with a range of noises has no compiled loop")
        if self.dtype not in (torch.float32, torch.float64):
            raise AttributeError(f"weights of {self.dtype} have no compiled loop")
        weights = [to_numpy(W).astype(np.float32) for W in self.weights]
        square = (self.layers - 1, self.hidden, self.hidden)
        rest = np.array(weights[1:], np.float32).reshape(square)
        biases = np.stack([to_numpy(b) for b in self.biases]).astype(np.float32)
        a = 0.5 * math.exp(float(self.log_curvature.detach())) / self.scale**2
        numbers = np.array([a, 2.0 if self.even else 1.0])
        first = np.ascontiguousarray(weights[0] / np.float32(self.scale))
        return "mlp", (first, rest, biases, to_numpy(self.out).astype(np.float32), numbers)

    def forward_at(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Return the energy (B,) of the law smoothed by N(0, sigma^2), sigma (B,).

        Raises
        ------
        InputError
            If the model has no range of noises.
        """
        noises = require_range(self.noise_range)
        field = x.flatten(1) / self.scale
        variance = (-self.log_curvature.double()).exp() + (sigma.double() / self.scale).square()
        well = 0.5 * field.double().square().sum(1) / variance
        return well + self._network(field, place_of(sigma, noises).to(field))

    def _network(self, field: torch.Tensor, place: torch.Tensor | None) -> torch.Tensor:
        if not self.even:
            return self._units(field, place)
        twice = None if place is None else torch.cat([place, place])
        return self._units(torch.cat([field, -field]), twice).view(2, -1).mean(0)

    def _units(self, h: torch.Tensor, place: torch.Tensor | None) -> torch.Tensor:
        for i, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            drive = h @ W.T + b
            if i == 0 and place is not None:
                drive = drive + place.unsqueeze(1) * self.by_noise
            h = torch.tanh(drive)
        return (h @ self.out).double()

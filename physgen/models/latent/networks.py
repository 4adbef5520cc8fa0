r"""Networks of encoders and decoders: heads that are odd and even functions of their input.

With one hidden layer of tanh units, :math:`h = \tanh(W x)`, and more of them behind it,

.. math:: l = A x , \qquad u = B h , \qquad v = c + \beta \tanh(C h^2 / \beta) ,

l and u are odd in x, v is even and stays near a learned constant c (widths and shares must not run
away).  A network that is not odd has biases too.  `Convolution` has kernels as large as a periodic
lattice, so W, A, B and C commute with translations of its sites; `Dense` has whole matrices.
"""

from __future__ import annotations

import math
from typing import NamedTuple, final

import numpy as np
import torch
from torch import nn

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.geometry import Geometry

__all__ = ["NETS", "Convolution", "Dense", "Heads", "Sizes", "displacements"]

NETS = ("convolution", "dense")
BOUND = 0.5  # how far even heads go from their constants
LINEAR = 0.5  # first linear map, in units of the identity
FIRST = 1.5  # size of the first kernels


class Sizes(NamedTuple):
    """Sizes of a network.

    Attributes
    ----------
    n_in, n_out : int
        Places of the input, and of the output.
    per_place : int
        Numbers of the input at a place.
    free, bounded : int
        Numbers u, and v, at a place of the output.
    """

    n_in: int
    n_out: int
    per_place: int
    free: int
    bounded: int


class Heads(NamedTuple):
    """What a network says: l (B, n_out), u (B, n_out, free), v (B, n_out, bounded), and h."""

    linear: torch.Tensor
    free: torch.Tensor
    bounded: torch.Tensor
    hidden: torch.Tensor


class _Net(nn.Module):
    """The parts that both networks have."""

    linear: nn.Parameter
    weights: nn.ParameterList
    free: nn.Parameter
    bounded: nn.Parameter

    def __init__(self, sizes: Sizes, odd: bool, n_constants: int) -> None:
        super().__init__()
        self.sizes, self.odd = sizes, odd
        self.gain = nn.Parameter(torch.zeros(sizes.free))
        self.constant = nn.Parameter(torch.zeros(n_constants, sizes.bounded))
        self.offset = None if odd else nn.Parameter(torch.zeros(n_constants, sizes.free))

    def _heads(
        self, linear: torch.Tensor, h: torch.Tensor, odd: torch.Tensor, even: torch.Tensor
    ) -> Heads:
        odd = odd + self.gain * linear[..., None]
        if self.offset is not None:
            odd = odd + self.offset
        return Heads(linear, odd, BOUND * torch.tanh(even / BOUND) + self.constant, h)


@final
class Convolution(_Net):
    """Kernels as large as the lattice.

    Parameters
    ----------
    index : ndarray of int (N, N)
        Number of the displacement between two sites (:func:`displacements`).
    sizes : Sizes
        With n_in = n_out = N.
    channels, layers : int
        Hidden units a site, and hidden layers.
    odd : bool
    rng : Stream
    """

    index: torch.Tensor

    def __init__(
        self, index: np.ndarray, sizes: Sizes, channels: int, layers: int, odd: bool, rng: Stream
    ) -> None:
        super().__init__(sizes, odd, 1)
        n, g = len(index), rng.torch()
        self.register_buffer("index", torch.from_numpy(index), persistent=False)
        first = torch.randn(channels, sizes.per_place, n, generator=g) * (FIRST / math.sqrt(n))
        more = [
            torch.randn(channels, channels, n, generator=g) / math.sqrt(n * channels)
            for _ in range(layers - 1)
        ]
        self.weights = nn.ParameterList([first, *more])
        self.biases = None if odd else nn.Parameter(torch.zeros(layers, channels, 1))
        linear = torch.zeros(sizes.per_place, n)
        linear[0, 0] = LINEAR
        self.linear = nn.Parameter(linear)
        self.free = nn.Parameter(torch.zeros(channels, sizes.free, n))
        self.bounded = nn.Parameter(torch.zeros(channels, sizes.bounded, n))

    def forward(self, x: torch.Tensor) -> Heads:
        """Return the heads of x (B, n_in, per_place)."""
        h = x.transpose(1, 2).flatten(1)
        linear = h @ self._matrix(self.linear[:, None])
        for k, weight in enumerate(self.weights):
            h = h @ self._matrix(weight.transpose(0, 1))
            if self.biases is not None:
                h = h + self.biases[k].expand(-1, self.sizes.n_in).flatten()
            h = torch.tanh(h)
        odd, even = (
            (value @ self._matrix(kernel)).unflatten(1, kernel.shape[1:]).transpose(1, 2)
            for value, kernel in ((h, self.free), (h * h, self.bounded))
        )
        return self._heads(linear, h, odd, even)

    def _matrix(self, kernel: torch.Tensor) -> torch.Tensor:
        """Return the matrix (a * N, b * N) of kernels (a, b, N)."""
        a, b, n = kernel.shape
        return kernel[..., self.index].permute(0, 2, 1, 3).reshape(a * n, b * n)

    def circulant(self, kernel: torch.Tensor) -> torch.Tensor:
        """Return the matrix (N, N) of one kernel (N,)."""
        return kernel[self.index]


@final
class Dense(_Net):
    """Whole matrices: no lattice is known.

    Parameters
    ----------
    sizes : Sizes
    width, layers : int
        Hidden units, and hidden layers.
    odd : bool
    rng : Stream
    """

    def __init__(self, sizes: Sizes, width: int, layers: int, odd: bool, rng: Stream) -> None:
        super().__init__(sizes, odd, sizes.n_out)
        g, n = rng.torch(), sizes.n_in * sizes.per_place
        first = torch.randn(n, width, generator=g) * (FIRST / math.sqrt(n))
        more = [
            torch.randn(width, width, generator=g) / math.sqrt(width) for _ in range(layers - 1)
        ]
        self.weights = nn.ParameterList([first, *more])
        self.biases = None if odd else nn.Parameter(torch.zeros(layers, width))
        size = LINEAR / math.sqrt(max(n / sizes.n_out, 1))
        linear = torch.randn(n, sizes.n_out, generator=g) * (LINEAR / math.sqrt(n))
        self.linear = nn.Parameter(size * torch.eye(n) if n == sizes.n_out else linear)
        self.free = nn.Parameter(torch.zeros(width, sizes.n_out, sizes.free))
        self.bounded = nn.Parameter(torch.zeros(width, sizes.n_out, sizes.bounded))

    def forward(self, x: torch.Tensor) -> Heads:
        """Return the heads of x (B, n_in, per_place)."""
        h = x.flatten(1)
        linear = h @ self.linear
        for k, weight in enumerate(self.weights):
            h = h @ weight
            h = torch.tanh(h if self.biases is None else h + self.biases[k])
        odd, even = (
            (value @ weight.flatten(1)).unflatten(1, weight.shape[1:])
            for value, weight in ((h, self.free), (h * h, self.bounded))
        )
        return self._heads(linear, h, odd, even)


def displacements(geometry: Geometry) -> np.ndarray:
    """Return the number of the displacement between every two sites, (N, N); 0 on the diagonal.

    Raises
    ------
    InputError
        If the lattice is not periodic.
    """
    lattice: Hypercubic = geometry.lattice
    if not lattice.is_periodic:
        raise InputError(
            f"a convolution needs a periodic lattice, got boundary {lattice.boundary!r}; take "
            "net='dense'"
        )
    sites = lattice.even_sites if geometry.halved else np.arange(lattice.n_sites)
    shape, at = np.array(lattice.shape), lattice.coordinates[sites]
    position = np.full(lattice.shape, -1)
    position[tuple(at.T)] = np.arange(len(sites))
    off = (at[None] - at[:, None]) % shape
    return position[tuple(np.moveaxis(off, -1, 0))]

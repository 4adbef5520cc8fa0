r"""Critics: functions D(x) of configurations, which a generator is trained against.

A critic is a module of parameters only: no running statistics, no batch normalisation (it would
mix the draws of a batch, and penalties are for single ones).  Its weights live in the state of a
fit (:mod:`physgen.training.critic_state`).

The critic of a lattice looks at products of neighbours,

.. math:: q_{d}(x) = x \cdot x_{+d} , \qquad d = 0, e_\mu, e_\mu \pm e_\nu ,

through a convolution, at means and spreads of what it sees over the lattice, and at the smallest
momenta, :math:`\sqrt V m^2` and :math:`|\tilde x_k|^2`, which no small filter sees.  With an even
law no more is needed; otherwise x and m stand beside the products.

With ``spectral`` every linear map is divided by its norm, the largest factor by which it stretches
a vector: of a convolution around a lattice the largest singular value of its matrix at any
momentum, exactly, and no power iteration whose state would have to be kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.adversarial.nets import MAX_DIM, Convolution

__all__ = ["DenseCritic", "LatticeCritic", "convolution_norm", "default_critic"]

SLOPE = 0.2  # of the leaky rectifier
TINY = 1e-6  # below a spread: the slope of a square root has no end at 0


def default_critic(
    shape: tuple[int, ...],
    lattice: Hypercubic | None,
    *,
    even: bool,
    scale: float,
    rng: Stream,
    outputs: int = 1,
    inputs: int = 0,
    spectral: bool = False,
) -> nn.Module:
    """Return the critic of a lattice where there is one of at most 3 dimensions, else a dense one.

    Parameters
    ----------
    shape : tuple of int
        Of one configuration.
    lattice : Hypercubic or None
    even : bool
        D(-x) = D(x).
    scale : float
        Size of a typical field.
    rng : Stream
    outputs, inputs, spectral
        As of :class:`DenseCritic`.
    """
    how = {"even": even, "scale": scale, "rng": rng}
    sizes = {"outputs": outputs, "inputs": inputs}
    if lattice is None or lattice.shape != shape or lattice.dim > MAX_DIM:
        return DenseCritic(shape, spectral=spectral, **sizes, **how)
    return LatticeCritic(lattice, spectral=spectral, **sizes, **how)


class DenseCritic(nn.Module):
    """A network of leaky rectifiers, made even if asked for.

    Parameters
    ----------
    shape : tuple of int
    hidden, layers : int
        Units of a layer, and layers of them.
    even : bool
        The mean of the network at x and -x.
    scale : float
        The network sees x / scale.
    outputs : int
        1: D has shape (B,); more: (B, outputs), features for a kernel.
    inputs : int
        Numbers beside x that D depends on, e.g. a coupling.
    spectral : bool
        Divide each matrix by its largest singular value.
    rng : Stream or int

    Raises
    ------
    InputError
        If `hidden`, `outputs` or `scale` is not positive.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: int = 64,
        layers: int = 2,
        *,
        even: bool = False,
        scale: float = 1.0,
        outputs: int = 1,
        inputs: int = 0,
        spectral: bool = False,
        rng: Stream | int,
    ) -> None:
        super().__init__()
        self.even, self.scale, self.spectral = even, check_positive("scale", scale), spectral
        self.outputs = check_positive_int("outputs", outputs)
        generator = as_stream(rng).child("critic").torch()
        sizes = [math.prod(shape) + inputs, *[check_positive_int("hidden", hidden)] * layers]
        self.maps = _Maps([*sizes, outputs], spectral, generator)

    def forward(self, x: torch.Tensor, beside: torch.Tensor | None = None) -> torch.Tensor:
        """Return D (B,) or (B, outputs) of (B, *shape), and of numbers beside them (B, inputs)."""
        flat = x.flatten(1) / self.scale
        found = self._units(flat, beside)
        if self.even:
            found = 0.5 * (found + self._units(-flat, beside))
        return found[:, 0] if self.outputs == 1 else found

    def _units(self, h: torch.Tensor, beside: torch.Tensor | None) -> torch.Tensor:
        h = h if beside is None else torch.cat([h, beside.to(h)], 1)
        return self.maps(h)


class LatticeCritic(nn.Module):
    """Products of neighbours through a convolution, their means and spreads, and small momenta.

    Parameters
    ----------
    lattice : Hypercubic
        Of at most 3 dimensions.
    channels, hidden : int
        Channels of the convolution, and units behind the means.
    even, scale, outputs, inputs, spectral, rng
        As of :class:`DenseCritic`.

    Raises
    ------
    InputError
        If the lattice has more than three dimensions, or a number is not positive.
    """

    def __init__(
        self,
        lattice: Hypercubic,
        channels: int = 16,
        hidden: int = 64,
        *,
        even: bool = False,
        scale: float = 1.0,
        outputs: int = 1,
        inputs: int = 0,
        spectral: bool = False,
        rng: Stream | int,
    ) -> None:
        super().__init__()
        if lattice.dim > MAX_DIM:
            raise InputError(
                f"the lattice must have at most {MAX_DIM} dimensions, got {lattice!r}"
            )
        check_positive_int("channels", channels)
        check_positive_int("hidden", hidden)
        self.even, self.scale, self.spectral = even, check_positive("scale", scale), spectral
        self.outputs, self.dim = check_positive_int("outputs", outputs), lattice.dim
        self.shape = lattice.shape
        self.displacements = tuple(_displacements(lattice.dim))
        generator = as_stream(rng).child("critic").torch()
        shape = (1, *lattice.shape)
        self.inside: torch.Tensor
        inside = [_inside(lattice, d).reshape(shape) for d in self.displacements]
        self.register_buffer("inside", torch.stack(inside, 1), persistent=False)
        n = len(self.displacements) + (0 if even else 1)
        words = lattice.boundaries
        self.near = Convolution(words, n, channels, 1, bias=True, generator=generator)
        self.here = Convolution(words, channels, channels, 0, bias=True, generator=generator)
        n_pooled = 2 * channels + 1 + lattice.dim + (0 if even else 1) + inputs
        self.maps = _Maps([n_pooled, hidden, outputs], spectral, generator)

    def forward(self, x: torch.Tensor, beside: torch.Tensor | None = None) -> torch.Tensor:
        """Return D (B,) or (B, outputs) of (B, *shape), and of numbers beside them (B, inputs)."""
        x, axes = x / self.scale, tuple(range(1, self.dim + 1))
        seen = self.products(x)
        if not self.even:
            seen = torch.cat([seen, x[:, None]], 1)
        h = F.leaky_relu(self._convolved(self.near, seen), SLOPE)
        h = h + F.leaky_relu(self._convolved(self.here, h), SLOPE)
        flat = h.flatten(2)
        spread = (flat.var(2, correction=0) + TINY).sqrt()
        m = x.mean(axes)[:, None]
        pooled = [flat.mean(2), spread, m.square() * math.prod(self.shape) ** 0.5, self._waves(x)]
        pooled += [] if self.even else [m]
        pooled += [] if beside is None else [beside.to(x)]
        found = self.maps(torch.cat(pooled, 1))
        return found[:, 0] if self.outputs == 1 else found

    def products(self, x: torch.Tensor) -> torch.Tensor:
        """Return x times each of its neighbours (B, n, *shape), 0 beyond an open end."""
        axes = tuple(range(1, self.dim + 1))
        found = [x * x.roll(tuple(-step for step in d), axes) for d in self.displacements]
        return torch.stack(found, 1) * self.inside

    def _waves(self, x: torch.Tensor) -> torch.Tensor:
        """Return the squares of the smallest momentum along each axis (B, dim)."""
        found = []
        for axis, extent in enumerate(self.shape):
            others = tuple(a + 1 for a in range(self.dim) if a != axis)
            line = x.sum(others) if others else x
            phase = 2 * math.pi * torch.arange(extent, device=x.device) / extent
            square = (line @ phase.cos().to(x)).square() + (line @ phase.sin().to(x)).square()
            found.append(square / math.prod(self.shape))
        return torch.stack(found, 1)

    def _convolved(self, layer: Convolution, x: torch.Tensor) -> torch.Tensor:
        if not self.spectral:
            return layer(x)
        bias = layer.bias.view(-1, *[1] * self.dim) if layer.bias is not None else 0.0
        return (layer(x) - bias) / convolution_norm(layer, self.shape) + bias


def convolution_norm(layer: Convolution, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the largest singular value of a convolution around a lattice, differentiable.

    The convolution is diagonal in momentum: the value is the largest one of the matrices
    (outputs, inputs) at all momenta.  On an open axis, where zeros stand beyond the ends, it is
    the norm around a ring of twice the extent at least, and bounds the norm from above.
    """
    axes = tuple(range(2, 2 + len(shape)))
    pairs = zip(shape, layer.boundaries, strict=True)
    sizes = [n if word == "periodic" else 2 * n + 2 * layer.reach for n, word in pairs]
    # A filter that is wider than a ring meets itself: fold it before the transform.
    kernel = layer.weight
    for axis, n in zip(axes, sizes, strict=True):
        at = torch.arange(kernel.shape[axis], device=kernel.device) % n
        folded = list(kernel.shape)
        folded[axis] = n
        kernel = kernel.new_zeros(folded).index_add(axis, at, kernel)
    waves = torch.fft.fftn(kernel, dim=axes).flatten(2).permute(2, 0, 1)
    return torch.linalg.matrix_norm(waves, ord=2).max().clamp_min(TINY)


def _displacements(dim: int) -> Iterator[tuple[int, ...]]:
    """Yield 0, e_mu and e_mu +- e_nu."""
    unit = [tuple(int(a == b) for b in range(dim)) for a in range(dim)]
    yield (0,) * dim
    yield from unit
    for a, b in itertools.combinations(unit, 2):
        for sign in (1, -1):
            yield tuple(i + sign * j for i, j in zip(a, b, strict=True))


def _inside(lattice: Hypercubic, d: tuple[int, ...]) -> torch.Tensor:
    """Return 1 where the neighbour at displacement d is on the lattice, else 0, (n_sites,)."""
    keep = torch.ones(lattice.n_sites)
    for mu, (step, extent) in enumerate(zip(d, lattice.shape, strict=True)):
        if lattice.boundaries[mu] == "open":
            at = torch.tensor(lattice.coordinates[:, mu] + step)
            keep = keep * ((at >= 0) & (at < extent))
    return keep


class _Maps(nn.Module):
    """Linear maps with leaky rectifiers between them.

    First weights are normal, of variance 2 / inputs, and first biases 0.
    """

    def __init__(self, sizes: list[int], spectral: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.spectral, pairs = spectral, list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(m, n, generator=generator) * math.sqrt(2 / n))
            for n, m in pairs
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(m)) for _, m in pairs)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Return the last map (B, m) of h (B, n)."""
        for k, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if self.spectral:
                W = W / torch.linalg.matrix_norm(W, ord=2).clamp_min(TINY)
            h = F.linear(h, W, b)
            if k < len(self.weights) - 1:
                h = F.leaky_relu(h, SLOPE)
        return h

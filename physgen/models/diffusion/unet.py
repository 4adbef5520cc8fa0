r"""A periodic U-Net: fine scales, coarse scales, and back, with every symmetry of the lattice.

.. math:: e_l = \tanh\big( g_l \, K_l * e_{l-1} \big) , \qquad
          d_l = \tanh\big( g'_l \, K'_l * [d_{l+1}, e_l] \big) , \qquad N = A * d_0

with 3 x 3 kernels whose taps lie :math:`2^l` sites apart, gains g that depend on the time, and
joined channels [ , ].  Scales are reached by the distance of the taps, not by leaving out sites: a
U-Net that halves the lattice is equivariant under shifts by whole blocks only.  Kernels have one
number an orbit of taps (reflections, and the point group), there is no bias where N is odd, and no
norm over the axes of the lattice, which would tie the weights to its size.

Every site depends on every other, so the exact divergence takes n passes: densities of small
systems.  Draws of the samplers (:meth:`~physgen.models.ScoreModel.diffuse`) need none.
(Ronneberger et al. 2015; Yu, Koltun 2016.)
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import as_tensor
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.space_net import SpaceNet, first, mixture

__all__ = ["UNet"]

LEVELS = 3
_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@final
class UNet(SpaceNet):
    """The network N.

    Parameters
    ----------
    filters : Filters
    channels : int
        Of the finest scale; the others have twice as many.
    times : int
        M.
    odd : bool
        N(-x) = -N(x).
    rng : Stream or int
        Kernels to begin with; the last one begins at zero.

    Raises
    ------
    InputError
        If the lattice has more than three axes.
    """

    kind, most_sites = "unet", 128
    site: torch.Tensor
    own: torch.Tensor
    share: torch.Tensor

    def __init__(
        self, filters: Filters, channels: int, times: int, odd: bool, rng: Stream | int
    ) -> None:
        super().__init__(filters)
        self.shape = filters.lattice.shape
        self.dim = len(self.shape)
        if self.dim not in _CONV:
            raise InputError(
                f"a U-Net takes lattices of 1 to 3 axes, got {self.dim}; take net = 'local'"
            )
        sites = np.full(filters.lattice.n_sites, filters.n)  # the last one is zero
        sites[filters.sites] = np.arange(filters.n)
        self.register_buffer("site", torch.as_tensor(sites), persistent=False)
        self.register_buffer("own", torch.as_tensor(filters.sites), persistent=False)
        taps = np.abs(np.indices((3,) * self.dim) - 1).reshape(self.dim, -1).T
        taps = np.sort(taps, axis=1) if filters.point_group else taps
        names, orbit = np.unique(taps, axis=0, return_inverse=True)
        self.orbits, orbit = len(names), orbit.ravel()
        share = np.eye(self.orbits)[orbit] / np.sqrt(np.bincount(orbit))
        self.register_buffer(
            "share", as_tensor(share.reshape((3,) * self.dim + (-1,))), persistent=False
        )
        levels = [2**level for level in range(LEVELS) if 2 ** (level + 1) <= min(self.shape)]
        self.steps = levels or [1]
        draw = as_stream(rng).child("u-net").numpy()
        wide, deep = channels, len(self.steps)
        down = [(1, wide)] + [(2 * wide if k else wide, 2 * wide) for k in range(deep - 1)]
        up = [(4 * wide, 2 * wide)] * (deep - 2) + [(3 * wide, wide)] * (deep > 1)
        self.down = nn.ParameterList(self._kernel(draw, *pair) for pair in down)
        self.up = nn.ParameterList(self._kernel(draw, *pair) for pair in up)
        widths = [pair[1] for pair in (*down, *up)]
        self.gains = nn.ParameterList(nn.Parameter(torch.ones(times, J)) for J in widths)
        self.out = nn.Parameter(torch.zeros(times, wide, self.orbits))
        self.bias = None
        if not odd:
            self.bias = nn.ParameterList(first(draw, times, J, size=0.3) for J in widths)

    @property
    def passes(self) -> int:
        """Fields in the memory that a divergence of one field takes."""
        return self.n * self.out.shape[1]

    def _kernel(self, draw: np.random.Generator, ins: int, outs: int) -> nn.Parameter:
        size = 1 / np.sqrt(ins * self.orbits)
        return nn.Parameter(as_tensor(size * draw.normal(size=(outs, ins, self.orbits))))

    @property
    def stars(self) -> tuple[np.ndarray, ...]:
        """One star of all modes: the numbers of A do not depend on the momentum."""
        return (np.arange(self.n),)

    def values(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return N (B, n) of fields of sites x (B, n)."""
        out = mixture(self.out, weights).expand(len(x), *self.out.shape[1:])
        return torch.einsum("bjon,bjo->bn", self._last(x, weights), out)

    def features(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return what N is linear in, (B, F, n) in modes."""
        h = self._last(x @ self.modes.t(), weights).flatten(1, 2) @ self.modes
        return (weights[:, :, None, None] * h[:, None]).flatten(1, 2)

    @torch.no_grad()
    def assign(self, numbers: np.ndarray) -> None:
        """Set the kernel A to given factors of the features, (F, 1)."""
        self.out.copy_(torch.as_tensor(numbers.reshape(self.out.shape)))

    @torch.no_grad()
    def carry_over(self, other: Any) -> None:
        """Take the kernels of a U-Net on another lattice.

        Raises
        ------
        InputError
            If its symmetries or its number of scales differ.
        """
        mine, theirs = dict(self.named_parameters()), dict(other.named_parameters())
        shapes = [{name: tuple(p.shape) for name, p in each.items()} for each in (mine, theirs)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"a U-Net transfers between lattices of equal symmetries and scales, got "
                f"{other.shape} with {len(other.steps)} scales and {self.shape} with "
                f"{len(self.steps)}; take net = 'local' or 'filters'"
            )
        for name, p in mine.items():
            p.copy_(theirs[name])

    def _last(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return d_0, summed over each orbit of taps, on the sites: (B, J, O, n)."""
        padded = torch.cat([x, x.new_zeros(len(x), 1)], 1)
        h = padded[:, self.site].view(len(x), 1, *self.shape)
        kept: list[torch.Tensor] = []
        for layer, (kernel, step) in enumerate(zip(self.down, self.steps, strict=True)):
            h = self._layer(h, kernel, step, layer, weights)
            kept.append(h)
        kept.pop()
        for layer, (kernel, step) in enumerate(zip(self.up, self.steps[-2::-1], strict=True)):
            h = torch.cat([h, kept.pop()], 1)
            h = self._layer(h, kernel, step, len(self.down) + layer, weights)
        one_by_one = h.flatten(0, 1)[:, None]
        spread = self._convolved(one_by_one, torch.eye(self.orbits).to(x)[:, None], 1)
        return spread.view(len(x), -1, self.orbits, len(self.site))[..., self.own]

    def _layer(
        self, h: torch.Tensor, kernel: torch.Tensor, step: int, layer: int, weights: torch.Tensor
    ) -> torch.Tensor:
        ones = (1,) * self.dim
        gain = (weights @ self.gains[layer]).unflatten(1, (-1, *ones))
        h = self._convolved(h, kernel, step) * gain
        if self.bias is not None:
            h = h + (weights @ self.bias[layer]).unflatten(1, (-1, *ones))
        return torch.tanh(h)

    def _convolved(self, h: torch.Tensor, kernel: torch.Tensor, step: int) -> torch.Tensor:
        """Return a periodic convolution with a kernel given by orbits, (outs, ins, O)."""
        for axis in range(2, 2 + self.dim):
            length = h.shape[axis]
            ends = h.narrow(axis, length - step, step), h.narrow(axis, 0, step)
            h = torch.cat([ends[0], h, ends[1]], axis)
        taps = torch.einsum("...o,abo->ab...", self.share, kernel)
        return _CONV[self.dim](h, taps, dilation=step)

r"""Gated convolutions over rows of spins, in two stacks without a blind spot.

.. math::

   f^n = P^n * v^{n-1} + p^n, \qquad g^n = R^n * h^{n-1} + r^n + Q^n f^n, \qquad
   v^n = v^{n-1} + \gamma(f^n), \qquad h^n = h^{n-1} + O^n \gamma(g^n),

with the gate :math:`\gamma(f_1, f_2) = \tanh f_1 \odot \sigma(f_2)` and b = w h^N + a (PixelCNN:
van den Oord et al., NeurIPS 2016, arXiv:1606.05328).  The vertical stack v knows the rows above a
site: v^0 are the spins one row up, and P sees the rows r, r - 1, ... and columns on both sides.
The horizontal stack h knows the row up to the site: h^0 is the spin on the left, and R sees the
columns c, c - 1, ...  Where rows are rings, P sees them as rings; above the first row are zeros.
The first layer has nothing to add to; adding up v as well as h is an extension of PixelCNN.

Of the even sublattice, odd rows are shifted by half a step; their parity is a second channel of
v^0.  A draw computes v once a row and h once a site.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
import torch
from torch import nn
from torch.nn.functional import conv2d, linear, pad

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.autoregressive.raster import RasterNet, Step
from physgen.models.configurations import as_tensor

__all__ = ["PixelNet"]


@final
class PixelNet(RasterNet):
    """An autoregressive model of spins on a square lattice by gated convolutions.

    Parameters
    ----------
    shape : sequence of two int
        Extents of a lattice.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Spins live on the even sublattice, in the order of ``lattice.split``.
    odd : bool
        q(-s) = q(s), exactly.
    hidden : int
        Channels of each stack.
    layers : int or None
        Number N of layers; None: the fewest with which the last site sees the first one.
    kernel : int
        Odd width >= 3 of the window around a site; a layer sees the known part of it.
    rng : Stream or int
        Initial weights, normal with variance 1 / (number of inputs); q is uniform.

    Raises
    ------
    InputError
        If a number is out of range, the lattice is not two-dimensional, or rows of its even
        sublattice differ in length.
    """

    columns: torch.Tensor
    parity: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        odd: bool = True,
        hidden: int = 16,
        layers: int | None = None,
        kernel: int = 5,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(shape, boundary, halved, odd)
        H = self.hidden = check_positive_int("hidden", hidden)
        if check_positive_int("kernel", kernel, 3) % 2 == 0:
            raise InputError(f"kernel must be odd, with a site in its middle, got {kernel}")
        self.kernel, self.reach = kernel, kernel // 2
        (rows, width), p = self.grid, self.reach
        covering = max(1, math.ceil(max(rows - 2, width - 1) / p))
        self.layers = covering if layers is None else check_positive_int("layers", layers)
        around = torch.arange(-p, width + p)
        if self.lattice.boundaries[1] == "open":  # column `width` holds zeros
            around = torch.where((around < 0) | (around >= width), width, around)
        else:
            around = around % width
        self.register_buffer("columns", around, persistent=False)
        parity = 1.0 - 2.0 * (torch.arange(rows) % 2)
        self.register_buffer("parity", parity[:, None].expand(rows, width), persistent=False)
        stream = as_stream(rng).child("layer")
        lists = (nn.ParameterList() for _ in range(6))
        self.P, self.p, self.R, self.r, self.Q, self.O = lists
        for k in range(self.layers):
            generator, above, left = stream.at(k).numpy(), 1 + self.halved, 1
            if k > 0:
                above = left = H
            self.P.append(_normal(generator, (2 * H, above, p + 1, kernel)))
            self.R.append(_normal(generator, (2 * H, left, 1, p + 1)))
            self.Q.append(_normal(generator, (2 * H, 2 * H)))
            self.O.append(_normal(generator, (H, H)))
            self.p.append(nn.Parameter(torch.zeros(2 * H)))
            self.r.append(nn.Parameter(torch.zeros(2 * H)))
        self.w, self.a = nn.Parameter(torch.zeros(1, H)), nn.Parameter(torch.zeros(1))

    def _framed(self, v: torch.Tensor) -> torch.Tensor:
        """Return rows (B, C, R, W + 2 p), extended beyond both ends as the window sees them."""
        return pad(v, (0, 1)).index_select(3, self.columns)

    def _above(self, rows: torch.Tensor, first: int) -> torch.Tensor:
        """Return the channels (B, C, R, W) of rows of spins (B, R, W) that start at `first`."""
        if not self.halved:
            return rows[:, None]
        parity = self.parity[first : first + rows.shape[1]].to(rows.dtype).expand_as(rows)
        return torch.stack([rows, parity], 1)

    def _fields(self, t: torch.Tensor) -> torch.Tensor:
        image, p = t.view(-1, *self.grid), self.reach
        v = pad(self._above(image[:, :-1], 0), (0, 0, 1, 0))
        h = pad(image[:, None, :, :-1], (1, 0))
        for k, (P, R, Q, out) in enumerate(zip(self.P, self.R, self.Q, self.O)):
            f = conv2d(pad(self._framed(v), (0, 0, p, 0)), P, self.p[k])
            g = conv2d(pad(h, (p, 0)), R, self.r[k]) + conv2d(f, Q[:, :, None, None])
            new_v, new_h = _gated(f, 1), conv2d(_gated(g, 1), out[:, :, None, None])
            v, h = (new_v, new_h) if k == 0 else (v + new_v, h + new_h)
        return conv2d(h, self.w[:, :, None, None], self.a).flatten(1)

    def _walk(self, B: int) -> Step:
        p, (_, width) = self.reach, self.grid
        channels = [1 + self.halved] + [self.hidden] * (self.layers - 1)
        windows = [self.a.new_zeros(B, c, p + 1, width + 2 * p) for c in channels]
        row = self.a.new_zeros(B, 1, width)
        R = [weight.squeeze(2).transpose(1, 2).flatten(1) for weight in self.R]
        from_above: list[torch.Tensor] = []  # Q f of this row in each layer, (W, B, 2 H)
        seen: list[list[torch.Tensor]] = []  # the last p inputs of R in each layer

        def begin_row(r: int) -> None:
            v = (
                self._above(row, r - 1)
                if r > 0
                else windows[0].new_zeros(B, channels[0], 1, width)
            )
            from_above.clear()
            for k, (P, Q) in enumerate(zip(self.P, self.Q)):
                windows[k] = torch.cat([windows[k][:, :, 1:], self._framed(v)], 2)
                f = conv2d(windows[k], P, self.p[k])
                from_above.append(linear(f[:, :, 0].permute(2, 0, 1), Q, self.r[k]))
                v = _gated(f, 1) if k == 0 else v + _gated(f, 1)
            left = [self.a.new_zeros(B, 1 if k == 0 else self.hidden) for k in range(self.layers)]
            seen[:] = [[zeros] * p for zeros in left]

        def step(i: int, previous: torch.Tensor) -> torch.Tensor:
            r, c = divmod(i, width)
            if i > 0:
                row[:, 0, c - 1] = previous  # column -1: the last one of the row before
            if c == 0:
                begin_row(r)
                previous = torch.zeros_like(previous)
            h = previous[:, None]
            for k, out in enumerate(self.O):
                known = [*seen[k], h]
                seen[k] = known[1:]
                g = linear(torch.cat(known, 1), R[k]) + from_above[k][c]
                new = linear(_gated(g, 1), out)
                h = new if k == 0 else h + new
            return linear(h, self.w, self.a)[:, 0]

        return step


def _normal(generator: np.random.Generator, size: tuple[int, ...]) -> nn.Parameter:
    inputs = int(np.prod(size[1:]))
    return nn.Parameter(as_tensor(generator.normal(size=size) / np.sqrt(inputs)))


def _gated(pairs: torch.Tensor, axis: int) -> torch.Tensor:
    """Return tanh(f) sigma(g) of the halves f, g of an axis."""
    f, g = pairs.chunk(2, axis)
    return torch.tanh(f) * torch.sigmoid(g)

r"""A recurrent network in two dimensions: a site's state comes from its left and from above.

.. math::

   h_x = \tanh\big( W (h_l, h_u) + U k_x + c \big)

for the cell "tanh" (Hibat-Allah et al., Phys. Rev. Research 2, 023358 (2020), there in a zigzag),
or "gated", with products of spins and states (Hibat-Allah, Melko and Carrasquilla, NeurIPS
workshop ML4PS (2021), arXiv:2207.14314) and the update gate of a GRU,

.. math::

   (f, g) = W \big[ (1, t_l, t_u) \otimes (h_l, h_u) \big] + U k_x + c, \qquad
   h_x = \sigma(g) \odot \tanh f + (1 - \sigma(g)) \odot C (h_l, h_u) ;

:math:`b_x = w \cdot h_x + a`.  l is the site on the left and u the one above (on the even
sublattice, the right one of the two above); states outside of the lattice are zero.  Sites above x
but beyond a cone to the right do not influence x.  :math:`k_x` are the known spins nearest to x,
around the lattice where it is periodic, so the last row knows the first.  In a pass over given
spins all sites of a wave that runs to the lower right are computed at once.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import nn
from torch.nn.functional import pad

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.autoregressive.raster import RasterNet, Step
from physgen.models.configurations import as_tensor

__all__ = ["Recurrent2dNet"]

# Displacements of the eight nearest sites, of all and of the even ones.
NEAR = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
NEAR_EVEN = [(-2, 0), (-1, -1), (-1, 1), (0, -2), (0, 2), (1, -1), (1, 1), (2, 0)]


@final
class Recurrent2dNet(RasterNet):
    """An autoregressive model of spins on a square lattice by a two-dimensional recurrence.

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
        Length H of a state.
    cell : {"gated", "tanh"}
    rng : Stream or int
        Initial W and U, normal with variance 1 / (number of inputs); q is uniform.

    Raises
    ------
    InputError
        If a number is out of range, the cell is unknown, the lattice is not two-dimensional, or
        rows of its even sublattice differ in length.
    """

    near: torch.Tensor
    left: torch.Tensor
    up: torch.Tensor
    order: torch.Tensor
    place: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        odd: bool = True,
        hidden: int = 32,
        cell: str = "gated",
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(shape, boundary, halved, odd)
        H = self.hidden = check_positive_int("hidden", hidden)
        self.cell = check_choice("cell", cell, ("gated", "tanh"))
        near, left, up = _known(self.lattice, self.halved, *self.grid)
        self._waves = _waves(self.halved, *self.grid)
        order = np.concatenate([sites for _, _, sites in self._waves])
        tables = {"near": near, "left": left, "up": up, "order": order, "place": order.argsort()}
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table), persistent=False)
        gated = cell == "gated"
        generator = as_stream(rng).child("weights").numpy()
        outputs, inputs, spins = (2 if gated else 1) * H, (6 if gated else 2) * H, len(near)
        U = generator.normal(size=(outputs, spins)) / np.sqrt(spins)
        self.U = nn.Parameter(as_tensor(U))
        self.W = nn.Parameter(
            as_tensor(generator.normal(size=(outputs, inputs)) / np.sqrt(inputs))
        )
        self.c = nn.Parameter(torch.zeros(outputs))
        if gated:  # at first a state is the mean of the two before it, renewed by half
            self.C = nn.Parameter(torch.eye(H).repeat(1, 2) / 2)
        self.w, self.a = nn.Parameter(torch.zeros(1, H)), nn.Parameter(torch.zeros(1))

    def _next(
        self,
        h_l: torch.Tensor,
        h_u: torch.Tensor,
        t_l: torch.Tensor,
        t_u: torch.Tensor,
        x: torch.Tensor,
    ) -> torch.Tensor:
        """Return states (H, M) from the states before, their spins (M,) and x = U k + c."""
        h = torch.cat([h_l, h_u])
        if self.cell == "tanh":
            return torch.tanh(torch.addmm(x, self.W, h))
        f, g = torch.addmm(x, self.W, torch.cat([h, t_l * h, t_u * h])).chunk(2)
        carried = self.C @ h
        return carried + torch.sigmoid(g) * (torch.tanh(f) - carried)

    def _fields(self, t: torch.Tensor) -> torch.Tensor:
        B, M = len(t), [len(sites) * len(t) for _, _, sites in self._waves]
        spins = pad(t.t(), (0, 0, 0, 1))  # row n: no spin
        known = torch.cat([self.near, self.left[None], self.up[None]])[:, self.order]
        k, t_l, t_u = spins[known].flatten(1).tensor_split((len(self.near), -1))
        x = torch.addmm(self.c[:, None], self.U, k)
        inputs = zip(*(y.split(M, 1) for y in (t_l, t_u, x)))
        # The last state of every row; the first entry stands above all rows.
        rows, waves = [t.new_zeros(self.hidden, B)] * (self.grid[0] + 1), []
        for (first, end, _), (t_l, t_u, x) in zip(self._waves, inputs):
            h_l, h_u = (torch.cat(rows[a : a + end - first], 1) for a in (first + 1, first))
            h = self._next(h_l, h_u, t_l, t_u, x)
            rows[first + 1 : end + 1] = h.split(B, 1)
            waves.append(self.w @ h)
        b = torch.cat(waves, 1).view(self.n, B) + self.a
        return b[self.place].t()

    def _walk(self, B: int) -> Step:
        spins = self.a.new_zeros(self.n + 1, B)
        states = self.a.new_zeros(self.n + 1, self.hidden, B)
        left, up = self.left.tolist(), self.up.tolist()

        def step(i: int, previous: torch.Tensor) -> torch.Tensor:
            if i > 0:
                spins[i - 1] = previous
            x = torch.addmm(self.c[:, None], self.U, spins[self.near[:, i]])
            j, k = left[i], up[i]
            states[i] = self._next(states[j], states[k], spins[j], spins[k], x)
            return (self.w @ states[i])[0] + self.a

        return step


def _known(
    lattice: Hypercubic, even: bool, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return known sites near each (8, n), and those on the left and above (n,); n: none."""
    n = rows * columns
    sites = lattice.even_sites if even else np.arange(n)
    xy, extents = lattice.coordinates[sites], np.array(lattice.shape)
    around = xy[:, None] + np.array(NEAR_EVEN if even else NEAR)
    inside = ((around >= 0) & (around < extents)) | np.array(
        [word == "periodic" for word in lattice.boundaries]
    )
    number = np.full(lattice.n_sites, n)
    number[sites] = np.arange(n)
    wrapped = around % extents
    near = number[wrapped[..., 0] * lattice.shape[1] + wrapped[..., 1]]
    near = np.where(inside.all(-1) & (near < np.arange(n)[:, None]), near, n).T.copy()
    r, c = np.divmod(np.arange(n), columns)
    left = np.where(c > 0, np.arange(n) - 1, n)
    column = np.minimum(c + r % 2, columns - 1) if even else c
    return near, left, np.where(r > 0, (r - 1) * columns + column, n)


def _waves(even: bool, rows: int, columns: int) -> list[tuple[int, int, np.ndarray]]:
    """Return rows first..end-1 and sites of each wave: left and upper sites are one wave before.

    At the end of an odd row of even sites the upper site may be older: it is the last of its row.
    """
    r = np.arange(rows)
    start = r + (r + 1) // 2 if even else r
    waves = []
    for w in range(start[-1] + columns):
        active = np.flatnonzero((start <= w) & (w < start + columns))
        waves.append((active[0], active[-1] + 1, active * columns + w - start[active]))
    return waves

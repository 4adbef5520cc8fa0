r"""A local network: each site sees the sites next to it, and their neighbours.

.. math:: N = A * h_3 , \quad h_3 = h_2 + \tanh(V_3 h_2) , \quad h_2 = h_1 + \tanh(V_2 h_1) ,
          \quad h_1 = \tanh(W * x) ,

with stencils W and A, sums over the nearest sites with one number an orbit of displacements, and
matrices V of the channels of a site.  Equal displacements have equal numbers on every lattice, so
the weights transfer from one to another as they are.  The reach is two stencils, and the
divergence is exact by coloured probes (:mod:`physgen.models.diffusion.divergence`): 42 of them on
16 x 16, and 46 on 32 x 32.  Between the Wiener filters of a score model the force that is left is
nearly a local function of the field.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.random import Stream, as_stream
from physgen.models.configurations import as_tensor
from physgen.models.diffusion.divergence import Colours, coloured_trace, full_trace, reach_of
from physgen.models.diffusion.field import Field
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.space_net import SpaceNet, first, mixture

__all__ = ["LocalNet"]

SHELLS = 3  # a site, and the two next distances


@final
class LocalNet(SpaceNet):
    """The network N.

    Parameters
    ----------
    filters : Filters
    channels : int
        J.
    times : int
        M.
    odd : bool
        N(-x) = -N(x).
    rng : Stream or int
        Layers to begin with; the stencil A begins at zero.
    """

    kind, most_sites = "local", 1 << 30

    def __init__(
        self, filters: Filters, channels: int, times: int, odd: bool, rng: Stream | int
    ) -> None:
        super().__init__(filters)
        place = filters.places[0]
        distances = np.unique(np.round(place.lengths, 6))
        self._steps = place.displacements[
            place.lengths[place.orbits] <= distances[:SHELLS][-1] + 1e-6
        ]
        sums, self.displacements = _stencils(filters, self._steps)
        for o, index in enumerate(sums):
            self.register_buffer(f"near_{o}", torch.as_tensor(index), persistent=False)
        self.orbits, self.channels, self._colours = len(sums), channels, None
        draw, J, shells = as_stream(rng).child("local").numpy(), channels, len(sums)
        self.into = first(draw, times, shells, J, size=1 / np.sqrt(shells))
        self.middle = nn.ParameterList(
            first(draw, times, J, J, size=1 / np.sqrt(J)) for _ in range(2)
        )
        self.out = nn.Parameter(torch.zeros(times, J, shells))
        self.bias = None
        if not odd:
            self.bias = nn.ParameterList(
                nn.Parameter(as_tensor(0.3 * draw.normal(size=(times, J)))) for _ in range(3)
            )

    @property
    def stars(self) -> tuple[np.ndarray, ...]:
        """One star of all modes: the numbers of A do not depend on the momentum."""
        return (np.arange(self.n),)

    @property
    def passes(self) -> int:
        """Fields in the memory that a divergence of one field takes."""
        return self.colours.n_colours * self.channels

    def values(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return N (B, n) of fields of sites x (B, n)."""
        near = self._near(self._hidden(x, weights))  # (B, n, J, O)
        return torch.einsum("bnjo,bjo->bn", near, self._at(self.out, weights, len(x)))

    def features(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return what N is linear in, (B, F, n) in modes."""
        near = self._near(self._hidden(x @ self.modes.t(), weights)).flatten(2)
        h = near.transpose(1, 2) @ self.modes
        return (weights[:, :, None, None] * h[:, None]).flatten(1, 2)

    @torch.no_grad()
    def assign(self, numbers: np.ndarray) -> None:
        """Set the stencil A to given factors of the features, (F, 1)."""
        self.out.copy_(torch.as_tensor(numbers.reshape(self.out.shape)))

    @torch.no_grad()
    def carry_over(self, other: Any) -> None:
        """Take the weights of a local network on another lattice."""
        known = {d: o for o, d in enumerate(other.displacements)}
        pick = [known[d] for d in self.displacements]
        mine, theirs = dict(self.named_parameters()), dict(other.named_parameters())
        for name, p in mine.items():
            old = theirs[name]
            p.copy_(old[:, pick] if name == "into" else old[..., pick] if name == "out" else old)

    def check_divergence(self, divergence: str) -> None:
        """Return: a local network has all of them."""
        del divergence

    @property
    def colours(self) -> Colours:
        """The coloured probes of its reach."""
        if self._colours is None:
            self._colours = Colours(self._all, reach_of(self._all, self._steps, 2))
        return self._colours

    def _field(
        self, weights: torch.Tensor, q: torch.Tensor, r: torch.Tensor, divergence: str
    ) -> Field:
        whole = super()._field(weights, q, r, divergence)
        if divergence == "full":
            return Field(whole.value, lambda y: full_trace(whole.value, y))
        place = self._all.places[0]
        chi = torch.as_tensor(place.characters / np.sqrt(place.sizes)[:, None]).to(q)
        M = chi @ (q * r) / self.n

        def both(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = (y * q) @ self.modes.t()
            found, trace = coloured_trace(lambda x: self.values(x, weights), x, self.colours, M)
            return (found @ self.modes) * r, trace

        return Field(whole.value, both)

    def _hidden(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return h_3, (B, n, J)."""
        into = self._at(self.into, weights, len(x))
        u = self._near(x[..., None])[:, :, 0] @ into
        h = torch.tanh(u + self._shift(0, weights))
        for layer, V in enumerate(self.middle):
            h = h + torch.tanh(h @ self._at(V, weights, len(x)) + self._shift(layer + 1, weights))
        return h

    def _near(self, h: torch.Tensor) -> torch.Tensor:
        """Return the means over the orbits of a stencil, (B, n, J, O)."""
        index = [getattr(self, f"near_{o}") for o in range(self.orbits)]
        parts = [h[:, i.flatten()].unflatten(1, i.shape).mean(2) for i in index]
        return torch.stack(parts, -1)

    def _shift(self, layer: int, weights: torch.Tensor) -> Any:
        if self.bias is None:
            return 0.0
        return (weights @ self.bias[layer])[:, None]

    @staticmethod
    def _at(kept: torch.Tensor, weights: torch.Tensor, n: int) -> torch.Tensor:
        return mixture(kept, weights).expand(n, *kept.shape[1:])


def _stencils(
    filters: Filters, steps: np.ndarray
) -> tuple[list[np.ndarray], list[tuple[int, ...]]]:
    """Return, for every orbit of steps, the neighbours (n, size) of all sites, and its name."""
    extents, place = np.array(filters.lattice.shape), filters.places[0]
    index = np.full(filters.lattice.n_sites, -1)
    index[filters.sites] = np.arange(filters.n)
    strides = np.cumprod([1, *filters.lattice.shape[:0:-1]])[::-1]
    here, numbers = filters.lattice.coordinates[filters.sites], place.number(steps)
    sums, names = [], []
    for o in np.unique(numbers):
        d = steps[numbers == o]
        sums.append(index[((here[:, None] + d) % extents) @ strides])
        key = np.abs(d[0])
        names.append(tuple((np.sort(key)[::-1] if filters.point_group else key).tolist()))
    return sums, names

r"""An odd, equivariant network with a closed-form divergence.

.. math:: N(\hat x, \tau) = \sum_j A_j(\tau) \tanh\!\big( W_j(\tau) \, \hat x + b_j(\tau) \big)

with filters of :mod:`physgen.models.diffusion.filters`: W leads from the sites to themselves or to
the odd sites between them, and A back.  There is no bias b where N is odd.  tanh saturates early:
with features that grow, the flow that noises a rare configuration ran away, and weights of
held-out configurations were lost although those of draws looked sound.

In time, every filter is a mixture of M filters with Gaussian weights of unit sum, evenly spaced in
:math:`\tau`.  Between modes scaled by q on the way in and by r on the way out,

.. math:: \nabla \cdot \big( r \, N(q \, y) \big) = \sum_j \kappa_j \sum_x \tanh'(u_{jx}) ,
          \qquad \kappa_j = \frac1n \sum_k q_k \hat w_{jk} \, \hat a_{jk} r_k .
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import as_tensor
from physgen.models.diffusion.divergence import full_trace
from physgen.models.diffusion.field import Field
from physgen.models.diffusion.filters import Filters, Place
from physgen.models.diffusion.transfer import carried_over

__all__ = ["Kernels", "Remainder", "applied"]


class Kernels(NamedTuple):
    """The network at one time: matrices of modes and sites, and the factors of the divergence.

    Attributes
    ----------
    into, out : tensor (n, S), (S, n)
        Of the S sites of all channels: q W and A r.
    trace : tensor (S,)
        kappa, one a site.
    bias : tensor (S,) or None
    """

    into: torch.Tensor
    out: torch.Tensor
    trace: torch.Tensor
    bias: torch.Tensor | None


class Remainder(nn.Module):
    """The network N.

    Parameters
    ----------
    filters : Filters
    channels : int
        J, shared among the places where hidden units live.
    times : int
        M.
    odd : bool
        N(-x) = -N(x).
    rng : Stream or int
        Filters W to begin with; the filters A begin at zero.
    """

    passes = 1  # of numbers like those of one field, for a divergence

    def __init__(
        self, filters: Filters, channels: int, times: int, odd: bool, rng: Stream | int
    ) -> None:
        super().__init__()
        self.n, self.times, self._all = filters.n, times, filters
        self.into, self.out = nn.ParameterList(), nn.ParameterList()
        self.bias = None if odd else nn.ParameterList()
        places = filters.places
        shares = [channels // len(places)] * len(places)
        shares[0] += channels - sum(shares)
        self.register_buffer("modes", as_tensor(filters.modes), persistent=False)
        for p, (place, J) in enumerate(zip(places, shares, strict=True)):
            draw = as_stream(rng).child("filters").at(p).numpy()
            first = _first_filters(place.sizes, place.lengths, J, draw)
            each = first + 0.05 * draw.normal(size=(times, *first.shape)) / np.sqrt(place.sizes)
            self.into.append(nn.Parameter(as_tensor(each)))
            self.out.append(nn.Parameter(torch.zeros(times, *first.shape)))
            if self.bias is not None:
                self.bias.append(nn.Parameter(as_tensor(0.3 * draw.normal(size=(times, J)))))
            self.register_buffer(f"waves_{p}", as_tensor(place.modes), persistent=False)
            self.register_buffer(f"chi_{p}", as_tensor(place.characters), persistent=False)

    @property
    def stars(self) -> tuple[np.ndarray, ...]:
        """Columns of modes that share their numbers."""
        return self._all.stars

    @property
    def places(self) -> list[tuple[int, Place]]:
        """Where hidden units live, each with how many features N takes from there."""
        counts = [out.shape[0] * out.shape[1] for out in self.out]
        return list(zip(counts, self._all.places, strict=True))

    def forward(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return N (B, n) in modes, of modes x (B, n) at times of their own: weights (B, M)."""
        total = torch.zeros_like(x)
        for p in range(len(self.into)):
            a = self._filter(p, self.out[p], weights)
            total = total + (self._hidden(p, x, weights) * a).sum(1)
        return total

    def features(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return what N is linear in, (B, F, n): N_k is a sum over F with numbers of its star."""
        found = []
        for p, place in enumerate(self._all.places):
            h = self._hidden(p, x, weights) * torch.as_tensor(place.signs).to(x)
            found.append((weights[:, :, None, None] * h[:, None]).flatten(1, 2))
        return torch.cat(found, 1)

    @torch.no_grad()
    def assign(self, numbers: np.ndarray) -> None:
        """Set the filters A to given factors of the features, (F, stars)."""
        first, done = [columns[0] for columns in self._all.stars], 0
        for place, out in zip(self._all.places, self.out, strict=True):
            M, J, _ = out.shape
            part = numbers[done : done + M * J]
            done += M * J
            # As many orbits as stars with a wave at this place.
            a = np.linalg.lstsq(place.characters[:, first].T, part.T, rcond=1e-9)[0]
            out.copy_(torch.as_tensor(a.T.reshape(out.shape)))

    def _hidden(self, p: int, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return tanh(W x + b) of a place in modes, (B, J, n)."""
        waves = getattr(self, f"waves_{p}")
        u = (self._filter(p, self.into[p], weights) * x[:, None]) @ waves.t()
        if self.bias is not None:
            u = u + (weights @ self.bias[p])[..., None]
        return torch.tanh(u) @ waves

    def kernels(
        self, weights: torch.Tensor, scale_in: torch.Tensor, scale_out: torch.Tensor
    ) -> list[Kernels]:
        """Return the kernels at S times.

        Parameters
        ----------
        weights : tensor (S, M)
        scale_in, scale_out : tensor (S, n)
            q and r.
        """
        parts = []
        for p in range(len(self.into)):
            waves = getattr(self, f"waves_{p}")
            into = self._filter(p, self.into[p], weights) * scale_in[:, None]
            out = self._filter(p, self.out[p], weights) * scale_out[:, None]
            S, J, sites = len(weights), into.shape[1], len(waves)
            trace = (into * out).sum(2) / self.n
            parts.append((
                (into.transpose(1, 2)[..., None] * waves.t()[:, None]).reshape(S, self.n, -1),
                (out[:, :, None] * waves).reshape(S, J * sites, self.n),
                trace.repeat_interleave(sites, 1),
                None
                if self.bias is None
                else (weights @ self.bias[p]).repeat_interleave(sites, 1),
            ))  # fmt: skip
        into, out, trace, bias = zip(*parts, strict=True)
        wide = [torch.cat(into, 2), torch.cat(out, 1), torch.cat(trace, 1)]
        rows = zip(*(t.unbind() for t in wide), strict=True)
        biases = [None] * len(weights) if self.bias is None else torch.cat(bias, 1).unbind()
        return [Kernels(i, o, t, b) for (i, o, t), b in zip(rows, biases, strict=True)]

    def fields(
        self,
        weights: torch.Tensor,
        scale_in: torch.Tensor,
        scale_out: torch.Tensor,
        divergence: str = "exact",
    ) -> list[Field]:
        """Return the fields r N(q y) at S times; arguments as of :meth:`kernels`."""
        self.check_divergence(divergence)
        at = self.kernels(weights, scale_in, scale_out)
        return [_field(kernels, divergence) for kernels in at]

    def check_divergence(self, divergence: str) -> None:
        """Raise InputError unless the network has this way to its divergence."""
        if divergence == "coloured":
            raise InputError(
                "coloured probes need a local network, got 'filters', where every site depends on "
                "every other; leave the divergence 'exact', which is in closed form"
            )

    @torch.no_grad()
    def carry_over(self, other: Any) -> None:
        """Take the filters of a network on another lattice."""
        for p in range(len(self.into)):
            T = torch.as_tensor(carried_over(other._all, self._all, p))
            for mine, theirs in ((self.into, other.into), (self.out, other.out)):
                mine[p].copy_(theirs[p] @ T.t().to(theirs[p]))
            if self.bias is not None:
                self.bias[p].copy_(other.bias[p])

    def _filter(self, p: int, kept: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the filters of a place in modes, (B, J, n)."""
        mixed = (weights @ kept.flatten(1)).view(-1, kept.shape[2])
        return (mixed @ getattr(self, f"chi_{p}")).view(len(weights), -1, self.n)


def applied(y: torch.Tensor, at: Kernels) -> tuple[torch.Tensor, torch.Tensor]:
    """Return r N(q y) (B, n) in modes, and its divergence (B,)."""
    u = y @ at.into if at.bias is None else torch.addmm(at.bias, y, at.into)
    h = torch.tanh(u)
    return h @ at.out, at.trace.sum() - (h * h) @ at.trace


def _field(at: Kernels, divergence: str) -> Field:
    def value(y: torch.Tensor) -> torch.Tensor:
        u = y @ at.into if at.bias is None else torch.addmm(at.bias, y, at.into)
        return torch.tanh(u) @ at.out

    if divergence == "full":
        return Field(value, lambda y: full_trace(value, y))
    return Field(value, lambda y: applied(y, at))


def _first_filters(
    sizes: np.ndarray, lengths: np.ndarray, channels: int, draw: np.random.Generator
) -> np.ndarray:
    """Return filters (J, n_orbits): averages over the neighbourhood, of several reaches.

    Half of them have slope 1 on a field of size 1, the others 1/3.  Output filters are solved for
    on these, so their variety counts: reaches from a site to half the lattice, geometrically.
    """
    reach = np.geomspace(0.4, 0.5 + 0.5 * lengths.max(), channels)[:, None]
    weight = np.exp(-0.5 * (lengths / reach) ** 2)
    mean = weight * np.sqrt(sizes) / (weight * sizes).sum(1, keepdims=True)
    slope = np.where(np.arange(channels) % 2, 1 / 3, 1.0)[:, None]
    return slope * mean * (1 + 0.3 * draw.normal(size=mean.shape))

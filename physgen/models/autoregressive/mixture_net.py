r"""Autoregressive densities of real fields: a mixture a site, many sites at once, coarse to fine.

.. math:: \log q(\phi) = \sum_x \log \sum_k \frac{w_k}{s_k} \,
          f\Big(\frac{\phi_x - m_k}{s_k}\Big), \qquad
          (\log w, m, \log s)_k = h_k(c_x)

with the known fields :math:`c_x` around site x (:mod:`physgen.lattice.orderings`) and one small
net per colour,

.. math:: h(c) = o + A c + V \tanh(b + W c) .

For a target with S(-phi) = S(phi) one half of the components comes from h(c), and the other half
is its mirror image, with the parameters h(-c) and means of the other sign, so
:math:`q(-\phi) = q(\phi)` exactly.  A mixture bends where an affine map of one normal number (MAF,
``zuko-flow``) cannot: the conditional of a site of phi^4 may have two peaks.  A draw is a
triangular map of one normal number a site, so it has a path gradient
(:mod:`~physgen.models.autoregressive.site_mixtures`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.lattice.orderings import colours
from physgen.models.autoregressive.inverse_map import Triangular
from physgen.models.autoregressive.site_mixtures import LAWS, log_density, quantile
from physgen.models.configurations import as_tensor, field_size, normal
from physgen.models.geometry import Geometry, LatticeModel
from physgen.targets.even import EvenTarget

__all__ = ["MixtureNet"]

_WIDEST, _WIDTH = 1.5, 0.5  # of the first means and laws, in units of the scale


@final
class MixtureNet(Triangular, LatticeModel):
    """An autoregressive density of real fields with mixtures as conditionals.

    Parameters
    ----------
    shape : sequence of int
        Extents of a lattice.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Fields live on the even sublattice, in the order of ``lattice.split``.
    order : {"coarse", "raster"}
        See :func:`physgen.lattice.orderings.colours`.
    law : {"gaussian", "logistic"}
        What is mixed; logistic laws have exponential tails.
    n_components : int
        Laws in each mixture; an even number if `odd`.
    hidden : int
        Width of the nets.
    reach : int
        Half the width of the window of known fields, in units of the distance being filled.
    coarsest : int
        At most this many sites, if the lattice can be coarsened, are drawn one by one.
    scale : float
        Size of a typical field, > 0.
    odd : bool
        q(-phi) = q(phi), exactly.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the lattice has no even sublattice.
    """

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        order: str = "coarse",
        law: str = "gaussian",
        n_components: int = 8,
        hidden: int = 32,
        reach: int = 5,
        coarsest: int = 8,
        scale: float = 1.0,
        odd: bool = True,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(Geometry.of(shape, boundary, halved), REALS)
        self.order, self.odd = order, bool(odd)
        self.law = check_choice("law", law, LAWS)
        self.n_components = check_positive_int("n_components", n_components)
        if self.odd and n_components % 2:
            raise InputError(
                f"n_components must be even, as half of them mirror the others, got {n_components}"
            )
        self.hidden = check_positive_int("hidden", hidden)
        self.reach = check_positive_int("reach", reach)
        self.coarsest = check_positive_int("coarsest", coarsest)
        self.scale = check_positive("scale", scale)
        self.n = self.geometry.n
        self.colours = colours(self.lattice, self.halved, order, reach, coarsest)
        self.net = nn.ModuleList(
            _Net(
                c.context.shape[1],
                hidden,
                self._own,
                self.odd,
                as_stream(rng).child("colour").at(k),
            )
            for k, c in enumerate(self.colours)
        )
        for k, colour in enumerate(self.colours):
            self.register_buffer(f"sites{k}", torch.from_numpy(colour.sites), persistent=False)
            self.register_buffer(f"context{k}", torch.from_numpy(colour.context), persistent=False)

    @property
    def _own(self) -> int:
        """Components that are no mirror images."""
        return self.n_components // 2 if self.odd else self.n_components

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the lattice of a target, the size of its fields, and whether it is even."""
        del options
        known = cls._lattice_arguments(target, even, REALS)
        return known | {"scale": field_size(target, rng)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of fields (B, *event_shape), differentiable in both."""
        y = x.flatten(1) / self.scale
        log_q = torch.zeros(len(y), dtype=torch.float64, device=y.device)
        for k in range(len(self.colours)):
            sites, parameters = self._conditional(k, y)
            log_q = log_q + log_density(y[:, sites], *parameters, self.law).double().sum(1)
        return log_q - self.n * math.log(self.scale)

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, both differentiable in the weights."""
        x = self._mapped(normal(n, (self.n,), generator, self.dtype)[0])
        return x, self(x)

    def _inverted(self, u: torch.Tensor) -> torch.Tensor:
        return self._mapped(torch.special.ndtri(u).to(self.dtype))

    def _mapped(self, eps: torch.Tensor) -> torch.Tensor:
        """Return the fields (B, *event_shape) of normal numbers (B, n), one a site."""
        y = torch.zeros_like(eps)
        for k in range(len(self.colours)):
            sites, parameters = self._conditional(k, y)
            # A copy: the graph of earlier colours keeps what it has read.
            y = y.index_copy(1, sites, quantile(eps[:, sites], *parameters, self.law))
        return (self.scale * y).reshape(-1, *self.event_shape)

    def draw_with_score(
        self, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return n fields, their log q and d log q / dx; only the fields are differentiable."""
        x = self._mapped(normal(n, (self.n,), generator, self.dtype)[0])
        at = x.detach().requires_grad_(True)
        weights = [p for p in self.parameters() if p.requires_grad]
        for p in weights:  # the score needs no graph of theirs
            p.requires_grad_(False)
        try:
            log_q = self(at)
            (score,) = torch.autograd.grad(log_q.sum(), at)
        finally:
            for p in weights:
                p.requires_grad_(True)
        return x, log_q.detach(), score

    def _conditional(
        self, k: int, y: torch.Tensor
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return the sites of a colour, and their parameters (B, sites, n_components)."""
        context = getattr(self, f"context{k}")
        return getattr(self, f"sites{k}"), self.net[k](y[:, context])


class _Net(nn.Module):
    """Parameters of the mixtures of one colour, from the known fields (B, sites, c)."""

    def __init__(self, c: int, hidden: int, own: int, odd: bool, rng: Stream) -> None:
        super().__init__()
        generator, self.own, self.odd = rng.numpy(), own, odd
        means = np.linspace(0 if odd else -_WIDEST, _WIDEST, own)
        first = [np.zeros(own), means if own > 1 else 0 * means, np.full(own, math.log(_WIDTH))]
        self.weight = nn.Parameter(
            as_tensor(generator.normal(size=(c, hidden)) / math.sqrt(max(c, 1)))
        )
        self.bias = nn.Parameter(as_tensor(0.5 * generator.normal(size=hidden)))
        self.head = nn.Parameter(
            as_tensor(0.1 * generator.normal(size=(hidden, 3 * own)) / math.sqrt(hidden))
        )
        self.constant = nn.Parameter(as_tensor(np.concatenate(first)))
        self.linear = nn.Parameter(torch.zeros(c, 2 * own))  # of weights and means

    def forward(self, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return log w, m and log s."""
        u = c @ self.weight
        linear = nn.functional.pad(c @ self.linear, (0, self.own))
        log_w, mean, log_s = self._heads(u, linear)
        if self.odd:
            mirrored = self._heads(-u, -linear)
            log_w = torch.cat([log_w, mirrored[0]], -1)
            mean, log_s = torch.cat([mean, -mirrored[1]], -1), torch.cat([log_s, mirrored[2]], -1)
        return torch.log_softmax(log_w, -1), mean, log_s

    def _heads(self, u: torch.Tensor, linear: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = torch.tanh(self.bias + u) @ self.head + self.constant + linear
        return h.split(self.own, -1)

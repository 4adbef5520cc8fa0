r"""Autoregressive spins in colours: many at once, coarse to fine, invariant under a global flip.

.. math:: \log q(s) = -\sum_x \log\big(1 + e^{-2 s_x b_x}\big), \qquad
          b_x = a \cdot c_x + v \cdot \tanh(W c_x) ,

with the known spins :math:`c_x` around site x (:mod:`physgen.lattice.orderings`) and one small net
(a, W, v) per colour.  b plays the role of the neighbours' field on an Ising spin and is odd in c,
so q(-s) = q(s) exactly; without that symmetry every net has a constant in its context.  A draw
takes n_colours steps and gives log q along with the spins (van den Oord et al., ICML 2016, for
pixels; Wu, Wang and Zhang, PRL 122, 080602 (2019), for spins, one by one).
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import beside
from physgen.core.checks import check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.lattice.orderings import Colour, colours
from physgen.models.autoregressive.inverse_map import Triangular
from physgen.models.autoregressive.spins import SpinModel
from physgen.models.configurations import as_tensor
from physgen.models.geometry import Geometry

__all__ = ["ColouredNet"]


@final
class ColouredNet(Triangular, SpinModel):
    """An autoregressive model of spins with one small net per colour.

    Parameters
    ----------
    shape : sequence of int
        Extents of a lattice.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Spins live on the even sublattice, in the order of ``lattice.split``.
    order : {"coarse", "raster"}
        See :func:`physgen.lattice.orderings.colours`.
    hidden : int
        Width of the nets; 0 leaves linear logits.
    reach : int
        Half the width of the window of known spins, in units of the distance being filled.
    odd : bool
        q(-s) = q(s), exactly.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the lattice has no even sublattice.

    Examples
    --------
    >>> from physgen import Ising
    >>> q = ColouredNet.for_target(Ising(4, beta=0.4), rng=1)
    >>> q.sample(3, rng=2).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        order: str = "coarse",
        hidden: int = 32,
        reach: int = 5,
        odd: bool = True,
        *,
        rng: Stream | int,
    ) -> None:
        super().__init__(Geometry.of(shape, boundary, halved), odd)
        self.order, self.n = order, self.geometry.n
        self.hidden = check_positive_int("hidden", hidden, 0)
        self.reach = check_positive_int("reach", reach)
        self.colours = colours(self.lattice, self.halved, order, reach)
        stream = as_stream(rng)
        self.weights, self.heads = nn.ParameterList(), nn.ParameterList()
        for k, colour in enumerate(self.colours):
            c = colour.context.shape[1] + (not odd)
            W = stream.child("colour").at(k).numpy().normal(size=(hidden + 1, c))
            W[0] = 0.0  # the linear part
            self.weights.append(nn.Parameter(as_tensor(W / np.sqrt(max(c, 1)))))
            self.heads.append(nn.Parameter(torch.zeros(hidden)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of spins (B, *event_shape), differentiable in the weights."""
        s = x.flatten(1).to(self.dtype).t().contiguous()
        log_q = torch.zeros(s.shape[1], dtype=torch.float64, device=s.device)
        for k, colour in enumerate(self.colours):
            b = self._field(k, colour, s)
            own = s[beside(colour.sites, s)]
            log_q = log_q + nn.functional.logsigmoid(2 * own * b).sum(0).double()
        return log_q

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spins (n, *event_shape), floating, and log q, differentiable in the weights."""
        u = torch.rand(self.n, n, generator=generator, dtype=self.dtype, device=self.device)
        return self._drawn(u)

    def _inverted(self, u: torch.Tensor) -> torch.Tensor:
        return self._drawn((1 - u).t().to(self.dtype))[0]

    def _drawn(self, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spins and log q of uniforms (n_sites, B): up where u is below the share of up."""
        n = u.shape[1]
        s = torch.zeros(self.n, n, dtype=self.dtype, device=self.device)
        log_q = torch.zeros(n, dtype=torch.float64, device=self.device)
        for k, colour in enumerate(self.colours):
            b, sites = self._field(k, colour, s), beside(colour.sites, s)
            with torch.no_grad():
                new = torch.where(u[sites] < torch.sigmoid(2 * b), 1.0, -1.0)
                new = new.to(self.dtype)
            log_q = log_q + nn.functional.logsigmoid(2 * new * b).sum(0).double()
            # Later colours read a copy: the graph of earlier ones keeps its own gather.
            s[sites] = new
        return s.t().reshape(n, *self.event_shape), log_q

    def _field(self, k: int, colour: Colour, s: torch.Tensor) -> torch.Tensor:
        """Return b (n_sites, B) of the sites of a colour, from spins s (n, B)."""
        sites, c = colour.context.shape
        B = s.shape[1]
        seen = s[beside(colour.context, s).flatten()].reshape(sites, c, B)
        if not self.odd:
            seen = torch.cat([seen, torch.ones_like(s[:1]).expand(sites, 1, B)], 1)
        if seen.shape[1] == 0:
            return s.new_zeros(sites, B)
        units = self.weights[k] @ seen
        linear = units[:, 0]
        if self.hidden == 0:
            return linear
        return linear + (self.heads[k][:, None] * torch.tanh(units[:, 1:])).sum(1)

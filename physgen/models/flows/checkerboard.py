r"""Discrete flows on a checkerboard: couplings that alternate between its two colours.

.. math:: C = C_n \circ \dots \circ C_1

(:mod:`physgen.models.flows.discrete`), where C_i moves the sites of one colour, given the other
through a net (:mod:`physgen.models.flows.couplings`).  Albergo, Kanwar and Shanahan, Phys. Rev. D
100, 034515 (2019), brought such flows to lattices; with a last spline at all sites they are the
flows of Del Debbio, Marsh Rossney and Wilson, Phys. Rev. D 104, 094507 (2021).

On a periodic lattice all translations that preserve the colours
(:mod:`physgen.models.flows.windows`) are symmetries of q; the flip of the field is optional.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import nn

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.flows.couplings import KINDS, Coupling
from physgen.models.flows.discrete import DiscreteFlow, places
from physgen.models.flows.windows import can_halve, colours, window
from physgen.models.geometry import Geometry

__all__ = ["CouplingFlow"]


@final
class CouplingFlow(DiscreteFlow):
    """A flow of checkerboard couplings: additive, affine, or of splines.

    Parameters
    ----------
    shape : sequence of int
        Extents of the lattice; even along periodic axes.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Fields live on the even sublattice, in the order of ``lattice.split``.
    kind : {"additive", "affine", "spline"}
        Splines cost three times as much as affine maps, and need fewer layers and steps.
    layers : int
        Couplings, of alternating colours.
    hidden : int
        Channels of their nets.
    kernel : int
        Odd width >= 3 of the window that a site sees, in sites of the whole lattice (of the
        sublattice, for the even sites of a chain).
    bins : int
        Of the splines of couplings.
    scale : float
        Size of a typical field, > 0: standard deviation of the Gaussian to begin with.
    odd : bool
        q(-phi) = q(phi), exactly.
    point_group : bool
        The spectrum of the Gaussian is invariant under permutations and reflections of the axes;
        couplings are not.
    site_bins : int
        Bins of a last spline, the same at all sites; 0: none.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the lattice has no checkerboard.

    Examples
    --------
    >>> from physgen import Phi4
    >>> q = CouplingFlow.for_target(Phi4.from_unhalved(4, m2=-4.0, lam=8.0), rng=1)
    >>> q.sample(3, rng=2).shape
    torch.Size([3, 4, 4])
    """

    order: torch.Tensor
    inverse_order: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        kind: str = "affine",
        layers: int = 8,
        hidden: int = 16,
        kernel: int = 3,
        bins: int = 8,
        scale: float = 1.0,
        odd: bool = True,
        point_group: bool = False,
        site_bins: int = 0,
        *,
        rng: Stream | int,
    ) -> None:
        geometry = Geometry.of(shape, boundary, halved)
        lattice = geometry.lattice
        halves = colours(lattice, halved)
        check_choice("kind", kind, KINDS)
        for name, value in (("layers", layers), ("hidden", hidden), ("bins", bins)):
            check_positive_int(name, value)
        if check_positive_int("kernel", kernel, 3) % 2 == 0:
            raise InputError(f"kernel must be an odd width, got {kernel}")
        super().__init__(geometry, scale, odd, point_group, site_bins)
        self.kind, self.layers, self.hidden = kind, layers, hidden
        self.kernel, self.bins = kernel, bins
        # Neighbours among the even sites of a chain are two sites apart.
        chain = halved and lattice.dim == lattice.shape.count(1) + 1
        reach = kernel // 2 * (2 if chain else 1)
        tables = [window(lattice, halves[k], halves[1 - k], reach) for k in range(2)]
        stream = as_stream(rng).child("coupling")
        self.sizes = [len(half) for half in halves]
        self.couplings = nn.ModuleList()
        for k in range(layers):
            table, n_frozen = tables[k % 2], self.sizes[1 - k % 2]
            layer = Coupling(table, n_frozen, kind, hidden, bins, scale, odd, stream.at(k))
            self.couplings.append(layer)
        order, inverse = places(geometry, halves)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("inverse_order", inverse, persistent=False)

    @staticmethod
    def can_halve(lattice: Hypercubic) -> bool:
        """Return whether the even sublattice has two colours that translations respect."""
        return can_halve(lattice)

    def _through(self, x: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
        log_det = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
        halves = list(x.index_select(0, self.order).split(self.sizes))
        numbers = range(len(self.couplings))
        for k in reversed(numbers) if inverse else numbers:
            active = k % 2
            halves[active], change = self.couplings[k](halves[active], halves[1 - active], inverse)
            log_det = log_det if change is None else log_det + change
        return torch.cat(halves).index_select(0, self.inverse_order), log_det

r"""Glow on a lattice: mixing of the sites of a block, and couplings between blocks.

The sites of each block, two in every direction, are its channels (on the even sublattice two are
left of four).  A layer is

.. math:: x \to A x + b , \qquad
          x \to W x , \quad W = P L \,(U + \mathrm{diag}\, e^{\ell}) , \qquad
          x_1 \to e^{s(x_2)} x_1 + t(x_2)

with diagonal A and b for each channel, a permutation P, unit triangular L and U + 1, and the
channels in two halves; the net of s and t sees a window of blocks (Kingma and Dhariwal, NeurIPS
2018).

.. math:: \log |\det| = n_{\rm blocks} \Big( \sum_c \log A_c + \ell_c \Big) + \sum s .

W begins as a random rotation, which leaves the Gaussian invariant.  Reverse training has no data
to set the first normalisation: A begins at one and b at zero.  Translations by two sites are
symmetries of q.
"""

from __future__ import annotations

import itertools
from typing import Any, final

import numpy as np
import scipy.linalg
import torch
from torch import nn

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import as_tensor
from physgen.models.flows.conditioners import Conditioner
from physgen.models.flows.couplings import bounded
from physgen.models.flows.discrete import DiscreteFlow, places
from physgen.models.flows.windows import window
from physgen.models.geometry import Geometry

__all__ = ["GlowFlow"]


@final
class GlowFlow(DiscreteFlow):
    """A Glow flow of the blocks of a lattice.

    Parameters
    ----------
    shape : sequence of int
        Extents of the lattice, even along all axes.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Fields live on the even sublattice, in the order of ``lattice.split``.
    layers : int
        Steps of mixing and coupling.
    hidden : int
        Channels of the nets.
    kernel : int
        Odd width of the window that a block sees, in blocks.
    scale : float
        Size of a typical field, > 0: standard deviation of the Gaussian to begin with.
    odd : bool
        q(-phi) = q(phi), exactly: b = 0, t odd and s even.
    point_group : bool
        The spectrum of the Gaussian is invariant under permutations and reflections of the axes.
    site_bins : int
        Bins of a last spline, the same at all sites; 0: none.
    rng : Stream or int

    Raises
    ------
    InputError
        If a number is out of range, or the lattice does not divide into blocks.
    """

    order: torch.Tensor
    inverse_order: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        layers: int = 6,
        hidden: int = 16,
        kernel: int = 3,
        scale: float = 1.0,
        odd: bool = True,
        point_group: bool = False,
        site_bins: int = 0,
        *,
        rng: Stream | int,
    ) -> None:
        geometry = Geometry.of(shape, boundary, halved)
        lattice = geometry.lattice
        channels = _channels(lattice, halved)
        for name, value in (("layers", layers), ("hidden", hidden)):
            check_positive_int(name, value)
        if check_positive_int("kernel", kernel) % 2 == 0:
            raise InputError(f"kernel must be an odd width, got {kernel}")
        super().__init__(geometry, scale, odd, point_group, site_bins)
        self.layers, self.hidden, self.kernel = layers, hidden, kernel
        blocks = Hypercubic(tuple(n // 2 for n in lattice.shape), lattice.boundary)
        everywhere = np.arange(blocks.n_sites)
        table = window(blocks, everywhere, everywhere, kernel // 2)
        stream = as_stream(rng).child("step")
        self.channels = len(channels)
        self.stack = nn.ModuleList(
            _Layer(table, self.channels, hidden, scale, odd, stream.at(k)) for k in range(layers)
        )
        order, inverse = places(geometry, channels)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("inverse_order", inverse, persistent=False)

    @staticmethod
    def can_halve(lattice: Hypercubic) -> bool:
        """Return whether blocks have two even sites or more."""
        return lattice.dim > 1 and not any(n % 2 for n in lattice.shape)

    def _through(self, x: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
        n, B = x.shape
        log_det = torch.zeros(B, dtype=torch.float64, device=x.device)
        x = x.index_select(0, self.order).view(self.channels, n // self.channels, B)
        layers = list(self.stack)
        for layer in reversed(layers) if inverse else layers:
            x, change = layer(x, inverse)
            log_det = log_det + change
        return x.reshape(n, B).index_select(0, self.inverse_order), log_det


class _Layer(nn.Module):
    """Normalisation, mixing and coupling of C channels of all blocks."""

    pivot: torch.Tensor
    sign: torch.Tensor

    def __init__(
        self,
        table: np.ndarray,
        channels: int,
        hidden: int,
        scale: float,
        odd: bool,
        rng: Stream,
    ) -> None:
        super().__init__()
        self.log_norm = nn.Parameter(torch.zeros(channels, 1))
        self.offset = None if odd else nn.Parameter(torch.zeros(channels, 1))
        noise = rng.child("rotation").numpy().normal(size=(channels, channels))
        factors: Any = scipy.linalg.lu(np.linalg.qr(noise)[0])
        P, L, U = factors
        self.register_buffer("pivot", as_tensor(P))
        self.register_buffer("sign", as_tensor(np.sign(np.diag(U))))
        self.lower, self.upper = nn.Parameter(as_tensor(L)), nn.Parameter(as_tensor(U))
        self.log_diagonal = nn.Parameter(as_tensor(np.log(np.abs(np.diag(U)))))
        self.active = channels // 2
        n, frozen = table.shape[1], channels - self.active
        # Rows of the frozen channels follow one another; sites outside come after them all.
        tables = [np.where(table < n, table + c * n, frozen * n) for c in range(frozen)]
        self.net = Conditioner(
            np.concatenate(tables),
            frozen * n,
            hidden,
            self.active,
            scale,
            odd,
            rng.child("net"),
            self.active,
        )

    def forward(self, x: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return fields (C, n_blocks, B) after the layer, and the log determinant (B,)."""
        C, n, B = x.shape
        constant = n * (self.log_norm.double().sum() + self.log_diagonal.double().sum())
        if not inverse:
            x = torch.exp(self.log_norm) * x.reshape(C, -1)
            x = x if self.offset is None else x + self.offset
            x = (self._mixing() @ x).view(C, n, B)
        first, second = x.tensor_split([self.active])
        t, theta = self.net(second.reshape(-1, B))
        assert theta is not None
        s = bounded(theta)
        first = (first - t) * torch.exp(-s) if inverse else first * torch.exp(s) + t
        x = torch.cat([first, second])
        log_det = s.sum((0, 1), dtype=torch.float64) + constant
        if inverse:
            x = torch.linalg.solve(self._mixing(), x.reshape(C, -1))
            x = x if self.offset is None else x - self.offset
            x = (torch.exp(-self.log_norm) * x).view(C, n, B)
        return x, -log_det if inverse else log_det

    def _mixing(self) -> torch.Tensor:
        """W (C, C)."""
        one = torch.eye(len(self.sign), dtype=self.sign.dtype, device=self.sign.device)
        diagonal = torch.diag(self.sign * torch.exp(self.log_diagonal))
        return self.pivot @ (self.lower.tril(-1) + one) @ (self.upper.triu(1) + diagonal)


def _channels(lattice: Hypercubic, even: bool) -> list[np.ndarray]:
    """Return the sites of each channel, in the order of the blocks."""
    if any(n % 2 for n in lattice.shape):
        raise InputError(
            f"blocks of two need even extents, got shape {lattice.shape}; use even ones, or an "
            "EquivariantCNF"
        )
    corners = itertools.product((0, 1), repeat=lattice.dim)
    corners = [np.array(c) for c in corners if not (even and sum(c) % 2)]
    if len(corners) < 2:
        raise InputError("the even sites of a chain have one channel a block; use even = False")
    parity = lattice.coordinates % 2
    return [np.flatnonzero((parity == c).all(1)) for c in corners]

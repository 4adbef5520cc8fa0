r"""The net of a coupling: from frozen sites to the parameters of active ones.

.. math:: u_x = \tanh\Big( \sum_d W_d \, \phi_{x+d} / \sigma + w \Big) , \qquad
          t_x = \sum_d l_d \, \phi_{x+d} + \sigma ( a \cdot v_x + b ) , \qquad
          \theta_x = P v_x + p , \qquad
          v_x = \tanh(V u_x + c)

for active sites x and the displacements d of a window that lead to frozen ones
(:mod:`physgen.models.flows.windows`); sites beyond an open boundary count as zero.  t is the shift
of a coupling, theta are its other parameters.  For a layer that commutes with a flip of the field,
t has to be odd, w = c = b = 0, and theta even: then :math:`\theta_x = P \tanh(V' u_x^2 + c') + p`.

Only active sites are computed, and a window is a gather of rows with sites first: at 8 x 8 this
takes a fifteenth of the time of masked convolutions over the whole lattice.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from physgen.core.random import Stream, as_stream
from physgen.models.configurations import as_tensor

__all__ = ["Conditioner"]


class Conditioner(nn.Module):
    """The net of one coupling: a shift and other parameters for every active site.

    Parameters
    ----------
    table : ndarray of int (n_displacements, n_active)
        Of :func:`~physgen.models.flows.windows.window`.
    n_frozen : int
    hidden : int
        Channels of u and v.
    n_other : int
        Parameters theta of a site.
    scale : float
        Size sigma of a typical field.
    odd : bool
        The shift is odd in the frozen field and everything else even.
    rng : Stream or int
        Initial weights; the last layers start from zero, so t and theta begin at zero.
    n_shifts : int
        Of a site.
    """

    table: torch.Tensor

    def __init__(
        self,
        table: np.ndarray,
        n_frozen: int,
        hidden: int,
        n_other: int,
        scale: float,
        odd: bool,
        rng: Stream | int,
        n_shifts: int = 1,
    ) -> None:
        super().__init__()
        self.scale, self.odd = scale, odd
        self.has_holes = bool((table == n_frozen).any())
        self.register_buffer("table", torch.tensor(table), persistent=False)
        stream = as_stream(rng)
        self.window = Mix(hidden, len(table), not odd, stream.child("window"))
        self.linear = Mix(n_shifts, len(table), False)
        self.mix = Mix(hidden, hidden, not odd, stream.child("mix"))
        self.shift = Mix(n_shifts, hidden, not odd)
        self.even_mix = self.other = None
        if n_other:
            self.other = Mix(n_other, hidden, True)
            if odd:
                self.even_mix = Mix(hidden, hidden, True, stream.child("even"))

    def forward(self, frozen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return t (n_shifts, n_active, B) and theta (n_other, n_active, B), if there is any.

        Parameters
        ----------
        frozen : tensor (n_frozen, B)
        """
        phi, shape = frozen / self.scale, (self.table.shape[1], frozen.shape[1])
        if self.has_holes:
            phi = torch.cat([phi, torch.zeros_like(phi[:1])])
        seen = phi.index_select(0, self.table.flatten()).view(len(self.table), -1)
        u = torch.tanh(self.window(seen))
        v = torch.tanh(self.mix(u))
        shift = self.scale * (self.linear(seen) + self.shift(v)).view(-1, *shape)
        if self.other is None:
            return shift, None
        if self.even_mix is not None:
            v = torch.tanh(self.even_mix(u * u))
        return shift, self.other(v).view(-1, *shape)


class Mix(nn.Module):
    """A linear map of channels (C, n), the same in all columns; zero without random numbers."""

    def __init__(self, rows: int, columns: int, bias: bool, rng: Stream | None = None) -> None:
        super().__init__()
        W = np.zeros((rows, columns))
        if rng is not None:
            W = rng.numpy().normal(size=W.shape) / np.sqrt(columns)
        self.weight = nn.Parameter(as_tensor(W))
        self.bias = nn.Parameter(torch.zeros(rows, 1)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return W x + b."""
        if self.bias is None:
            return self.weight @ x
        return torch.addmm(self.bias, self.weight, x)

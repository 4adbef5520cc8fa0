r"""Coupling layers: active sites move by functions of the frozen sites.

.. math::
    \text{additive} \quad & y = x + t
        && \text{(NICE: Dinh, Krueger and Bengio, ICLR workshop 2015)} \\
    \text{affine} \quad & y = e^s x + t
        && \text{(RealNVP: Dinh, Sohl-Dickstein and Bengio, ICLR 2017)} \\
    \text{spline} \quad & y = e^s R(x) + t
        && \text{(neural spline flows: Durkan et al., NeurIPS 2019)}

for every active site, with t, s and the shape of R computed from the frozen ones
(:mod:`physgen.models.flows.conditioners`), and

.. math:: \log |\det \partial y / \partial x| = \sum_x s_x + \log R'(x) , \qquad
          s = S \tanh(\theta_0 / S), \quad S = 2 .

A bounded s keeps deep stacks from overflowing.  Splines live on [-B, B] with B = 4 scales and are
the identity outside.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_choice
from physgen.core.random import Stream
from physgen.models.flows.conditioners import Conditioner
from physgen.models.flows.splines import n_parameters, spline

__all__ = ["BOUND", "KINDS", "Coupling", "bounded"]

KINDS = ("additive", "affine", "spline")
LOG_SCALE_MAX = 2.0  # S
BOUND = 4.0  # of splines, in units of the size of a field


class Coupling(nn.Module):
    """One coupling of a set of active sites to a set of frozen ones.

    Parameters
    ----------
    table : ndarray of int (n_displacements, n_active)
        Windows of frozen sites, of :func:`~physgen.models.flows.windows.window`.
    n_frozen : int
    kind : {"additive", "affine", "spline"}
    hidden : int
        Channels of the net.
    bins : int
        Of the splines.
    scale : float
        Size of a typical field.
    odd : bool
        The layer commutes with a flip of the whole field.
    rng : Stream or int
        Initial weights; the layer begins as the identity.
    """

    def __init__(
        self,
        table: np.ndarray,
        n_frozen: int,
        kind: str,
        hidden: int,
        bins: int,
        scale: float,
        odd: bool,
        rng: Stream | int,
    ) -> None:
        super().__init__()
        self.kind = check_choice("kind", kind, KINDS)
        self.bound, self.odd = BOUND * scale, odd
        shape = n_parameters(bins, odd) if kind == "spline" else 0
        n_other = 0 if kind == "additive" else 1 + shape
        self.net = Conditioner(table, n_frozen, hidden, n_other, scale, odd, rng)

    def forward(
        self, x: torch.Tensor, frozen: torch.Tensor, inverse: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the active sites (n_active, B) after the layer, and the log determinant.

        Parameters
        ----------
        x : tensor (n_active, B)
        frozen : tensor (n_frozen, B)
        inverse : bool
            Take y and return x; the determinant then belongs to this inverse map.

        Returns
        -------
        y : tensor (n_active, B)
        log_det : tensor (B,) float64, or None where it is zero
        """
        (t,), other = self.net(frozen)
        if other is None:
            return (x - t if inverse else x + t), None
        (s,), shape = other.tensor_split([1])
        s = bounded(s)
        if inverse:
            y, change = self._bent((x - t) * torch.exp(-s), shape, True)
            s = -s
        else:
            y, change = self._bent(x, shape, False)
            y = y * torch.exp(s) + t
        return y, (s if change is None else s + change).sum(0, dtype=torch.float64)

    def _bent(
        self, x: torch.Tensor, shape: torch.Tensor, inverse: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if self.kind != "spline":
            return x, None
        return spline(x, shape, self.bound, odd=self.odd, inverse=inverse)


def bounded(theta: torch.Tensor) -> torch.Tensor:
    """Return the log scale s = S tanh(theta / S)."""
    return LOG_SCALE_MAX * torch.tanh(theta / LOG_SCALE_MAX)

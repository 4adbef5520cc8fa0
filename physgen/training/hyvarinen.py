r"""The score-matching loss of one configuration, with exact or random traces.

.. math:: J(x) = \tfrac12 |\nabla S|^2 - \Delta S , \qquad \Delta S = \sum_i H_{ii} ,
          \quad H_{ij} = \partial_i \partial_j S ,

and with random signs :math:`\sigma_i`

=============  ====================================================================================
exact          :math:`\sum_i H_{ii}`: one backward pass a site
rademacher     :math:`\sigma^T H \sigma` (sliced; Song et al., arXiv:1905.07088), of variance
               :math:`2 \sum_{i \ne j} H_{ij}^2`
checkerboard   :math:`\sum_c \sigma_c^T H \sigma_c`, where :math:`\sigma_c` has signs on the sites
               of colour c and 0 elsewhere: neighbours, whose :math:`H_{ij}` are largest, do not
               contribute to the variance
=============  ====================================================================================

all of them unbiased.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.training.from_data import EnergyFunction

__all__ = ["PROBES", "hyvarinen", "slope"]

PROBES = ("checkerboard", "rademacher", "exact")


def slope(energy: EnergyFunction, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x as a leaf, and dS/dx with a graph."""
    with torch.enable_grad():
        at = x.detach().requires_grad_(True)
        (g,) = torch.autograd.grad(energy(at).sum(), at, create_graph=True)
    return at, g


def hyvarinen(
    energy: EnergyFunction,
    x: torch.Tensor,
    probes: str,
    lattice: Hypercubic | None,
    rng: Stream,
) -> torch.Tensor:
    r"""Return :math:`\tfrac12 |\nabla S|^2 - \Delta S` of each configuration, (B,) float64.

    Parameters
    ----------
    energy : callable(x) -> S (B,)
    x : tensor (B, *event_shape)
    probes : {"checkerboard", "rademacher", "exact"}
    lattice : Hypercubic or None
        Whose colours "checkerboard" takes.
    rng : Stream
        The random signs.
    """
    at, g = slope(energy, x)
    with torch.enable_grad():
        trace = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for probe in _probes(x, probes, lattice, rng):
            trace = trace + (_curvature(at, g, probe) * probe).double().flatten(1).sum(1)
        return 0.5 * (g * g).double().flatten(1).sum(1) - trace


def _probes(
    x: torch.Tensor, kind: str, lattice: Hypercubic | None, rng: Stream
) -> Sequence[torch.Tensor]:
    if kind == "exact":
        sites = torch.eye(x[0].numel(), dtype=x.dtype, device=x.device)
        return [site.view_as(x[0]).expand_as(x) for site in sites]
    bits = torch.randint(2, x.shape, generator=rng.torch(x.device), device=x.device)
    signs = (2 * bits - 1).to(x.dtype)
    if kind == "rademacher" or lattice is None:
        return [signs]
    colour = torch.from_numpy(lattice.colouring().astype(np.int64)).view(x.shape[1:]).to(x.device)
    return [signs * (colour == c) for c in range(int(colour.max()) + 1)]


def _curvature(at: torch.Tensor, g: torch.Tensor, probe: torch.Tensor) -> torch.Tensor:
    """Return H probe; 0 where the slopes do not depend on the fields."""
    if not g.requires_grad:
        return torch.zeros_like(at)
    (h,) = torch.autograd.grad(
        (g * probe).sum(), at, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return h

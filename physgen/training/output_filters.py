r"""The output filters of a score network in closed form.

The network :math:`N = \sum_j A_j \tanh(W_j \hat x)` is linear in its filters A, and these are one
number a star of momenta.  So the weighted squared error splits into a linear problem for each star
s, with features :math:`f_k` (F numbers a mode) and goals :math:`g_k`,

.. math:: (G_s + \rho \, \bar G_s) \, a_s = b_s , \qquad
          G_s = \sum_{k \in s} f_k f_k^T , \quad b_s = \sum_{k \in s} f_k g_k ,

with :math:`\bar G` the mean of the diagonal.  A second of linear algebra does what thousands of
steps of gradient descent do.  The ridge :math:`\rho` = 1e-5 keeps features of opposite signs
from growing where few configurations are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

__all__ = ["RIDGE", "solve_out"]

RIDGE = 1e-5


@torch.no_grad()
def solve_out(network: Any, batches: Iterable[Any], ridge: float = RIDGE) -> None:
    """Set the filters A of a network to the solution of a regression.

    Parameters
    ----------
    network : Network
        One with ``stars``, ``features`` and ``assign``.
    batches : iterable of (x, weights, scale, goal)
        As of :class:`~physgen.training.denoising_diffusion.Regression`.
    ridge : float
        rho, > 0.
    """
    stars = [torch.as_tensor(columns) for columns in network.stars]
    gram: list[Any] = [0.0] * len(stars)
    right: list[Any] = [0.0] * len(stars)
    for x, weights, scale, goal in batches:
        f = network.features(x, weights) * scale[:, None]
        for s, columns in enumerate(stars):
            rows = f[:, :, columns].transpose(1, 2).flatten(0, 1)
            gram[s] = gram[s] + (rows.t() @ rows).double()
            right[s] = right[s] + (rows.t() @ goal[:, columns].flatten()).double()
    solved = []
    for G, b in zip(gram, right, strict=True):
        level = ridge * float(G.diagonal().mean()) + 1e-300
        solved.append(torch.linalg.solve(G + level * torch.eye(len(G)).to(G), b))
    network.assign(np.stack([a.cpu().numpy() for a in solved], axis=1))

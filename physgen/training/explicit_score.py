r"""The exact score of a noised ensemble: explicit score matching.

Of configurations :math:`x_j` with known values :math:`G_j`, noised to
:math:`x = x_j + \lambda z`, the mean of G given x is a finite sum,

.. math:: E[G \,|\, x] = \sum_j w_j G_j , \qquad w_j \propto e^{- |x - x_j|^2 / 2 \lambda^2} .

With G the force that is left of the clean field this is the score itself, and a regression on it
has no variance left but the one of the ensemble.  The own configuration of x is one of the j: the
sum is then the mean of its G given x and the ensemble, so it is right on average, however few the
others are.  In high dimension one weight is all, the sum is G of the own configuration, and
nothing is won: more than 64 numbers are refused.  Without a force G would be
:math:`(x - x_j) / \lambda^2`, whose mean is the score of the memory of the data: refused too.
"""

from __future__ import annotations

import torch

from physgen.core.errors import InputError

__all__ = ["MOST_SITES", "REFERENCES", "check_small", "posterior_mean"]

MOST_SITES = 64
REFERENCES = 2048  # other configurations
Pair = tuple[torch.Tensor, torch.Tensor]


def check_small(n_sites: int) -> None:
    """Raise InputError if so many numbers leave one configuration with all the weight."""
    if n_sites > MOST_SITES:
        raise InputError(
            f"explicit score matching is for at most {MOST_SITES} sites, where several "
            f"configurations explain a noised one, got {n_sites}; use 'mixed'"
        )


def posterior_mean(x: torch.Tensor, lam2: torch.Tensor, own: Pair, others: Pair) -> torch.Tensor:
    """Return E[G | x], (B, n).

    Parameters
    ----------
    x : tensor (B, n)
        Noised fields.
    lam2 : tensor (B, 1)
        Squares of the noise, >= 0.
    own : tensors (B, n), (B, n)
        The clean field of each x, and its G.
    others : tensors (M, n), (M, n)
        The rest of the ensemble.
    """
    (clean, G), (known, goals) = own, others
    scale = 0.5 / lam2.double().clamp(min=1e-12)
    far = torch.cdist(x.double(), known.double()).square()
    near = (x - clean).double().square().sum(1, keepdim=True)
    w = torch.softmax(-scale * torch.cat([near, far], 1), 1).to(x.dtype)
    return w[:, :1] * G + w[:, 1:] @ goals

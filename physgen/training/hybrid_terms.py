r"""The terms of a loss of draws: each a value, and for draws without gradients their advantages.

A loss that is a mean over draws, or over pairs of draws, has two estimators of its gradient.
Through the draws, it is the gradient of ``value``.  Through their probabilities (REINFORCE), it is

.. math:: \frac1B \sum_i A_i \nabla_\theta \log P_\theta(s_i \mid z_i) ,

with advantages :math:`A_i` whose baseline depends on the other draws alone: unbiased.

The square of the difference of two means is estimated by pairs of different draws,

.. math:: \frac{1}{B (B - 1)} \sum_{i \ne j} d_i d_j , \qquad d_i = f(y_i) - \langle f \rangle_p ,

whose mean is :math:`(\langle f \rangle_q - \langle f \rangle_p)^2`.  The square of the mean of d
would exceed it by var(f) / B and would press the draws towards too small a spread.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from physgen.training.divergences import _kernel

__all__ = ["Part", "of_game", "of_kernel", "of_means", "surrogate"]


class Part(NamedTuple):
    """One term on one batch.

    Attributes
    ----------
    value : tensor ()
    advantages : tensor (B,)
        Without gradients.
    """

    value: torch.Tensor
    advantages: torch.Tensor


def of_game(losses: torch.Tensor) -> Part:
    """Return the mean of losses of single draws (B,)."""
    fixed = losses.detach()
    return Part(losses.mean(), fixed - _others(fixed))


def of_means(differences: torch.Tensor) -> Part:
    """Return the sum over functions of the squared mean of differences (B, n)."""
    n, total = len(differences), differences.sum(0)
    value = ((total.square() - differences.square().sum(0)) / (n * (n - 1))).sum()
    d = differences.detach()
    rest = (d.sum(0) - d) / (n - 1)
    return Part(value, 2 * (rest * (d - rest)).sum(1))


def of_kernel(data: torch.Tensor, draws: torch.Tensor) -> Part:
    """Return the unbiased MMD^2 of features of data (n, F) and of draws (B, F)."""
    B, n = len(draws), len(data)
    xx, yy, xy = _kernel(data, data), _kernel(draws, draws), _kernel(draws, data)
    rows = yy.sum(1) - yy.diagonal()
    value = (xx.sum() - xx.diagonal().sum()) / (n * (n - 1)) - 2 * xy.mean()
    value = value + rows.sum() / (B * (B - 1))
    rows, near = rows.detach(), xy.detach().mean(1)
    among = (rows.sum() - 2 * rows) / max((B - 1) * (B - 2), 1)  # of the other draws alone
    own = 2 * (rows / (B - 1) - near)
    return Part(value, own - 2 * (among - _others(near)))


def surrogate(part: Part, log_p: torch.Tensor | None) -> torch.Tensor:
    """Return the value of a term, with its gradient through the draws or through `log_p` (B,)."""
    if log_p is None:
        return part.value
    through = (part.advantages.to(log_p) * log_p).mean()
    return part.value.detach() + (through - through.detach())


def _others(values: torch.Tensor) -> torch.Tensor:
    """Return for each of (B,) the mean of the others."""
    return (values.sum() - values) / max(len(values) - 1, 1)

r"""What bounds a critic: penalties on its slope.

.. math:: R_1 = \tfrac{\gamma}{2} \; E_p \big| s \nabla D(x) \big|^2 , \qquad
          G = \lambda \; E \big( | \nabla D(\hat x) | - 1 \big)^2 , \quad
          \hat x = \alpha x + (1 - \alpha) y

R1 is zero only for a flat critic, which is the best one at q = p; s is the size of a field: the
strength does not depend on units.  G asks for slope 1 between data and draws, as the best
critic of the Wasserstein distance has.  :math:`\alpha` is uniform in [0, 1], one number a
configuration (one a site would leave the segment), and the norm is over all sites of one
configuration.
"""

from __future__ import annotations

import torch

from physgen.training.critic_state import Scores

__all__ = ["between", "gradient_penalty", "r1", "slopes"]

FLAT = 1e-12  # added to the square of a norm, whose root has no slope at 0


def slopes(scores: Scores, x: torch.Tensor) -> torch.Tensor:
    """Return the gradient of D in x (B, *event_shape), differentiable in the weights of D."""
    at = x.detach().requires_grad_(True)
    with torch.enable_grad():
        total = scores(at).sum()
        if not total.requires_grad:  # D does not depend on x or on weights
            return torch.zeros_like(at)
        (found,) = torch.autograd.grad(total, at, create_graph=True, allow_unused=True)
    return torch.zeros_like(at) if found is None else found


def r1(scores: Scores, data: torch.Tensor, scale: float) -> torch.Tensor:
    """Return E |scale grad D|^2 / 2 at the data."""
    return 0.5 * (scale * slopes(scores, data)).square().flatten(1).sum(1).mean()


def gradient_penalty(scores: Scores, x: torch.Tensor) -> torch.Tensor:
    """Return E (|grad D| - 1)^2 at given points."""
    squares = slopes(scores, x).square().flatten(1).sum(1)
    return ((squares + FLAT).sqrt() - 1).square().mean()


def between(x: torch.Tensor, y: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return one point on the segment between each configuration x and draw y."""
    n = min(len(x), len(y))
    size = (n, *[1] * (x.ndim - 1))
    alpha = torch.rand(size, generator=generator, device=generator.device, dtype=x.dtype)
    return alpha * x[:n] + (1 - alpha) * y[:n]

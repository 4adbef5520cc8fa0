r"""Losses of joint models q(x, z) = p(z) p(x | z) with an encoder r(z | x), in the space of pairs.

With :math:`\log w = -S(x) + \log r(z|x) - \log p(z) - \log p(x|z)`, the reverse divergence of
pairs

.. math:: E_q[-\log w] = -\log Z + D_{KL}(q(x, z) \,\|\, p(x)\, r(z|x))

bounds the divergence of x alone from above.  The decoder and the prior learn through the draws:
their densities are held, for E_q of their scores is 0.  The encoder learns through
:math:`\log r`.  Spins do not move with the weights: then the gradient is
:math:`E[(f - \bar f) \, \partial \log q(x, z)]`, with :math:`f = -\log w` and the mean of the
other draws, and the one through :math:`\log r`.  Of configurations x ~ p with z ~ r(z|x),

.. math:: E[\log w] = \log Z + D_{KL}(p(x)\, r(z|x) \,\|\, q(x, z)) = E_p[-S - \mathrm{ELBO}] .
"""

from __future__ import annotations

from typing import Any

import torch

from physgen.core.protocols import JointDensity
from physgen.core.random import Stream
from physgen.models.latent.flow_law import FlowLaw, frozen

__all__ = ["forward_weights", "is_joint", "reverse_loss", "reverse_weights"]


def is_joint(model: Any) -> bool:
    """Return whether a model is a density of pairs."""
    return isinstance(model, JointDensity)


def reverse_loss(
    q: Any, target: Any, n: int, rng: torch.Generator, factor: float, reinforce: bool
) -> torch.Tensor:
    """Return the mean of -log w of n draws, with the gradient of the divergence.

    Parameters
    ----------
    q : JointModel
    target : Target
    n : int
    rng : torch.Generator
    factor : float
        Of the action.
    reinforce : bool
        Use the gradient that needs neither a force nor continuous x.
    """
    if reinforce:
        return _reinforce(q, target, n, rng, factor)
    prior = q.prior_law()
    z = prior.draw(n, rng)[:, 0]
    law = q.decode(z)
    y = law.draw(rng)
    x = q.outside(y)
    if isinstance(prior, FlowLaw):  # z moves with the weights of the prior
        with frozen(q.decoder):
            held = q.decode(z)
    else:
        held = law.held()
    log_q = prior.held().log_prob(z) + held.log_prob(y) + q.log_unit
    return (factor * target.action(x) + log_q - q.encode(x).log_prob(z)).mean()


def _reinforce(q: Any, target: Any, n: int, rng: torch.Generator, factor: float) -> torch.Tensor:
    with torch.no_grad():
        x, z = q.draw(n, rng)
    log_q, log_r = q(x, z), q.encode(x).log_prob(z)
    with torch.no_grad():
        f = factor * torch.as_tensor(target.action(x)).to(log_q.device) + log_q - log_r
        advantage = (f - f.mean()) / max(n - 1, 1)
    along = (advantage * log_q).sum() - log_r.mean()
    return along + (f.mean() - along).detach()


def reverse_weights(q: Any, target: Any, n: int, rng: Stream) -> torch.Tensor:
    """Return log w (n,) of draws, without gradients."""
    with torch.no_grad():
        x, z = q.sample(n, rng)
        log_q = torch.as_tensor(q.joint_log_prob(x, z) - q.posterior_log_prob(x, z))
        return -torch.as_tensor(target.action(x)).to(log_q.device) - log_q


def forward_weights(q: Any, target: Any, x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return log w (B,) of configurations, one z ~ r(z|x) for each; differentiable."""
    with torch.no_grad():
        action = torch.as_tensor(target.action(x))
    law = q.encode(x)
    z = law.draw(1, rng)[0]
    return -action.to(z.device) + law.log_prob(z) - q(x, z)

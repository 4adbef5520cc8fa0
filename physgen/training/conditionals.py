r"""How well an energy of discrete sites knows each site from the others.

.. math:: \ell(x) = -\frac{1}{n} \sum_{i \in I} \log p(x_i \mid x_{\setminus i})
          = \frac{1}{n} \sum_{i \in I} \log \sum_k e^{S(x) - S(x^{i \to k})} ,

in nats a site, over n random sites I: an unbiased estimate of the pseudo-likelihood
(Besag, J. R. Stat. Soc. B 36, 192 (1974)), which needs no partition function.
"""

from __future__ import annotations

import torch

from physgen.core.protocols import Support
from physgen.core.random import Stream
from physgen.training.from_data import EnergyFunction

__all__ = ["conditional_nll", "images"]


def images(x: torch.Tensor, site: torch.Tensor, support: Support) -> torch.Tensor:
    """Return x with each other value at one site, (K - 1, B, *event_shape).

    Parameters
    ----------
    x : tensor (B, *event_shape)
    site : tensor of int64 (B,)
        Number of the site in each configuration.
    """
    flat, at = x.flatten(1), site.unsqueeze(1)
    old = flat.gather(1, at)
    values = (
        [-old] if support.K is None else [_turned(old, k, support.K) for k in range(1, support.K)]
    )
    return torch.stack([flat.scatter(1, at, value).view_as(x) for value in values])


def conditional_nll(
    energy: EnergyFunction, x: torch.Tensor, support: Support, n: int, rng: Stream
) -> torch.Tensor:
    """Return l(x) of each configuration, (B,) float64, over n of its sites.

    Parameters
    ----------
    energy : callable(x) -> S (B,)
    x : tensor (B, *event_shape)
    support : Support
        Spins, or outcomes.
    n : int
        Sites that are looked at, drawn with replacement; all of them in turn if n is their number
        or more.
    rng : Stream
    """
    n_sites = x[0].numel()
    sites = torch.randint(n_sites, (n, len(x)), generator=rng.torch(x.device), device=x.device)
    if n >= n_sites:
        sites = torch.arange(n_sites, device=x.device).unsqueeze(1).expand(n_sites, len(x))
    S, total = energy(x), torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for site in sites:
        others = images(x, site, support)
        change = S - energy(others.flatten(0, 1)).view(len(others), -1)
        total = total + torch.logsumexp(torch.cat([torch.zeros_like(S)[None], change]), 0)
    return total / len(sites)


def _turned(old: torch.Tensor, k: int, K: int) -> torch.Tensor:
    return ((old.long() + k) % K).to(old.dtype)

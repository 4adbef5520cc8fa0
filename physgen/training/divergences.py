r"""What the players of an adversarial game minimise, by the divergence that the game measures.

A critic D sees configurations x of the data p and draws y of the generator q.

====================  ======================================  =================================
divergence            the critic maximises                    the generator minimises
====================  ======================================  =================================
minimax               E_p log s(D) + E_q log(1 - s(D))        E_q log(1 - s(D))
non-saturating        the same                                -E_q log s(D)
f-gan-...             E_p T - E_q f*(T),  T = f'(e^D)         -E_q f*(T)
wasserstein           E_p D - E_q D, slopes of D near 1       -E_q D
clipped-wasserstein   E_p D - E_q D, weights within +-c       -E_q D
mmd-gan               MMD^2 of features D(x), D(y)            the same MMD^2
====================  ======================================  =================================

with the logistic s.  For the first three lines the best critic is one and the same,
:math:`D = \log p/q`, which f' maps into the domain of f* whatever D is.  At the best critic the
value of minimax is 2 JS - log 4, and that of an f-gan :math:`D_f(p \| q)`; any other critic gives
less, so the value is a lower bound.  f-gan-kl is D(p||q), f-gan-reverse-kl D(q||p).

Saturation: d/dD of log(1 - s(D)) is -s(D), which vanishes where the critic is sure that a draw is
none of the data; that of -log s(D) is -(1 - s(D)), which is -1 there.

The kernel of mmd-gan is a sum of rational quadratics, :math:`\sum_a (1 + d^2 / 2a)^{-a}` with
a = 0.2, 0.5, 1, 2 and 5, plus the product of the features; the estimate is unbiased.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from physgen.analysis.f_generators import generator
from physgen.core.checks import check_choice
from physgen.training.divergence_names import DIVERGENCES

__all__ = ["KERNEL_FEATURES", "Divergence", "divergence", "mmd2", "witness"]

KERNEL_FEATURES = 16
WIDTHS = (0.2, 0.5, 1.0, 2.0, 5.0)

Each = Callable[[torch.Tensor], torch.Tensor]  # D (B,) -> (B,)

# log u -> f*(f'(u)) = u f'(u) - f(u), without the differences of large numbers in either form.
_CONJUGATE_OF_SLOPE: Mapping[str, Each] = {
    "kl": torch.exp,
    "reverse-kl": lambda v: v - 1,
    "pearson": lambda v: torch.expm1(2 * v),
    "squared-hellinger": lambda v: torch.expm1(v / 2),
    "js": lambda v: (F.softplus(v) - math.log(2)) / 2,
}


@dataclass(frozen=True)
class Divergence:
    """An adversarial game of single draws.

    Attributes
    ----------
    name : str
    of_data, of_draws : callable
        D -> what the critic maximises the mean of, of configurations and of draws.
    generator : callable
        D -> what the generator minimises the mean of.
    penalty : {"r1", "gradient", "clip"}
        What usually bounds the critic.
    """

    name: str
    of_data: Each
    of_draws: Each
    generator: Each
    penalty: str

    def value(self, data: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """Return what the critic maximises, of its scores of data (B,) and of draws (B',)."""
        return self.of_data(data).mean() + self.of_draws(draws).mean()


def divergence(name: str) -> Divergence:
    """Return the game of a name in `DIVERGENCES`.

    But for "mmd-gan": it is none of single draws.
    """
    check_choice("divergence", name, tuple(n for n in DIVERGENCES if n != "mmd-gan"))
    penalty = DIVERGENCES[name]
    if name.endswith("wasserstein"):
        return Divergence(name, lambda d: d, lambda d: -d, lambda d: -d, penalty)
    if name.startswith("f-gan-"):
        f = generator(name.removeprefix("f-gan-"))

        def cost(d: torch.Tensor) -> torch.Tensor:
            return -_CONJUGATE_OF_SLOPE[f.name](d)

        return Divergence(name, f.slope, cost, cost, penalty)
    saturating = name == "minimax"
    return Divergence(
        name,
        lambda d: -F.softplus(-d),
        lambda d: -F.softplus(d),
        (lambda d: -F.softplus(d)) if saturating else (lambda d: F.softplus(-d)),
        penalty,
    )


def _kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return k of features (n, F) and (m, F), (n, m)."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
    squares = squares.clamp_min(0)
    return sum(((1 + squares / (2 * w)) ** -w for w in WIDTHS), start=a @ b.T)


def mmd2(data: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Return the unbiased MMD^2 of features (n, F) and (m, F)."""
    n, m = len(data), len(draws)
    xx, yy, xy = _kernel(data, data), _kernel(draws, draws), _kernel(data, draws)
    own = (xx.sum() - xx.diagonal().sum()) / (n * (n - 1))
    other = (yy.sum() - yy.diagonal().sum()) / (m * (m - 1))
    return own + other - 2 * xy.mean()


def witness(data: torch.Tensor, draws: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Return E_p k(x, t) - E_q k(y, t) of features `at` (B, F), the best critic of the kernel."""
    return _kernel(at, data).mean(1) - _kernel(at, draws).mean(1)

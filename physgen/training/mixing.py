r"""Whether the chains of the negative phase forget where they were: measured while training.

A copy of all chains is kept as a reference, and their overlap with it is followed from update to
update,

.. math:: \rho(t) = \frac{ \sum_i \langle \delta x_i(0) \, \delta x_i(t) \rangle }
                         { \sum_i \langle \delta x_i(0)^2 \rangle } ,
          \qquad \delta x_i = x_i - \langle x_i \rangle ,

with means over chains; the same of the mean over sites (the slow mode of a lattice), and the
larger of both.  For outcomes :math:`\delta x_i(0) \delta x_i(t)` is the agreement minus its value
for independent chains.  The gradient of an even energy does not know the sign of a chain: its
chains are multiplied by the sign of their mean first.  When :math:`\rho` has fallen below 0.05 or
twice its noise, :math:`1/\sqrt{n}`, the time

.. math:: \tau = k / \log(1 + 1 / s) , \qquad s = \sum_{t \ge 1} \rho(t) ,

in steps is recorded, that of an exponential with this sum, and a new reference is taken.  Until
then it is a lower bound.  Chains that move k steps an update with :math:`\tau > k` are *out of
equilibrium* (Decelle, Furtlehner, Seoane, NeurIPS 2021, arXiv:2105.13889): samples of the model
may then look right only if they are made as in training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from physgen.core.learning import Carry
from physgen.core.protocols import Support

__all__ = ["begun", "correlation", "followed", "needed", "overlap"]

LOWEST = 0.05


def begun(chains: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what has to be carried: the reference, the sum s so far, and the last tau."""
    number = {"sum": 0.0, "tau": 0.0, "windows": 0.0}
    found = {name: torch.tensor(x, dtype=torch.float64) for name, x in number.items()}
    return {"reference": chains.clone(), **found}


def followed(
    carry: Carry, chains: torch.Tensor, support: Support, k: int, *, even: bool = False
) -> Mapping[str, torch.Tensor]:
    """Return the same after one more update of all chains, k steps each."""
    rho = overlap(carry["reference"], chains, support, even=even)
    s = float(carry["sum"]) + rho
    if rho > max(LOWEST, 2 / math.sqrt(len(chains))):
        return {**carry, "sum": torch.tensor(s, dtype=torch.float64)}
    tau = torch.tensor(correlation(s, k), dtype=torch.float64)
    fresh = begun(chains)
    return {**carry, **fresh, "tau": tau, "windows": carry["windows"] + 1}


def needed(carry: Carry, k: int) -> tuple[float, bool]:
    """Return tau in steps, and whether it is a lower bound: the window in progress is longer."""
    last, now = float(carry["tau"]), correlation(float(carry["sum"]), k)
    return (now, True) if now > last else (last, False)


def correlation(s: float, k: int) -> float:
    r"""Return tau of an exponential with :math:`\sum_{t \ge 1} e^{-t k / \tau} = s`."""
    return k / math.log1p(1 / s) if s > 0 else 0.0


def overlap(a: torch.Tensor, b: torch.Tensor, support: Support, *, even: bool = False) -> float:
    """Return rho of two sets of chains (n, *event_shape), 1 if nothing varies."""
    a, b = a.flatten(1), b.flatten(1)
    if support.K is not None:
        values = range(support.K)
        f, g = (torch.stack([(x == v).double().mean(0) for v in values]) for x in (a, b))
        spread = 1 - float((f * f).sum(0).mean())
        together = float((a == b).double().mean()) - float((f * g).sum(0).mean())
        return together / spread if spread > 1e-12 else 1.0
    a, b = (_upright(x.double()) if even else x.double() for x in (a, b))
    a, b = (x - x.mean(0) for x in (a, b))
    pairs = [(a, b), (a.mean(1), b.mean(1))]
    return max(
        float((x * y).mean() / (x * x).mean()) if float((x * x).mean()) > 1e-12 else 1.0
        for x, y in pairs
    )


def _upright(x: torch.Tensor) -> torch.Tensor:
    """Return chains (n, n_sites) with the sign that makes their mean positive."""
    return torch.where(x.mean(1, keepdim=True) < 0, -x, x)

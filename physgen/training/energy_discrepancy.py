r"""Energy discrepancy: contrasting every item with its own perturbations; no chains.

An item x is perturbed, :math:`y \sim q(y|x)`, and M others are drawn from the same symmetric
kernel back, :math:`x'_j \sim q(\cdot|y)`:

.. math:: \mathcal L(\theta) = E \log \frac1M \Big[ 1 + \sum_{j=1}^{M}
          e^{S_\theta(x) - S_\theta(x'_j)} \Big]

(Schröder et al., NeurIPS 2023, arXiv:2307.06431, with w = 1).  Given y, the item and its
perturbations are exchangeable but for the weight :math:`p(x)`, so the loss plus log M is the
cross-entropy of telling which of the M + 1 is the item: **its minimum is the true energy, up to a
constant, for every M and every width**.  Both limits are known.  For small Gaussian noise of
variance t

.. math:: \mathcal L \to \log\frac{M + 1}{M} + \frac{M}{M + 1} \, t \, J ,

with J of :mod:`~physgen.training.score_matching`; and for noise so wide that x' forgets x it tends
to the likelihood, importance-sampled by M draws.

The noise has to leave S about as it was: an item whose perturbations are all absurd teaches
nothing.  By default the perturbations of a whole configuration differ from it by a few units of S.
At temperature T, S / T stands for S.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import Support
from physgen.core.random import Stream
from physgen.training.from_data import FromData, mean_of

__all__ = ["EnergyDiscrepancy"]


class EnergyDiscrepancy(FromData):
    r"""Energy discrepancy, for real fields, spins and outcomes.

    Parameters
    ----------
    data : Configurations, or (target, samples), or outcomes
    width : float, optional
        Size of one perturbation, > 0: the standard deviation :math:`\sqrt t` of the noise on
        each number of a field, by default 2 / sqrt(V) of the standard deviation of the data; or
        the probability, at most 1/2, that a spin is flipped (an outcome redrawn), by default
        2 / V, for V sites.
    n_perturbed : int
        M >= 1.
    validation_fraction : float
        Share held out, in (0, 1).
    temperature : float
        The data are samples of e^{-S / temperature}.
    augment : bool
        Transform every item at random by the symmetries that the source declares.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    loss_name, label = "energy_discrepancy", "energy discrepancy"

    def __init__(
        self,
        data: Any,
        width: float | None = None,
        n_perturbed: int = 16,
        validation_fraction: float = 0.1,
        *,
        temperature: float = 1.0,
        augment: bool = True,
    ) -> None:
        super().__init__(data, validation_fraction, temperature, augment)
        self.n_perturbed = check_positive_int("n_perturbed", n_perturbed)
        if width is None and self.support.kind == "reals":
            width = 2 * float(self.samples.train.std()) / math.sqrt(self.n_sites)
        self.width = check_positive("width", 2 / max(self.n_sites, 4) if width is None else width)
        if self.support.kind != "reals" and self.width > 0.5:
            raise InputError(
                f"width must be a probability of at most 1/2 for {self.support.kind}, got {width}"
            )

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items."""
        del carry
        x, weights = self.batch(model, index, rng)
        return Loss(mean_of(self._losses(model, x, rng.child("perturbed")), weights))

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the loss per site of the held-out items, with the same noise every time."""
        with torch.no_grad():
            return self.held_out(model, lambda x, rng: self._losses(model, x, rng), size=64)

    def _losses(self, model: Any, x: torch.Tensor, rng: Stream) -> torch.Tensor:
        M, energy, generator = self.n_perturbed, self.energy(model), rng.torch(x.device)
        y = perturbed(x, self.width, model.support, generator)
        others = y.expand(M, *y.shape).reshape(-1, *y.shape[1:])
        others = perturbed(others, self.width, model.support, generator)
        S = energy(torch.cat([x, others])).view(M + 1, -1)
        return torch.logsumexp(S[0] - S, 0) - math.log(M)


def perturbed(
    x: torch.Tensor, width: float, support: Support, generator: torch.Generator
) -> torch.Tensor:
    """Return x (B, ...) after one step of a symmetric kernel of this width."""
    like = {"generator": generator, "device": x.device}
    if support.kind == "reals":
        return x + width * torch.randn(x.shape, dtype=x.dtype, **like)
    changed = torch.rand(x.shape, **like) < width
    if support.K is None:
        return torch.where(changed, -x, x)
    steps = torch.randint(1, support.K, x.shape, **like)  # to one of the other outcomes
    return torch.where(changed, (x.long() + steps) % support.K, x.long()).to(x.dtype)

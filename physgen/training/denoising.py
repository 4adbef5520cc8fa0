r"""Denoising score matching: learning the energy of a law smoothed by noise.

With z a standard normal deviate and :math:`y = x + \sigma z`,

.. math:: J(\theta) = E_p E_z \, \tfrac12 \big| \sigma \nabla S_\theta(y) - z \big|^2 ,
          \qquad \nabla S_\theta(y) \to \frac{z}{\sigma}
          \quad\text{(the score is } -\nabla S \text{, its target } -z / \sigma )

(Vincent, Neural Computation 23, 1661 (2011)).  Its minimum is the energy of
:math:`p_\sigma = p * N(0, \sigma^2)` and **not** of p: a Gaussian of variance v is learned with
the variance :math:`v + \sigma^2`.  Every configuration is used with z and -z, so that the noise
of the gradient stays finite as :math:`\sigma \to 0`.

An energy that takes a noise (:class:`~physgen.core.learning.NoiseConditioned`) learns all
:math:`p_\sigma` of its range, with :math:`\log\sigma` uniform; any other one learns a single one.
At temperature T, S / T stands for S.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_positive
from physgen.core.energies import NoiseConditioned
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss, Remarks
from physgen.core.random import Stream
from physgen.training.from_data import FromData, mean_of
from physgen.training.hyvarinen import slope

__all__ = ["DenoisingScoreMatching"]


class DenoisingScoreMatching(FromData):
    """Denoising score matching of real fields: it learns the law smoothed by noise.

    Parameters
    ----------
    data : Configurations, or (target, samples)
        Of real fields.
    sigma : float, optional
        Standard deviation of the noise, > 0, in units of the field.  None for an energy that
        takes a range of noises.
    validation_fraction : float
        Share held out, in (0, 1): the end of the chains.
    temperature : float
        The smoothed law is e^{-S / temperature}.
    augment : bool
        Transform every configuration at random by the symmetries that the source declares.

    Raises
    ------
    InputError
        If the data are no real fields, or a number is out of range.
    """

    loss_name = "denoising"

    def __init__(
        self,
        data: Any,
        sigma: float | None = None,
        validation_fraction: float = 0.1,
        *,
        temperature: float = 1.0,
        augment: bool = True,
    ) -> None:
        super().__init__(data, validation_fraction, temperature, augment)
        if self.support.kind != "reals":
            raise InputError(f"denoising needs real fields, got {self.support.kind}")
        self.sigma = None if sigma is None else check_positive("sigma", sigma)

    @property
    def label(self) -> str:
        """Name in tables: it says that the law is smoothed."""
        width = "all noises" if self.sigma is None else f"N(0, {self.sigma:g}^2)"
        return f"denoising (learns p * {width})"

    def check(self, model: Any) -> None:
        """Raise InputError unless model and data agree, and there is one noise or a range."""
        super().check(model)
        ranged = _range(model)
        if ranged is None and self.sigma is None:
            raise InputError(
                "sigma must be given, the standard deviation of the noise, for an energy of one "
                "law, got None; it learns p * N(0, sigma^2)"
            )
        if ranged is not None and self.sigma is not None:
            raise InputError(
                f"an energy of all noises in {ranged} takes no sigma, got {self.sigma}; leave it "
                "out"
            )

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean of J, summed over the sites of a configuration."""
        del carry
        x, weights = self.batch(model, index, rng)
        return Loss(mean_of(self._losses(model, x, rng.child("noise")), weights))

    def evaluate(self, model: Any) -> np.ndarray:
        """Return J per site of the held-out configurations, with the same noise every time."""
        return self.held_out(model, lambda x, rng: self._losses(model, x, rng))

    def remarks(self, carry: Carry) -> Remarks:
        """Return which law was learned."""
        del carry
        return Remarks(settings={"objective": "denoising", "sigma": self.sigma, "law": self.label})

    def _losses(self, model: Any, x: torch.Tensor, rng: Stream) -> torch.Tensor:
        generator, ranged = rng.torch(x.device), _range(model)
        z = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        if ranged is None:
            sigma = torch.full((len(x),), float(self.sigma or math.nan), dtype=x.dtype)
        else:
            low, high = map(math.log, ranged)
            u = torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype)
            sigma = (low + (high - low) * u).exp()
        sigma = sigma.to(x.device)
        wide, both = sigma.view(-1, *[1] * (x.ndim - 1)), torch.cat([z, -z])

        def energy(y: torch.Tensor) -> torch.Tensor:
            if ranged is None:
                return model.forward(y) / self.temperature
            return model.forward_at(y, torch.cat([sigma, sigma])) / self.temperature

        _, g = slope(energy, torch.cat([x + wide * z, x - wide * z]))
        with torch.enable_grad():
            off = torch.cat([wide, wide]) * g - both
            J = 0.5 * (off * off).double().flatten(1).sum(1)
            return J.view(2, -1).mean(0)


def _range(model: Any) -> tuple[float, float] | None:
    return model.noise_range if isinstance(model, NoiseConditioned) else None

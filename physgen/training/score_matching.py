r"""Score matching: learning an energy from its slopes, without a partition function.

.. math:: J(\theta) = E_p\Big[ \tfrac12 |\nabla S_\theta|^2 - \Delta S_\theta \Big]
                    = \tfrac12 E_p |\nabla S_\theta + \nabla \log p|^2 + \text{const}

(Hyvärinen, JMLR 6, 695 (2005)).  It needs neither Z nor chains.  Of an action that is linear in
its couplings the minimum is found in closed form (:mod:`physgen.training.linear_score_matching`);
of others in steps, with the Laplacian exact or from random signs
(:mod:`physgen.training.hyvarinen`).  At temperature T, S / T stands for S.  Losses are per site,
in units of the inverse square of the field.

Score matching compares slopes at the configurations of the data.  It is exact locally, but a
direction that costs little there can be far off where modes are soft: near criticality the
susceptibility of a convolutional energy scatters by 13 % from fit to fit.  Go on with
:class:`~physgen.training.MomentMatching` or
:class:`~physgen.training.PersistentContrastiveDivergence`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training.chains import ChainSamples
from physgen.training.from_data import FromData, mean_of
from physgen.training.hyvarinen import PROBES, hyvarinen
from physgen.training.linear_fit import Relations
from physgen.training.linear_score_matching import (
    WEIGHTS,
    hyvarinen_losses,
    is_linear,
    solve_score_matching,
)

__all__ = ["ScoreMatching"]


class ScoreMatching(FromData):
    """Score matching of real fields.

    Parameters
    ----------
    data : Configurations, (target, samples), or array (n, *event_shape)
        Of real fields, in the order of their chains.
    validation_fraction : float
        Share held out, in (0, 1): the end of the chains.
    probes : {"checkerboard", "rademacher", "exact"}, optional
        How the Laplacian is found in steps; by default "checkerboard" on a lattice, else
        "rademacher".
    relations : Relations, optional
        Linear relations between the couplings of a closed form; by default all are free.
    weight : {"optimal", "plain"}
        How the closed form weighs the modes of the field.
    temperature : float
        The data are samples of e^{-S / temperature}.
    augment : bool
        In steps, transform every configuration at random by the symmetries that the source
        declares.

    Raises
    ------
    InputError
        If the data are no real fields, a choice is unknown, or a number is out of range.
    """

    loss_name, label = "score_matching", "score matching"

    def __init__(
        self,
        data: Any,
        validation_fraction: float = 0.1,
        probes: str | None = None,
        *,
        relations: Relations | None = None,
        weight: str = "optimal",
        temperature: float = 1.0,
        augment: bool = True,
    ) -> None:
        if isinstance(data, np.ndarray) and data.dtype.kind == "f":
            data = Configurations(data, support="reals")
        super().__init__(data, validation_fraction, temperature, augment)
        if self.support.kind != "reals":
            raise InputError(
                f"score matching needs real fields, got {self.support.kind}; use "
                "PersistentContrastiveDivergence, or the pseudo-likelihood of spins"
            )
        usual = "rademacher" if self.lattice is None else "checkerboard"
        chosen = usual if probes is None else probes
        self.probes = check_choice("probes", chosen, PROBES)
        if self.probes == "checkerboard" and self.lattice is None:
            raise InputError(
                "probes 'checkerboard' need data on a lattice, got none; give Configurations a "
                "boundary, or take 'rademacher'"
            )
        self.relations, self.weight = relations, check_choice("weight", weight, WEIGHTS)
        self.chains = ChainSamples(data, validation_fraction)

    def solves(self, model: Any) -> bool:
        """Return whether the action is linear in its couplings, and the temperature 1."""
        return is_linear(model) and self.temperature == 1

    def solve(self, model: Any, rng: Stream) -> Loss:
        """Give the model the couplings of the minimum; return J of the training data."""
        del rng
        self.check(model)
        found = solve_score_matching(
            model, self.chains.train, relations=self.relations, weight=self.weight
        )
        model.set_fit(found)
        flat = self.chains.train.reshape(-1, *model.event_shape)
        J = hyvarinen_losses(model.local, found.couplings, flat).mean() * self.n_sites
        return Loss(torch.tensor(J))

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean of J of the configurations, summed over their sites."""
        del carry
        x, weights = self.batch(model, index, rng)
        J = hyvarinen(self.energy(model), x, self.probes, self.lattice, rng.child("probes"))
        return Loss(mean_of(J, weights))

    def evaluate(self, model: Any) -> np.ndarray:
        """Return J per site of the held-out configurations, with the same probes every time."""
        if self.solves(model):
            g = list(model.couplings.values())
            return hyvarinen_losses(model.local, g, self.chains.validation)
        energy = self.energy(model)
        return self.held_out(
            model, lambda x, rng: hyvarinen(energy, x, self.probes, self.lattice, rng)
        )

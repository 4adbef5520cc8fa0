r"""Pseudo-likelihood as an objective: each site given all others (Besag 1975).

.. math:: \mathcal L = -\sum_x \log p(x \mid \text{all others})

of a configuration, in nats.  Actions of spins or real fields that are linear in their couplings
are solved (:mod:`physgen.training.linear_pseudo_likelihood`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.training.chains import ChainSamples
from physgen.training.linear_fit import Relations
from physgen.training.linear_pseudo_likelihood import (
    is_linear,
    pseudo_losses,
    require_linear,
    solve_pseudo_likelihood,
)

__all__ = ["PseudoLikelihood"]


class PseudoLikelihood:
    """Pseudo-likelihood of spins or real fields, from configurations alone.

    Parameters
    ----------
    data : Configurations, (target, samples), or ndarray (n, *event_shape)
        In the order in which they were drawn: samples are an array (n, *event_shape), one chain,
        or (n_chains, n_draws, *event_shape).  Of a target only shape and support are used;
        in an array alone integers are spins, other numbers real fields.
    validation_fraction : float
        Share of each chain that is held out, in [0, 1).
    relations : Relations, optional
        Linear relations between the couplings; by default all are free.

    Raises
    ------
    InputError
        If the shape or the fraction is wrong, or integers are no spins.
    """

    loss_name, label, item, unit = "pseudo_nll", "pseudo-NLL", "configurations", "nat"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self,
        data: Any,
        validation_fraction: float = 0.1,
        *,
        relations: Relations | None = None,
    ) -> None:
        self.samples = ChainSamples(data, validation_fraction)
        self.relations = relations
        self.n_train, self.n_validation = self.samples.n_train, self.samples.n_validation
        self.n_sites = math.prod(self.samples.event_shape)

    def solves(self, model: Any) -> bool:
        """Return whether the model is an action of such data, linear in its couplings."""
        return is_linear(model)

    def solve(self, model: Any, rng: Stream) -> Loss:
        """Give the model the couplings of the minimum; return the loss of the training data."""
        del rng
        self.samples.check_model(model)
        found = solve_pseudo_likelihood(model, self.samples.train, relations=self.relations)
        model.set_fit(found)
        flat = self.samples.train.reshape(-1, *model.event_shape)
        losses = pseudo_losses(model.local, found.couplings, flat)
        return Loss(torch.tensor(losses.mean() * self.n_sites))

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return stream.numpy().permutation(self.n_train)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean over configurations of the pseudo-NLL of spins, in nats.

        Raises
        ------
        InputError
            If the model is no action of spins that is linear in its couplings.
        """
        del rng, carry
        require_linear(model)
        self.samples.check_model(model)
        if model.support != SPINS:
            raise InputError(
                "pseudo-likelihood takes steps for actions of spins alone, got one of "
                f"{model.support.kind}; those are solved"
            )
        flat = self.samples.train.reshape(-1, *model.event_shape)
        s = torch.from_numpy(flat[index]).to(model.weights)
        slopes = torch.stack([f.expand(s.shape) for f in model.local.slopes(s)], dim=-1)
        odds = 2 * s * (slopes @ model.weights)
        return Loss(torch.nn.functional.softplus(odds).flatten(1).sum(1).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the pseudo-NLL per site of every held-out configuration, (n_validation,)."""
        require_linear(model)
        g = list(model.couplings.values())
        return pseudo_losses(model.local, g, self.samples.validation)

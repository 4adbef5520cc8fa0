r"""Score matching: the action whose force is nearest to the score of the data (Hyvärinen 2005).

.. math:: J = E\big[ \tfrac12 |\nabla S|^2 - \nabla^2 S \big]
            = \tfrac12 E \, |\nabla S + \nabla \log p|^2 + \mathrm{const}

needs neither log Z nor chains.  Of an action that is linear in its couplings the minimum is found
in closed form (:mod:`physgen.training.linear_score_matching`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import REALS
from physgen.core.random import Stream
from physgen.training.chains import ChainSamples
from physgen.training.linear_fit import Relations
from physgen.training.linear_score_matching import (
    WEIGHTS,
    hyvarinen_losses,
    is_linear,
    solve_score_matching,
)

__all__ = ["ScoreMatching"]


class ScoreMatching:
    """Score matching of real fields, from configurations alone.

    Parameters
    ----------
    data : Configurations, or array of shape (n, *event_shape) or (n_chains, n_draws, *event_shape)
        In the order in which they were drawn; an array (n, *event_shape) is one chain.
    validation_fraction : float
        Share of each chain that is held out, in [0, 1).
    relations : Relations, optional
        Linear relations between the couplings; by default all are free.
    weight : {"optimal", "plain"}
        How the closed form weighs the modes of the field.

    Raises
    ------
    InputError
        If the shape or the fraction is wrong, or the numbers are no real fields.
    """

    loss_name, label, item, unit = "score_matching", "score matching", "configurations", "1"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self,
        data: Any,
        validation_fraction: float = 0.1,
        *,
        event_shape: tuple[int, ...] | None = None,
        relations: Relations | None = None,
        weight: str = "optimal",
    ) -> None:
        if event_shape is None:
            event_shape = tuple(getattr(data, "event_shape", None) or np.shape(data)[1:])
        self.samples = ChainSamples(data, event_shape, REALS, validation_fraction)
        self.relations, self.weight = relations, check_choice("weight", weight, WEIGHTS)
        self.n_train, self.n_validation = self.samples.n_train, self.samples.n_validation
        self.n_sites = math.prod(event_shape)

    def solves(self, model: Any) -> bool:
        """Return whether the action is linear in its couplings."""
        return is_linear(model)

    def solve(self, model: Any, rng: Stream) -> Loss:
        """Give the model the couplings of the minimum; return J of the training data."""
        del rng
        found = solve_score_matching(
            model, self.samples.train, relations=self.relations, weight=self.weight
        )
        model.set_fit(found)
        flat = self.samples.train.reshape(-1, *model.event_shape)
        J = hyvarinen_losses(model.local, found.couplings, flat).mean() * self.n_sites
        return Loss(torch.tensor(J))

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return stream.numpy().permutation(self.n_train)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Refuse a model that needs steps."""
        raise InputError(
            f"score matching by steps is not there, got {type(model).__name__}; take an action "
            "that is linear in its couplings"
        )

    def evaluate(self, model: Any) -> np.ndarray:
        """Return J per site of every held-out configuration, (n_validation,)."""
        g = list(model.couplings.values())
        return hyvarinen_losses(model.local, g, self.samples.validation)

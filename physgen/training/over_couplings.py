r"""Training one joint model for a range of a coupling: the mean of one loss at every value.

.. math:: \mathcal L(\theta) = \frac1C \sum_c \mathcal L_c(\theta(c)) .

A step takes one of the couplings, each equally often, and the loss of its own objective: the
evidence bound of configurations at c, or the divergence from the target at c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.core.learning import Annealed, Carry, Loss, Objective
from physgen.core.random import Stream
from physgen.models.latent.conditioned import ConditionedVAE

__all__ = ["OverCouplings"]


class OverCouplings:
    """The mean of the losses at several values of a coupling.

    Parameters
    ----------
    objectives : mapping of float to Objective
        By the value of the coupling, e.g. ``{0.40: ELBO(data_40), 0.44: ELBO(data_44)}``.

    Raises
    ------
    InputError
        If there are none, or they are of several kinds or shapes.
    """

    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(self, objectives: Mapping[float, Objective]) -> None:
        if not objectives:
            raise InputError("objectives must hold one objective for each coupling, got none")
        self.couplings = sorted(map(float, objectives))
        self.each = [objectives[c] for c in self.couplings]
        first = self.each[0]
        kinds = {(one.loss_name, one.n_sites) for one in self.each}
        if len(kinds) > 1:
            raise InputError(f"objectives must be of one kind and size, got {sorted(kinds)}")
        self.loss_name, self.label = first.loss_name, first.label
        self.item, self.unit, self.n_sites = first.item, first.unit, first.n_sites
        self.n_train = sum(one.n_train for one in self.each)
        self.n_validation = sum(one.n_validation for one in self.each)

    def at(self, progress: float) -> OverCouplings:
        """Return the objective at this share of the steps."""
        now = [one.at(progress) if isinstance(one, Annealed) else one for one in self.each]
        return OverCouplings(dict(zip(self.couplings, now, strict=True)))

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return places of an epoch; which items they are is up to the coupling of a step."""
        return stream.numpy().permutation(self.n_train)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing; refuse a model that is no family."""
        if not isinstance(model, ConditionedVAE):
            raise InputError(f"model must be a ConditionedVAE, got {type(model).__name__}")
        for value, one in zip(self.couplings, self.each, strict=True):
            if model.using(value, partial(one.begin, rng=rng)):
                raise InputError("objectives that carry something have no family")
        return {}

    def loss(self, model: ConditionedVAE, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the loss at one value of the coupling."""
        k = int(rng.child("which").numpy().integers(len(self.each)))
        one = self.each[k]
        rows = index % one.n_train
        return model.using(self.couplings[k], lambda q: one.loss(q, rows, rng.child("one"), carry))

    def evaluate(self, model: ConditionedVAE) -> np.ndarray:
        """Return the losses of all held-out items at their couplings, (n_validation,)."""
        pairs = zip(self.couplings, self.each, strict=True)
        found = [model.using(c, one.evaluate) for c, one in pairs]
        return np.concatenate(found)

r"""Training one model for a range of a coupling: the mean of reverse divergences.

.. math:: \frac1C \sum_{c} E_{q_c}[\log q_c(x) + S_c(x)]
          = \frac1C \sum_c \big[ -\log Z_c + D_{KL}(q_c \| p_c) \big]

over values of the coupling at Chebyshev nodes, between which polynomial interpolation is safe.  A
step uses one of them, each equally often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch

from physgen.analysis.weights import ess
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream, as_stream
from physgen.models.flows.conditioned import ConditionedFlow
from physgen.training.reverse_kl import ReverseKL

__all__ = ["FamilyKL"]


class FamilyKL:
    """Reverse divergence of a family of flows from a family of targets, up to their log Z.

    Parameters
    ----------
    family : ConditionedFlow
        The family to be trained, made with ``for_targets``.
    gradient : {"path", "reparam", "reinforce"}
    n_couplings : int
        Values of the coupling.
    n_validation : int
        Draws with fixed random numbers, in total.
    draws_per_epoch : int
        Between two validations.
    rng : Stream or int

    Raises
    ------
    InputError
        If the family has no targets, or a number is out of range.
    """

    loss_name, label, item, unit = "free_energy", "variational F", "draws", "nat"

    def __init__(
        self,
        family: ConditionedFlow,
        gradient: str = "path",
        *,
        n_couplings: int = 8,
        n_validation: int = 2048,
        draws_per_epoch: int = 6400,
        rng: Stream | int = 0,
    ) -> None:
        if not isinstance(family, ConditionedFlow):
            raise InputError(f"family must be a ConditionedFlow, got {type(family).__name__}")
        n = check_positive_int("n_couplings", n_couplings)
        low, high = family.interval
        u = np.cos(np.pi * (np.arange(n) + 0.5) / n)
        self.couplings = [float(c) for c in 0.5 * (low + high) + 0.5 * (high - low) * u]
        self.n_train = check_positive_int("draws_per_epoch", draws_per_epoch)
        self._n_each = max(2, check_positive_int("n_validation", n_validation) // n)
        stream = as_stream(rng)
        self._each = [
            ReverseKL(
                family.target(c),
                gradient,
                n_validation=self._n_each,
                rng=stream.child("coupling").at(k),
            )
            for k, c in enumerate(self.couplings)
        ]
        self.n_validation = self._n_each * n
        self.n_sites = math.prod(self._each[0].target.event_shape)

    @property
    def merits(self) -> Mapping[str, Callable[[np.ndarray], float]]:
        """The smallest effective share of all couplings."""
        return {"ess": self._worst}

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return 0..n_train-1: draws have no order."""
        del stream
        return np.arange(self.n_train)

    def begin(self, model: ConditionedFlow, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: ConditionedFlow, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the variational free energy at one value of the coupling."""
        k = int(rng.child("which").numpy().integers(len(self.couplings)))
        bound = model.bound(self.couplings[k])
        return self._each[k].loss(bound, index, rng.child("draws"), carry)

    def evaluate(self, model: ConditionedFlow) -> np.ndarray:
        """Return (log q + S) / n_sites of draws at every coupling, (n_validation,)."""
        with torch.no_grad():
            pairs = zip(self._each, self.couplings, strict=True)
            return np.concatenate([one.evaluate(model.bound(c)) for one, c in pairs])

    def _worst(self, losses: np.ndarray) -> float:
        each = losses.reshape(len(self.couplings), self._n_each) * self.n_sites
        return min(ess(-row) for row in each)

r"""Distillation: a few steps learn to end where the many steps of a teacher end.

With the map :math:`\Phi` of the teacher's probability flow from normal deviates y, solved finely,
and the map :math:`\Phi_K` of a :class:`~physgen.models.FewSteps` student,

.. math:: \mathcal L = E_y \big| \Phi_K(y) - \Phi(y) \big|^2

in modes of size 1 (Luhman and Luhman 2021; Salimans and Ho 2022).  Pairs (y, Phi(y)) cost the
teacher once and no configurations.  A student has no density.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import normal
from physgen.models.diffusion.few_steps import FewSteps

__all__ = ["Distillation"]

_AT_ONCE = 1024


class Distillation:
    """Squared distance of a student's draws from its teacher's, at equal random numbers.

    Parameters
    ----------
    teacher : ScoreModel, or Decimated with one
    n_pairs : int
        Pairs to learn from, >= 2.
    n_validation : int
        Pairs held out, >= 0.
    rng : Stream or int
        Their random numbers.

    Raises
    ------
    InputError
        If a number is out of range, or the teacher is no score model.
    """

    loss_name, label, item, unit = "distance", "distillation", "pairs", "1"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self, teacher: Any, n_pairs: int = 8192, n_validation: int = 1024, *, rng: Stream | int = 0
    ) -> None:
        self.n_train = check_positive_int("n_pairs", n_pairs, 2)
        self.n_validation = check_positive_int("n_validation", n_validation, 0)
        q = FewSteps(teacher).student
        self.n_sites = q.geometry.n
        generator = as_stream(rng).child("pairs").torch(q.device)
        self._y, _ = normal(n_pairs + n_validation, (q.geometry.n,), generator, q.dtype)
        with torch.no_grad():
            self._goal = torch.cat([q.carried_to_data(y) for y in self._y.split(_AT_ONCE)])

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return stream.numpy().permutation(self.n_train)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean squared distance of the pairs at these positions."""
        del rng, carry
        return Loss(self.errors(model, torch.from_numpy(np.asarray(index))).mean())

    def errors(self, model: Any, rows: torch.Tensor) -> torch.Tensor:
        """Return the squared distance of every pair, (B,)."""
        if not isinstance(model, FewSteps):
            raise InputError(f"distillation trains a FewSteps, got {type(model).__name__}")
        rows = rows.to(self._y.device)
        return (model.mapped(self._y[rows]) - self._goal[rows]).square().sum(1)

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the squared distance of every held-out pair per site, (n_validation,)."""
        rows = torch.arange(self.n_train, self.n_train + self.n_validation)
        with torch.no_grad():
            return self.errors(model, rows).double().cpu().numpy() / self.n_sites

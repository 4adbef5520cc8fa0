r"""What training minimises.

Negative log-likelihood of measurement strings a ~ P under the model q,

.. math:: \mathcal L = -\frac{1}{n} \sum_s \log q(a_s)
          \;\to\; H(P) + D_{KL}(P \| q) ,

in nats per string; H(P) is the entropy, the floor that no model can pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.protocols import Loss
from physgen.core.random import Stream, as_stream

__all__ = ["NegativeLogLikelihood"]


class NegativeLogLikelihood:
    """Negative log-likelihood of measured strings, with a held-out share.

    Parameters
    ----------
    outcomes : integer array (n, L), or an object with ``.outcomes`` (MeasurementData)
        Independent shots; outcomes 0..K-1.
    validation_fraction : float
        Share of the shots kept for validation, in [0, 1); they count in the shot budget.
        0: no validation, the last weights are the result.
    rng : Stream or int
        Chooses the shots that are held out.

    Raises
    ------
    InputError
        If the shape, the dtype or the fraction is wrong, or too few shots are left.
    """

    def __init__(
        self, outcomes: Any, validation_fraction: float = 0.05, *, rng: Stream | int = 0
    ) -> None:
        array = to_numpy(getattr(outcomes, "outcomes", outcomes))
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or array.size == 0:
            raise InputError(
                "outcomes must be an integer array (n_shots, L), "
                f"got shape {array.shape} and dtype {array.dtype}"
            )
        if not 0 <= check_finite("validation_fraction", validation_fraction) < 1:
            raise InputError(f"validation_fraction must lie in [0, 1), got {validation_fraction}")
        n_validation = round(validation_fraction * len(array))
        if validation_fraction > 0 and n_validation == 0:
            n_validation = 1
        if len(array) - n_validation < 1:
            raise InputError(f"at least 2 shots are needed to hold some out, got {len(array)}")
        # A random split: shots of a file may be ordered, by time or by setting.
        order = as_stream(rng).child("held out").numpy().permutation(len(array))
        held_out, kept = np.sort(order[:n_validation]), np.sort(order[n_validation:])
        self.train = torch.from_numpy(array[kept].astype(np.uint8))
        self.validation = torch.from_numpy(array[held_out].astype(np.uint8))

    @property
    def n_train(self) -> int:
        """Number of shots that are trained on."""
        return len(self.train)

    @property
    def n_validation(self) -> int:
        """Number of shots that are held out."""
        return len(self.validation)

    @property
    def n_sites(self) -> int:
        """Length L of a string."""
        return self.train.shape[1]

    def batch(self, index: np.ndarray) -> torch.Tensor:
        """Return the training strings of these positions, (B, L) uint8."""
        return self.train[torch.from_numpy(index)]

    def loss(self, model: Any, batch: torch.Tensor, rng: Stream) -> Loss:
        """Return the mean negative log-likelihood of a batch in nats per string."""
        return Loss(-model(batch).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the NLL of each held-out shot, in nats per site; empty without such shots."""
        if self.n_validation == 0:
            return np.empty(0)
        with torch.no_grad():
            return -to_numpy(model.log_prob(self.validation)) / self.n_sites

r"""The objectives that training minimises.

Negative log-likelihood of measurement strings a ~ P under the model q,

.. math:: \mathcal L = -\frac{1}{n} \sum_s \log q(a_s)
          \;\to\; H(P) + D_{KL}(P \| q) ,

in nats per string; H(P) is the entropy, the floor that no model can pass.  Shots with weights w_s
of mean 1 enter as :math:`-w_s \log q(a_s)`: shots of unequal settings
(:mod:`physgen.quantum.settings`) then represent the POVM.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.learning import Augmented, Carry, Loss
from physgen.core.random import Stream, as_stream
from physgen.quantum.settings import label_settings
from physgen.quantum.shots import ShotFile
from physgen.training.problem import device_of
from physgen.training.samples import Samples, check_weights, random_share
from physgen.training.streamed import BUFFER_BYTES, StreamedShots

__all__ = ["NegativeLogLikelihood"]


class NegativeLogLikelihood:
    """Negative log-likelihood of measured strings, with a held-out share.

    Parameters
    ----------
    outcomes : integer array (n, L), or an object with ``.outcomes`` (MeasurementData)
        Independent shots; outcomes 0..K-1.  Shots of ``MeasurementData.open`` are read from their
        file as needed (:mod:`physgen.training.streamed`).
    validation_fraction : float
        Share of the shots kept for validation, in [0, 1); they count in the shot budget.
        0: no validation, the last weights are the result.
    rng : Stream or int
        Chooses the shots that are held out.
    weights : array_like, shape (n,), optional
        Weight of each shot, >= 0; scaled to mean 1 separately among training and held-out shots.
        Default: the ``weights`` of MeasurementData, which exist if its settings are labelled.
    buffer_bytes : int
        Memory for the blocks of a file.

    Attributes
    ----------
    train, validation
        The strings, uint8 (n, L), as tensors; training strings in a file are an object that is
        indexed like one.

    Raises
    ------
    InputError
        If the shape, the dtype, the weights or the fraction is wrong, or too few shots are left.
    """

    loss_name, label, item, unit = "nll", "NLL", "shots", "nat"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self,
        outcomes: Any,
        validation_fraction: float = 0.05,
        *,
        rng: Stream | int = 0,
        weights: Any = None,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        array = getattr(outcomes, "outcomes", outcomes)
        array = array if isinstance(array, ShotFile) else to_numpy(array)
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or array.size == 0:
            raise InputError(
                "outcomes must be an integer array (n_shots, L), "
                f"got shape {array.shape} and dtype {array.dtype}"
            )
        if not 0 <= check_finite("validation_fraction", validation_fraction) < 1:
            raise InputError(f"validation_fraction must lie in [0, 1), got {validation_fraction}")
        weights = getattr(outcomes, "weights", None) if weights is None else weights
        weights = None if weights is None else check_weights(weights, len(array))
        stream = as_stream(rng).child("held out")
        if isinstance(array, ShotFile):
            self._shots = StreamedShots(array, weights, validation_fraction, stream, buffer_bytes)
        else:
            held_out = random_share(len(array), validation_fraction, stream)
            self._shots = Samples(array.astype(np.uint8, copy=False), held_out, weights)
        self.train, self.validation = self._shots.train, self._shots.validation

    @property
    def shots(self) -> Samples | StreamedShots:
        """The shots, split into those that are trained on and those that are held out."""
        return self._shots

    @property
    def n_train(self) -> int:
        """Number of shots that are trained on."""
        return self._shots.n_train

    @property
    def n_validation(self) -> int:
        """Number of shots that are held out."""
        return self._shots.n_validation

    @property
    def n_sites(self) -> int:
        """Length L of a string."""
        return self.train.shape[1]

    def resampled(
        self, rng: Stream | int, *, within_settings: bool = False, bases: Any = None
    ) -> NegativeLogLikelihood:
        """Return the same objective for a bootstrap resample of the shots that are trained on.

        The held-out shots stay: the split comes first, so no copy of a shot is on both sides.

        Parameters
        ----------
        rng : Stream or int
        within_settings : bool
            Draw as many shots of each setting as there are: for chosen settings.
        bases : array_like of int, shape (K,), optional
            The basis of each outcome (``povm.bases.of``); by default that of pauli-6.
        """
        new = copy.copy(self)
        of = np.arange(6) % 3 if bases is None else np.asarray(bases)

        def settings(strings: torch.Tensor) -> np.ndarray:
            return label_settings(of[strings.numpy()])

        new._shots = self._shots.resampled(as_stream(rng), settings if within_settings else None)
        new.train = new._shots.train
        return new

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self._shots.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the (weighted) mean negative log-likelihood of strings, in nats per string.

        A model that is :class:`~physgen.core.learning.Augmented` transforms them by `rng`.
        """
        del carry
        x, weights = self._shots.batch(index, rng, device_of(model))
        augmented = isinstance(model, Augmented)
        log_q = model.training_log_prob(x, rng) if augmented else model.forward(x)
        return Loss(-(log_q if weights is None else log_q * weights).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the NLL of each held-out shot in nats per site, times its weight if it has one.

        The mean is the (weighted) NLL; the array is empty without such shots.
        """
        if self.n_validation == 0:
            return np.empty(0)
        with torch.no_grad():
            nll = -to_numpy(model.log_prob(self.validation)) / self.n_sites
        weights = self._shots.validation_weights
        return nll if weights is None else nll * weights

r"""What all objectives of energies share: the data, and how one step sees them.

An energy learns from samples of p alone.  They are configurations of an unknown action, or of a
target (whose action is not used, only what it declares), or measurement outcomes.  Every batch is
transformed at random by the symmetries that the source declares: its sign, translations and the
point group of its lattice.  An energy S is learned at a *temperature* T,

.. math:: p(x) \propto e^{-S(x) / T} , \qquad T = 1 \text{ unless another is given} .
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import Collapsed, Support, outcomes
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.targets.checked import checked_target
from physgen.targets.configurations import Configurations
from physgen.training.lattice_images import LatticeImages
from physgen.training.objectives import NegativeLogLikelihood
from physgen.training.problem import device_of
from physgen.training.samples import Batch, Samples, check_weights, random_share

__all__ = ["FromData", "as_input", "mean_of"]

EnergyFunction = Callable[[torch.Tensor], torch.Tensor]  # x (B, *event_shape) -> (B,) float64


class FromData(ABC):
    """An objective that learns an energy from samples.

    Parameters
    ----------
    data : Configurations, (target, samples), MeasurementData, integer array (n, L), or \
NegativeLogLikelihood
        Configurations; a target and an array (n, *event_shape) of its configurations in the order
        of their chains; or measurement outcomes 0..K-1,
        which a NegativeLogLikelihood has split already.
    validation_fraction : float
        Share held out, in (0, 1): the end of the chains, or outcomes at random.
    temperature : float
        T > 0.
    augment : bool
        Transform every item at random by the symmetries that the source declares.

    Raises
    ------
    InputError
        If the data are of another kind, or a number is out of range.
    """

    learner = "an energy"  # what is trained, in words
    unit = "1"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self, data: Any, validation_fraction: float, temperature: float, augment: bool
    ) -> None:
        self.temperature = check_positive("temperature", temperature)
        self.augment = bool(augment)
        source = _source(data, validation_fraction, self.augment)
        self.event_shape, self.support, self.lattice, self.images, self.samples = source
        self.n_sites = math.prod(self.event_shape)
        self.n_train, self.n_validation = self.samples.n_train, self.samples.n_validation
        self.item = "shots" if self.support.K else "configurations"

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self.samples.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing, because a step keeps nothing; refuse a model that the data do not suit.

        Raises
        ------
        InputError
            If shape or support differ, or the model draws a part of its variables from an action.
        """
        del rng
        self.check(model)
        return {}

    @abstractmethod
    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items at positions `index`."""

    @abstractmethod
    def evaluate(self, model: Any) -> np.ndarray:
        """Return the loss per site of every held-out item, shape (n_validation,)."""

    def check(self, model: Any) -> None:
        """Raise InputError unless the model is an energy of data like these."""
        shape, support = tuple(model.event_shape), model.support
        if isinstance(model, Collapsed):
            raise InputError(
                f"{self.learner} must describe whole configurations, got a model that draws a "
                "part of them from a known action; make it with decimate = False"
            )
        if shape != self.event_shape or support.kind != self.support.kind:
            raise InputError(
                f"model and data must agree, got a model of {_words(shape, support)} and data of "
                f"{_words(self.event_shape, self.support)}{_remedy(support, self.support)}"
            )
        if support.K is not None and (self.support.K or 0) > support.K:
            raise InputError(
                f"outcomes must lie in 0..{support.K - 1}, got 0..{(self.support.K or 0) - 1}; "
                "make the model with more outcomes"
            )

    # --- for subclasses -------------------------------------------------------------------

    def energy(self, model: Any) -> EnergyFunction:
        """Return the function S / T."""
        T = self.temperature
        return model.forward if T == 1 else lambda x: model.forward(x) / T

    def batch(self, model: Any, index: np.ndarray, rng: Stream) -> Batch:
        """Return the items at these positions as the model takes them, transformed by `rng`."""
        x, weights = self.samples.batch(index, rng.child("data"))
        if self.images is not None:
            x = self.images(x, rng.child("images"))
        device = device_of(model)
        return Batch(as_input(model, x), None if weights is None else weights.to(device))

    def held_out(
        self, model: Any, losses: Callable[[torch.Tensor, Stream], torch.Tensor], size: int = 256
    ) -> np.ndarray:
        """Return losses per site of the held-out items, computed in blocks.

        Parameters
        ----------
        model : module
        losses : callable(x, rng) -> tensor (B,)
            Each block has random numbers of its own, the same in every validation.
        size : int
            Items in a block.
        """
        fixed, found = Stream(0).child("held out"), []
        for k, part in enumerate(self.samples.validation.split(size)):
            found.append(to_numpy(losses(as_input(model, part), fixed.at(k)).detach()))
        values = np.concatenate(found) / self.n_sites if found else np.empty(0)
        weights = self.samples.validation_weights
        return values if weights is None else values * weights


def as_input(model: Any, x: torch.Tensor) -> torch.Tensor:
    """Return configurations as the model's `forward` takes them."""
    if model.support.K is not None:
        return x.to(device_of(model))
    return x.to(device_of(model), next(iter(model.parameters())).dtype)


def mean_of(values: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Return the mean of values (B,), weighted if there are weights of mean 1."""
    return (values if weights is None else values * weights).mean()


class _Source(NamedTuple):
    event_shape: tuple[int, ...]
    support: Support
    lattice: Hypercubic | None
    images: LatticeImages | None
    samples: Samples


def _source(data: Any, fraction: float, augment: bool) -> _Source:
    if isinstance(data, NegativeLogLikelihood):
        return _of_likelihood(data)
    if isinstance(data, tuple) and len(data) == 2:
        source, x = checked_target(data[0], bounded=False), data[1]
    elif isinstance(data, Configurations):
        source, x = data, data.flat
    else:
        return _of_outcomes(data, fraction)
    about, shape = declared(source), tuple(source.event_shape)
    lattice = about.lattice if isinstance(about.lattice, Hypercubic) else None
    lattice = lattice if lattice is not None and lattice.shape == shape else None
    even = augment and about.is_even and source.support.K is None
    samples = Samples.of_chain(x, shape, source.support, fraction, even=even)
    images = LatticeImages(lattice, about.symmetries) if augment and lattice else None
    return _Source(shape, source.support, lattice, images, samples)


def _of_likelihood(data: NegativeLogLikelihood) -> _Source:
    """Return the shots of a likelihood as it splits them: models are compared on the same."""
    shots = data.shots
    if not isinstance(shots, Samples):
        raise InputError("an energy needs shots in memory, got a file that is streamed; load it")
    K = max(int(shots.train.max()) + 1, 2)
    return _Source(tuple(shots.train.shape[1:]), outcomes(K), None, None, shots)


def _of_outcomes(data: Any, fraction: float) -> _Source:
    array = to_numpy(getattr(data, "outcomes", data))
    if array.ndim != 2 or array.dtype.kind not in "iu" or array.size == 0 or array.min() < 0:
        raise InputError(
            "data must be Configurations(...), (target, samples) or outcomes, integers >= 0 of "
            f"shape (n, L), got {type(data).__name__}"
            + (f" {array.dtype} {array.shape}" if array.size > 1 else "")
            + "; for spins -1 and +1 give Configurations(spins)"
        )
    if not 0 < fraction < 1:
        raise InputError(f"validation_fraction must lie in (0, 1), got {fraction}")
    weights = getattr(data, "weights", None)
    weights = None if weights is None else check_weights(weights, len(array))
    held_out = random_share(len(array), fraction, Stream(0).child("held out"))
    samples = Samples(array.astype(np.uint8), held_out, weights)
    K = max(int(array.max()) + 1, 2)
    return _Source(array.shape[1:], outcomes(K), None, None, samples)


def _words(shape: tuple[int, ...], support: Support) -> str:
    return f"{support.kind} of shape {shape}"


def _remedy(model: Support, data: Support) -> str:
    if (model.kind, data.kind) == ("outcomes", "spins"):
        return "; make the model of spins -1 and +1, or give the outcomes (1 - x) // 2"
    if (model.kind, data.kind) == ("spins", "outcomes"):
        return "; make the model of outcomes, or give Configurations(1 - 2 * x) of 0 and 1"
    return "; make it with for_target(...) of the same source"

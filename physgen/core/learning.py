r"""The interface between training and models, and the interface of objectives.

A trainable model returns the logarithm of its normalised density, ``forward(x)`` =
:math:`\log q_\theta(x)`, differentiable in :math:`\theta`.  An objective is a loss

.. math:: \mathcal L(\theta; i, \epsilon, c) \to (\ell, c')

that depends on the items at positions i, on random numbers :math:`\epsilon` and on a *carry* c,
which the objective passes from one step to the next (persistent chains, the state of a critic).
The carry consists of arrays and belongs to the state of the fit.  The objective itself therefore
never changes, and a resumed fit repeats the uninterrupted one bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from physgen.core.protocols import Array, Support
from physgen.core.random import Stream
from physgen.core.structural import Structural

__all__ = [
    "Annealed",
    "Augmented",
    "Carry",
    "Estimable",
    "Finishing",
    "Judging",
    "Loss",
    "Monitored",
    "Objective",
    "Preparing",
    "Refinable",
    "Remarked",
    "Remarks",
    "Reparametrised",
    "Scored",
    "Solvable",
    "Stepped",
    "Trainable",
    "Validated",
]

Carry = Mapping[str, Any]  # name -> tensor
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Loss(NamedTuple):
    """Value of an objective on one batch.

    Attributes
    ----------
    value : tensor, shape ()
        Differentiable in the weights of the model.
    metrics : mapping of str to float
        Further numbers for the log.
    carry : mapping of str to tensor
        Input of the next step; without gradients.
    """

    value: Array
    metrics: Mapping[str, float] = _NOTHING
    carry: Carry = _NOTHING


class Remarks(NamedTuple):
    """What an objective says of a fit that is done.

    Attributes
    ----------
    warnings : str
        What speaks against the result, one line each; empty if nothing does.
    settings : mapping
        How the weights were found (moves of the chains, their number, step size), JSON types:
        stored with the model as ``trained_by``.
    """

    warnings: str = ""
    settings: Mapping[str, Any] = _NOTHING


@runtime_checkable
class Trainable(Structural, Protocol):
    """A model whose log q can be differentiated in its weights (a torch module)."""

    @property
    def event_shape(self) -> tuple[int, ...]: ...

    @property
    def support(self) -> Support: ...

    def forward(self, x: Array) -> Array:
        """Return log q (B,) float64 in nats of a batch (B, *event_shape) on the model's device."""
        ...

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """Yield the weights."""
        ...


@runtime_checkable
class Reparametrised(Trainable, Protocol):
    """A model whose draws are functions of its weights."""

    def draw(self, n: int, generator: Any) -> tuple[Array, Array]:
        """Return n draws and their log q, both differentiable in the weights.

        For spins only log q depends on the weights.
        """
        ...


@runtime_checkable
class Scored(Reparametrised, Protocol):
    """A model that computes the score d log q / dx in the same pass as its draws."""

    def draw_with_score(self, n: int, generator: Any) -> tuple[Array, Array, Array]:
        """Return n draws, their log q and d log q / dx; only the draws are differentiable."""
        ...


@runtime_checkable
class Refinable(Structural, Protocol):
    """A density that is computed in steps; twice as many steps show its error."""

    def refined(self) -> Any:
        """Return the same density with twice the steps, or None if nothing in it takes steps."""
        ...


@runtime_checkable
class Augmented(Structural, Protocol):
    """A density trained on randomly transformed items, which costs less than its full log_prob."""

    def training_log_prob(self, x: Array, rng: Stream) -> Array:
        """Return an estimate of log_prob whose mean over `rng` is at most log_prob."""
        ...


@runtime_checkable
class Stepped(Structural, Protocol):
    """A module defined by an equation that is solved in ``steps`` steps.

    ``steps`` can be assigned; training raises it when the error of the solver grows.
    """

    steps: int

    def steps_needed(self, rng: Stream | int) -> int:
        """Return how many steps the current weights need, at least the current number."""
        ...


@runtime_checkable
class Monitored(Structural, Protocol):
    """An objective whose loss cannot be evaluated on held-out items: a contrast with chains.

    Its `evaluate` returns another figure, which watches the fit: it is named in the history, and
    does not choose among weights.  The last ones are the result.
    """

    @property
    def monitor(self) -> str:
        """Name of what `evaluate` returns: ``validation_<monitor>`` in the history."""
        ...


@runtime_checkable
class Validated(Structural, Protocol):
    """An objective that chooses among weights by a figure other than its loss.

    Its `evaluate` returns that figure of the held-out items: the lower, the better.
    """

    @property
    def validated_by(self) -> str:
        """Name of what `evaluate` returns: ``validation_<name>`` in the history."""
        ...


@runtime_checkable
class Judging(Structural, Protocol):
    """An objective that judges a fit by the model that it ends with."""

    def judge(self, model: Any) -> Remarks:
        """Return warnings and settings, e.g. from draws of the model."""
        ...


@runtime_checkable
class Remarked(Structural, Protocol):
    """An objective that judges a fit by what it carried."""

    def remarks(self, carry: Carry) -> Remarks:
        """Return warnings and settings, from the carry of the weights that were kept."""
        ...


@runtime_checkable
class Annealed(Structural, Protocol):
    """An objective that changes during training."""

    def at(self, progress: float) -> Any:
        """Return the objective at this share of the steps, 0 <= progress < 1."""
        ...


@runtime_checkable
class Solvable(Structural, Protocol):
    """An objective whose minimum has a closed form for some models."""

    def solves(self, model: Any) -> bool:
        """Return whether :meth:`solve` knows the minimum for this model."""
        ...

    def solve(self, model: Any, rng: Stream) -> Loss:
        """Give the model the weights of the minimum; return its loss, of all training items.

        A pure function of its arguments, but for the weights of the model.
        """
        ...


@runtime_checkable
class Replayable(Structural, Protocol):
    """An objective whose updates can be recorded once and replayed, as a CUDA graph."""

    def replays(self, model: Any) -> bool:
        """Return whether updates of this model read nothing from the host.

        They depend on the *number* of items, on weights and other tensors that stay on the device,
        and on generators of the given stream; and they return no carry and no metrics.
        """
        ...


@runtime_checkable
class Estimable(Structural, Protocol):
    """A density that finds its weights of the largest likelihood by itself: a formula, EM."""

    def estimate(self, x: Array, rng: Stream) -> None:
        """Set the weights from configurations (n, *event_shape), NumPy."""
        ...


@runtime_checkable
class Preparing(Structural, Protocol):
    """An objective that sets what a fresh model takes from its data before the first step."""

    def prepare(self, model: Any) -> None:
        """Set weights and buffers, e.g. a measured spectrum: a function of data and model."""
        ...


@runtime_checkable
class Finishing(Structural, Protocol):
    """An objective that ends a fit with a step of its own, e.g. a linear problem."""

    def finish(self, model: Any) -> None:
        """Change the weights that a fit keeps: a function of data and model."""
        ...


@runtime_checkable
class Objective(Structural, Protocol):
    """What training minimises; holds its data and/or its target.

    ``loss_name`` is the name of the loss in histories (``train_nll``), ``label`` its name in
    tables and figures ("NLL"), ``item`` the name of the members of a batch ("shots", "draws") and
    ``unit`` the unit of the loss of one item ("nat").
    """

    @property
    def loss_name(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def item(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def merits(self) -> Mapping[str, Callable[[Array], float]]:
        """Figures of merit by name: functions of the result of :meth:`evaluate`."""
        ...

    @property
    def n_train(self) -> int:
        """Number of training items; one pass over them is an epoch."""
        ...

    @property
    def n_validation(self) -> int:
        """Number of held-out items; 0 if there are none."""
        ...

    @property
    def n_sites(self) -> int:
        """Sites of one item: losses are shown per site."""
        ...

    def epoch_order(self, stream: Stream) -> Array:
        """Return all positions 0..n_train-1 in the order of one epoch, a function of `stream`."""
        ...

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return the carry of the first step; empty for most objectives."""
        ...

    def loss(self, model: Any, index: Array, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items at positions `index`, an int64 array (B,).

        A pure function of its arguments and of the data in the objective.
        """
        ...

    def evaluate(self, model: Any) -> Array:
        """Return the loss per site of every held-out item, shape (n_validation,)."""
        ...

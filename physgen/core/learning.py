r"""What training asks of a model, and what an objective is.

A model that is trained returns the logarithm of its normalised density, ``forward(x)`` =
:math:`\log q_\theta(x)`, differentiable in :math:`\theta`.  An objective is a loss

.. math:: \mathcal L(\theta; i, \epsilon, c) \to (\ell, c')

of the items at positions i, of random numbers :math:`\epsilon` and of a *carry* c: whatever the
objective must remember from one step to the next (persistent chains, the state of a critic).  The
carry is arrays and belongs to the state of the fit, so an objective is a constant and a fit that
is resumed repeats the uninterrupted one bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from physgen.core.protocols import Array, Support
from physgen.core.random import Stream

__all__ = [
    "Annealed",
    "Augmented",
    "Carry",
    "Loss",
    "Objective",
    "Refinable",
    "Reparametrised",
    "Scored",
    "Stepped",
    "Trainable",
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
        Figures to log beside it.
    carry : mapping of str to tensor
        What the next step is given; without gradients.
    """

    value: Array
    metrics: Mapping[str, float] = _NOTHING
    carry: Carry = _NOTHING


@runtime_checkable
class Trainable(Protocol):
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

        Spins do not move with the weights; their log q does.
        """
        ...


@runtime_checkable
class Scored(Reparametrised, Protocol):
    """A model that knows the score of its draws in the same pass."""

    def draw_with_score(self, n: int, generator: Any) -> tuple[Array, Array, Array]:
        """Return n draws, their log q and d log q / dx; only the draws are differentiable."""
        ...


@runtime_checkable
class Refinable(Protocol):
    """A density that is computed in steps: twice as many tell how good it is."""

    def refined(self) -> Any:
        """Return the same density with twice the steps, or None if nothing in it takes steps."""
        ...


@runtime_checkable
class Augmented(Protocol):
    """A density that is trained on items transformed at random, at less than its full cost."""

    def training_log_prob(self, x: Array, rng: Stream) -> Array:
        """Return an estimate of log_prob whose mean over `rng` is at most log_prob."""
        ...


@runtime_checkable
class Stepped(Protocol):
    """A module defined by an equation that is solved in ``steps`` steps.

    Training raises ``steps`` where the error of the solver has grown; it may be assigned.
    """

    steps: int

    def steps_needed(self, rng: Stream | int) -> int:
        """Return how many steps the present weights need, at least the present number."""
        ...


@runtime_checkable
class Annealed(Protocol):
    """An objective that changes during training."""

    def at(self, progress: float) -> Any:
        """Return the objective at this share of the steps, 0 <= progress < 1."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What training minimises; holds its data and/or its target.

    ``loss_name`` is the name of the loss in histories (``train_nll``), ``label`` what a reader is
    shown ("NLL"), ``item`` what a batch consists of ("shots", "draws") and ``unit`` the unit of
    the loss of one item ("nat").
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
        """Figures of merit by name: functions of what :meth:`evaluate` returns."""
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
        """Return what the first step is given; empty for most objectives."""
        ...

    def loss(self, model: Any, index: Array, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items at positions `index`, an int64 array (B,).

        A pure function of its arguments and of the data that the objective holds.
        """
        ...

    def evaluate(self, model: Any) -> Array:
        """Return the loss per site of every held-out item, shape (n_validation,)."""
        ...

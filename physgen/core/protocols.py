r"""The nouns of physgen, as structural protocols.

Two words are never confused.  A *target* has an :meth:`~Target.action`, the negative logarithm of
an unnormalised weight,

.. math:: w(x) = e^{-S(x)}, \qquad Z = \sum_x w(x) ,

and a *density* has a normalised :meth:`~Density.log_prob`, :math:`\sum_x q(x) = 1`.

Capabilities are protocols with read-only members, so frozen dataclasses satisfy them; there are
no capability flags.  Arrays have shape ``(..., *event_shape)``; methods return the kind of array
(NumPy or torch, and its device) that they were given, summed in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from physgen.core.random import Stream

__all__ = [
    "REALS",
    "SPINS",
    "Annealed",
    "Augmented",
    "Collapsed",
    "Compilable",
    "Conditional",
    "Decimable",
    "Density",
    "Differentiable",
    "JointDensity",
    "Loss",
    "Objective",
    "Sampler",
    "Simulator",
    "Stepped",
    "Support",
    "Target",
    "Transform",
    "outcomes",
]

Array = Any  # numpy.ndarray or torch.Tensor; core may import neither torch nor an array library


@dataclass(frozen=True)
class Support:
    """The set that one site of a configuration lives in.

    Parameters
    ----------
    kind : {"spins", "reals", "outcomes"}
        int8 in {-1, +1}; float; uint8 in 0..K-1.
    K : int or None
        Number of outcomes, for ``kind="outcomes"`` only.
    """

    kind: str
    K: int | None = None


SPINS = Support("spins")
REALS = Support("reals")


def outcomes(K: int) -> Support:
    """Return the support of measurement outcomes 0..K-1."""
    return Support("outcomes", K)


class Loss(NamedTuple):
    """Value of an objective on one batch, and figures to log beside it."""

    value: Array
    metrics: Mapping[str, float] = MappingProxyType({})


@runtime_checkable
class Target(Protocol):
    """An unnormalised weight e^{-S}."""

    @property
    def event_shape(self) -> tuple[int, ...]: ...

    @property
    def support(self) -> Support: ...

    def action(self, x: Array) -> Array:
        """Return S(x), shape ``(...)`` for x of shape ``(..., *event_shape)``."""
        ...


@runtime_checkable
class Differentiable(Target, Protocol):
    """A target with a force."""

    def force(self, x: Array) -> Array:
        """Return -dS/dx, the shape of x."""
        ...


@runtime_checkable
class Compilable(Target, Protocol):
    """A target that a compiled loop can evaluate."""

    @property
    def kernel(self) -> tuple[str, tuple[Array, ...]]:
        """Name of the kernel and the parameter arrays it takes."""
        ...


@runtime_checkable
class Decimable(Target, Protocol):
    """A target with one sublattice that can be integrated out exactly."""

    def action_even(self, x_even: Array) -> Array: ...

    def draw_odd(self, x_even: Array, rng: Stream) -> Array: ...

    def expect_odd(self, x_even: Array) -> Array: ...


@runtime_checkable
class Density(Protocol):
    """A normalised distribution that can be sampled."""

    @property
    def event_shape(self) -> tuple[int, ...]: ...

    @property
    def support(self) -> Support: ...

    def log_prob(self, x: Array) -> Array:
        """Return the normalised log density in nats, shape ``(...)``."""
        ...

    def sample(self, n: int, rng: Stream | int) -> Array:
        """Return n independent draws, shape ``(n, *event_shape)``."""
        ...

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[Array, Array]:
        """Return draws and their log_prob; the draws equal those of :meth:`sample`."""
        ...


@runtime_checkable
class Augmented(Protocol):
    """A density that is trained on items transformed at random, at less than its full cost."""

    def training_log_prob(self, x: Array, rng: Stream) -> Array:
        """Return an estimate of log_prob whose mean over `rng` is at most log_prob."""
        ...


@runtime_checkable
class JointDensity(Protocol):
    """A density of (x, z) whose marginal in x is not available (a VAE)."""

    def joint_log_prob(self, x: Array, z: Array) -> Array: ...

    def sample(self, n: int, rng: Stream | int) -> tuple[Array, Array]: ...


@runtime_checkable
class Simulator(Protocol):
    """Something that draws, with no density behind it (a GAN)."""

    def sample(self, n: int, rng: Stream | int) -> Array: ...


@runtime_checkable
class Transform(Protocol):
    """A diffeomorphism; a flow is a base Density followed by Transforms."""

    def forward(self, x: Array) -> Array: ...

    def inverse(self, y: Array) -> Array: ...

    def log_abs_det(self, x: Array) -> Array: ...


@runtime_checkable
class Conditional(Protocol):
    """A family of densities or targets labelled by couplings."""

    def at(self, **couplings: float) -> Any: ...


@runtime_checkable
class Sampler(Protocol):
    """A Markov chain Monte Carlo algorithm with its settings; it knows no target yet."""

    def bind(self, target: Target) -> Any:
        """Return a `physgen.samplers.state.BoundSampler`: init, step, measure.

        Here it is decided which loop runs: compiled, NumPy or torch.
        """
        ...


@runtime_checkable
class Collapsed(Protocol):
    """A density some of whose variables are drawn exactly given the others."""

    def collapsed_for(self, target: Any) -> tuple[Any, Any] | None:
        """Return the density of the others and their target, whose weights are those of the whole.

        None if it is another target than `target` that the draws follow.
        """
        ...

    def complete(self, x: Array, rng: Stream | int) -> Array:
        """Return whole configurations for values of the others."""
        ...

    def rest(self, x: Array) -> Array:
        """Return the others of whole configurations."""
        ...


@runtime_checkable
class Stepped(Protocol):
    """A module that is solved for in steps, of which training needs enough; they may be set."""

    steps: int

    def steps_needed(self, rng: Stream | int) -> int:
        """Return how many steps the present weights want, at least those there are."""
        ...


@runtime_checkable
class Annealed(Protocol):
    """An objective that changes as training goes."""

    def at(self, progress: float) -> Any:
        """Return the objective of this share of the steps, 0 <= progress < 1."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What training minimises; holds its data and/or target, and what of it is held out.

    Of its loss, in nats, a name ``loss_name`` (by default "nll") is shown and stored; functions of
    the losses of held-out items in ``merits``, by name, are stored beside it.
    """

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
        """Return all positions 0..n_train-1 in the order of one epoch, as `stream` has it."""
        ...

    def batch(self, index: Array) -> Array:
        """Return the training items at these positions."""
        ...

    def loss(self, model: Any, batch: Array, rng: Stream) -> Loss:
        """Return the mean loss of a batch."""
        ...

    def evaluate(self, model: Any) -> Array:
        """Return the loss per site of every held-out item, shape (n_validation,)."""
        ...

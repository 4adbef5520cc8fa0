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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from physgen.core.random import Stream
from physgen.core.structural import Structural

__all__ = [
    "REALS",
    "SPINS",
    "Collapsed",
    "Compilable",
    "Conditional",
    "Decimable",
    "Density",
    "Differentiable",
    "EnergyModel",
    "Fingerprinted",
    "Fused",
    "JointDensity",
    "Simulator",
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


@runtime_checkable
class Target(Structural, Protocol):
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
class Fused(Differentiable, Protocol):
    """A target that computes its action and its force together, for less than both."""

    def action_and_force(self, x: Array) -> tuple[Array, Array]:
        """Return S(x) and -dS/dx, as `action` and `force` do."""
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
class Fingerprinted(Structural, Protocol):
    """Something identified by a digest of its numbers, not only by its name."""

    @property
    def fingerprint(self) -> str:
        """Digest of every number that results depend on: couplings, disorder, weights."""
        ...


@runtime_checkable
class EnergyModel(Differentiable, Fingerprinted, Protocol):
    """A target with trainable weights; every sampler runs on it.

    Its fingerprint changes with the weights, so a chain is never continued under other weights.
    """

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """Yield the weights."""
        ...


@runtime_checkable
class Density(Structural, Protocol):
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
class JointDensity(Structural, Protocol):
    """A density of (x, z) whose marginal in x is not available (a VAE)."""

    def joint_log_prob(self, x: Array, z: Array) -> Array:
        """Return log q(x, z), shape ``(...)``."""
        ...

    def posterior_log_prob(self, x: Array, z: Array) -> Array:
        """Return log r(z | x), normalised in z for every x (the encoder), shape ``(...)``.

        For any r, the target e^{-S(x)} r(z | x) of the pair has the same log Z as e^{-S(x)}.
        """
        ...

    def sample(self, n: int, rng: Stream | int) -> tuple[Array, Array]:
        """Return n independent draws of x and of z."""
        ...


@runtime_checkable
class Simulator(Structural, Protocol):
    """A sampler without a known density (a GAN)."""

    def sample(self, n: int, rng: Stream | int) -> Array: ...


@runtime_checkable
class Transform(Structural, Protocol):
    """A diffeomorphism; a flow is a base Density followed by Transforms."""

    def forward(self, x: Array) -> Array: ...

    def inverse(self, y: Array) -> Array: ...

    def log_abs_det(self, x: Array) -> Array: ...


@runtime_checkable
class Conditional(Structural, Protocol):
    """A family of densities or targets labelled by couplings."""

    def at(self, **couplings: float) -> Any: ...


@runtime_checkable
class Collapsed(Structural, Protocol):
    """A density in which some variables are drawn exactly, given the others."""

    def collapsed_for(self, target: Any) -> tuple[Any, Any] | None:
        """Return (q, S) of the variables that are not drawn exactly.

        Their weights e^{-S} / q equal the weights of whole configurations.  None if the exact
        draws belong to a target other than `target`.
        """
        ...

    def complete(self, x: Array, rng: Stream | int) -> Array:
        """Return whole configurations, given the variables that are not drawn exactly."""
        ...

    def rest(self, x: Array) -> Array:
        """Return the variables of whole configurations that are not drawn exactly."""
        ...

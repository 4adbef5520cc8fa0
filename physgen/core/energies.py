"""What an energy may do beside being a target: capabilities that objectives look for."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from physgen.core.protocols import Array, Support
from physgen.core.random import Stream
from physgen.core.structural import Structural

__all__ = ["LinearEnergy", "Moving", "NoiseConditioned", "SoftDirections"]


@runtime_checkable
class Moving(Structural, Protocol):
    """An energy that moves configurations itself: block Gibbs sweeps of an RBM."""

    def moved(self, x: Array, n: int, rng: Stream) -> Array:
        """Return x (B, *event_shape) after n steps that leave e^{-S} invariant.

        A pure function of its arguments, without gradients.
        """
        ...


@runtime_checkable
class NoiseConditioned(Structural, Protocol):
    """An energy of every smoothed law p * N(0, sigma^2), sigma in ``noise_range``.

    ``forward(x)`` is the energy at the lowest noise.
    """

    @property
    def noise_range(self) -> tuple[float, float] | None:
        """Lowest and highest sigma, > 0; None: the energy of one law."""
        ...

    def forward_at(self, x: Array, sigma: Array) -> Array:
        """Return S (B,) float64 of (B, *event_shape) at the noises sigma (B,)."""
        ...


@runtime_checkable
class SoftDirections(Structural, Protocol):
    r"""An energy :math:`S(x) = \sum_a g_a O_a(x) + \dots` with some terms linear in weights."""

    @property
    def soft_couplings(self) -> Array:
        """g, a parameter (n_terms,)."""
        ...

    def soft_terms(self, x: Array) -> Array:
        """Return O_a(x), (B, n_terms) float64."""
        ...


@runtime_checkable
class LinearEnergy(Structural, Protocol):
    """An action S = sum_a g_a O_a whose weights are the couplings g of known sums O_a."""

    @property
    def support(self) -> Support:
        """Real numbers, or spins."""
        ...

    @property
    def local(self) -> Any:
        """The sums: :class:`~physgen.targets.local_terms.LocalTerms`."""
        ...

    def set_fit(self, fit: Any) -> None:
        """Take couplings, their errors, covariance and bounds from a LinearFit."""
        ...

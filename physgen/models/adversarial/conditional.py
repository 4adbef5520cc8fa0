r"""One generator for a range of a coupling: its weights are polynomials of the coupling.

Chebyshev polynomials (:mod:`physgen.models.polynomial_family`), as for flows.  An odd
generator is odd at every coupling, and :meth:`ConditionalGenerator.at` returns a generator like
any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch

from physgen.core.protocols import Support
from physgen.core.random import Stream
from physgen.models.adversarial.generator import LatticeGenerator
from physgen.models.polynomial_family import Bound, PolynomialFamily

__all__ = ["BoundGenerator", "ConditionalGenerator"]


@final
class ConditionalGenerator(PolynomialFamily):
    """A family of generators over an interval of one coupling; a Conditional.

    Parameters
    ----------
    generator : mapping
        Arguments of :class:`~physgen.models.LatticeGenerator`, or the config of one.
    coupling : str
        Name of the coupling, e.g. "kappa".
    low, high : float
        Ends of the interval, low < high.
    degree : int
        M >= 1.
    rng : Stream or int

    Raises
    ------
    InputError
        If the interval is empty or a number out of range.
    """

    plural = "generators"

    def __init__(
        self,
        generator: Mapping[str, Any],
        coupling: str,
        low: float,
        high: float,
        degree: int = 2,
        *,
        rng: Stream | int,
    ) -> None:
        given = {name: value for name, value in generator.items() if name != "family"}
        pattern = LatticeGenerator(**given, rng=rng)
        super().__init__(pattern, coupling, low, high, degree)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        pattern = self.pattern
        own = {"generator": {"kind": pattern.kind, **pattern.arguments}}
        numbers = {name: getattr(self, name) for name in ("coupling", "low", "high", "degree")}
        return {"family": "conditional-generator", **own, **numbers}

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self.pattern.event_shape

    @property
    def support(self) -> Support:
        """Real numbers or spins."""
        return self.pattern.support

    def bound(self, value: float) -> BoundGenerator:
        """Return the generator at this value as training needs it, differentiable."""
        return BoundGenerator(self, value)

    @torch.no_grad()
    def at(self, **couplings: float) -> LatticeGenerator:
        """Return the generator at a value of the coupling, e.g. ``family.at(kappa=0.27)``.

        Raises
        ------
        InputError
            If another coupling is named, or the value lies outside the interval.
        """
        pattern, weights = self.pattern, self.weights(self.value_of(couplings))
        found = LatticeGenerator(pattern.kind, **pattern.arguments, rng=0)
        found.load_state_dict(weights)
        return found.to(next(iter(weights.values())))


class BoundGenerator(Bound):
    """A generator with given weights; gradients flow through these to what they came from."""

    @property
    def estimator(self) -> str | None:
        """Of gradients of spins."""
        return self._family.pattern.estimator

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return n draws; see :class:`~physgen.models.LatticeGenerator`."""
        return self._with(lambda model: model.draw(n, generator))

    def draw_scored(self, n: int, generator: torch.Generator) -> Any:
        """Return n draws and log P(s | z), where it is needed."""
        return self._with(lambda model: model.draw_scored(n, generator))

    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n draws without gradients."""
        return self._with(lambda model: model.sample(n, rng))

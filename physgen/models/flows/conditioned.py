r"""One flow for a range of a coupling: its weights are polynomials of the coupling.

Chebyshev polynomials (:mod:`physgen.models.polynomial_family`), for every weight of a flow
(:mod:`physgen.models.flows.continuous`): kernels, spectrum and frequencies change smoothly with
the coupling, as the theory does.
:meth:`ConditionedFlow.at` returns a flow like any other.  (Gerdes et al., SciPost Phys. 15, 238
(2023), condition the velocity on the coupling, for the same purpose.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import torch

from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.decimated import Decimated, learned
from physgen.models.flows.continuous import EquivariantCNF
from physgen.models.odd_completed import reduced
from physgen.models.polynomial_family import Bound, PolynomialFamily

__all__ = ["BoundFlow", "ConditionedFlow"]


@final
class ConditionedFlow(PolynomialFamily):
    """A family of equivariant flows over an interval of one coupling; a Conditional.

    Parameters
    ----------
    flow : mapping
        Arguments of the flows (:class:`~physgen.models.EquivariantCNF`), ``{"shape": ..., ...}``.
    coupling : str
        Name of the coupling, e.g. "lam".
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

    plural = "flows"

    def __init__(
        self,
        flow: Mapping[str, Any],
        coupling: str,
        low: float,
        high: float,
        degree: int = 3,
        *,
        rng: Stream | int,
    ) -> None:
        one = {name: value for name, value in flow.items() if name != "family"}
        pattern = EquivariantCNF(**one, rng=rng)
        super().__init__(pattern, coupling, low, high, degree)
        self._target_at: Callable[[float], Any] | None = None

    @classmethod
    def for_targets(
        cls,
        target_at: Callable[[float], Any],
        coupling: str,
        low: float,
        high: float,
        *,
        degree: int = 3,
        decimate: bool = True,
        rng: Stream | int = 0,
        **options: Any,
    ) -> ConditionedFlow:
        """Return a family of flows with the symmetries that the targets declare.

        Parameters
        ----------
        target_at : callable(float) -> Target
            The target at a value of the coupling.
        coupling : str
        low, high : float
        degree : int
        decimate : bool
            Integrate the odd sublattice exactly, where the targets can.
        rng : Stream or int
        **options
            Other arguments of :class:`~physgen.models.EquivariantCNF`.

        Raises
        ------
        InputError
            If the targets declare no translations, or the interval is empty.
        """
        stream = as_stream(rng)
        middle = target_at(0.5 * (low + high))
        one = EquivariantCNF.for_target(middle, decimate=decimate, rng=stream, **options)
        family = cls(learned(one).arguments, coupling, low, high, degree, rng=stream)
        family._target_at = target_at
        return family

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor (JSON types)."""
        return {
            "flow": self.pattern.config,
            "coupling": self.coupling,
            "low": self.low,
            "high": self.high,
            "degree": self.degree,
        }

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return {"family": "conditioned-flow", **self.arguments}

    @property
    def steps(self) -> int:
        """Runge-Kutta steps in training, at every coupling."""
        return self.pattern.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self.pattern.steps = steps

    @torch.no_grad()
    def steps_needed(self, rng: Stream | int) -> int:
        """Return the largest number of steps needed at the ends and the middle of the interval."""
        low, high = self.interval
        found = [self.bound(c).steps_needed(rng) for c in (low, 0.5 * (low + high), high)]
        return max(found)

    def get_extra_state(self) -> torch.Tensor:
        """Return the number of steps: checkpoints and stored models carry it with the weights."""
        return self.pattern.get_extra_state()

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Set the number of steps that is stored with weights."""
        self.pattern.set_extra_state(state)

    def bound(self, value: float) -> BoundFlow:
        """Return the flow at this value as training needs it: differentiable in all weights."""
        return BoundFlow(self, value)

    @torch.no_grad()
    def at(self, **couplings: float) -> Any:
        """Return the density at a value of the coupling, e.g. ``family.at(lam=5.2)``.

        Returns
        -------
        Decimated or EquivariantCNF
            For whole configurations of that target, if the family was made for targets.

        Raises
        ------
        InputError
            If another coupling is named, or the value lies outside the interval.
        """
        value = self.value_of(couplings)
        weights = self.weights(value)
        flow = EquivariantCNF(**self.pattern.arguments, rng=0)
        flow.load_state_dict(weights, strict=False)
        flow = flow.to(next(iter(weights.values())).dtype)
        if self._target_at is None or not flow.halved:
            return flow
        target = self._target_at(value)
        return Decimated(flow, target, reduced(target))

    def with_targets(self, target_at: Callable[[float], Any]) -> ConditionedFlow:
        """Attach targets to a family read from a file, so that it draws whole configurations."""
        self._target_at = target_at
        return self

    def target(self, value: float) -> Any:
        """Return what the flow learns at this value: the target, or its even sites.

        Raises
        ------
        InputError
            If the family was not made for targets.
        """
        if self._target_at is None:
            raise InputError("this family knows no targets; say with_targets(target_at) first")
        target = self._target_at(value)
        return reduced(target) if self.pattern.halved else target

    def __deepcopy__(self, memo: dict[int, Any]) -> ConditionedFlow:
        # Training copies a model to average or try out weights.
        new = ConditionedFlow(**self.arguments, rng=0)
        new.to(self.coefficients[0].dtype).load_state_dict(self.state_dict())
        new._target_at = self._target_at
        return new


class BoundFlow(Bound):
    """A flow with given weights; gradients flow through these to what they came from; Scored."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,)."""
        return self._with(lambda flow: flow(x))

    def draw(self, n: int, generator: torch.Generator) -> Any:
        """Return n fields and their log q."""
        return self._with(lambda flow: flow.draw(n, generator))

    def draw_with_score(self, n: int, generator: torch.Generator) -> Any:
        """Return n fields, their log q and score."""
        return self._with(lambda flow: flow.draw_with_score(n, generator))

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> Any:
        """Return n fields and their log q, without gradients."""
        return self._with(lambda flow: flow.sample_and_log_prob(n, rng))

    def steps_needed(self, rng: Stream | int) -> int:
        """Return how many steps training needs with these weights."""
        return self._with(lambda flow: flow.steps_needed(rng))

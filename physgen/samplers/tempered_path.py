r"""A path through models of one family: from independent sites to a model with all its weights.

A model that has ``tempered(fraction)`` (a Boltzmann machine whose couplings are scaled) gives

.. math:: S_\lambda = S[\text{model.tempered}(\lambda)], \qquad S_1 = S ,

with independent sites at :math:`\lambda = 0`.  Marginals over hidden units are not linear in
:math:`\lambda`, so the path gives differences of actions instead of a slope; in return every
:math:`S_\lambda` is a model of the family, which block-Gibbs moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import State
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.core.structural import Structural
from physgen.samplers.independent_sites import sites_of

__all__ = ["Tempered", "TemperedPath", "action_of", "snapped"]

_KEPT = 4  # members of a path: a step asks for both of its ends several times


@runtime_checkable
class Tempered(Structural, Protocol):
    """A target that knows a family of weaker ones."""

    def tempered(self, fraction: float) -> Any:
        """Return the target at this fraction of its couplings: independent sites at 0."""
        ...


@dataclass(frozen=True, eq=False)
class TemperedPath:
    """From ``target.tempered(0)``, which is drawn exactly, to the target.

    Raises
    ------
    InputError
        When it is used, if the sites of ``target.tempered(0)`` are not independent.
    """

    target: Any

    @cached_property
    def _start(self) -> tuple[Any, float]:
        return sites_of(self.target.tempered(0.0))

    @property
    def log_z(self) -> float:
        """The sum over sites of log z."""
        return self._start[1]

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return draws of the independent sites."""
        return self._start[0].sample(n, rng)

    @cached_property
    def _members(self) -> Callable[[float], Any]:
        return lru_cache(maxsize=_KEPT)(self.target.tempered)

    def at(self, fraction: float) -> Target:
        """Return the model at this fraction of its couplings."""
        return self.target if fraction == 1 else self._members(float(fraction))

    def work(self, bound: Any, state: State, fraction: float) -> Callable[[float], np.ndarray]:
        """Return the function step -> S_(fraction + step) - S_fraction of every chain."""
        x = bound.configurations(state)
        now = action_of(self.at(fraction), x)
        return lambda step: action_of(self.at(snapped(fraction + step)), x) - now

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return S - S_0, the mean of dS / dlambda along the path."""
        return self.work(bound, state, 0.0)(1.0)


def action_of(target: Any, x: np.ndarray) -> np.ndarray:
    """Return S(x) as float64 (n,)."""
    return np.asarray(to_numpy(target.action(x)), np.float64)


def snapped(fraction: float) -> float:
    """Return 1 where rounding of a sum of steps missed it."""
    return 1.0 if abs(fraction - 1) < 1e-14 else fraction

r"""A path between two models of one architecture, straight in their weights.

.. math:: S_\lambda = S[(1 - \lambda)\, \theta_a + \lambda\, \theta_b]

Every member is a model of the family, so the family's own moves run on it; S is not linear in
:math:`\lambda`, and the path gives differences of actions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from physgen.core.chains import State
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.tempered_path import action_of, snapped

__all__ = ["WeightPath"]

_KEPT = 4  # models in between: a step asks for both of its ends several times


@dataclass(frozen=True, eq=False)
class WeightPath:
    """From a model whose draws are at hand to one with other weights.

    Parameters
    ----------
    first, last : EnergyModel
        With ``state_dict`` and ``load_state_dict``, of one architecture.
    x : ndarray (n, *event_shape)
        Draws of the first one.
    log_z : float
        Of the first one; 0 if only the change is wanted.
    """

    first: Any
    last: Any
    x: np.ndarray
    log_z: float = 0.0

    def __post_init__(self) -> None:
        shapes = [
            {name: tuple(t.shape) for name, t in model.state_dict().items()}
            for model in (self.first, self.last)
        ]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"models must have weights of the same shapes, got {shapes[0]} and {shapes[1]}"
            )

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return the draws at hand."""
        if n != len(self.x):
            raise InputError(f"n must be the number of draws at hand, {len(self.x)}, got {n}")
        return self.x

    def at(self, fraction: float) -> Any:
        """Return the model with weights in between."""
        if fraction in (0.0, 1.0):
            return self.last if fraction else self.first
        return self._members(float(fraction))

    @cached_property
    def _members(self) -> Callable[[float], Any]:
        return lru_cache(maxsize=_KEPT)(self._between)

    def _between(self, fraction: float) -> Any:
        other, ends = copy.deepcopy(self.last), (self.first.state_dict(), self.last.state_dict())
        mixed = {
            name: b + (1 - fraction) * (a - b) if "float" in str(b.dtype) else b
            for (name, b), a in zip(ends[1].items(), ends[0].values(), strict=True)
        }
        other.load_state_dict(mixed)
        return other

    def work(self, bound: Any, state: State, fraction: float) -> Callable[[float], np.ndarray]:
        """Return the function step -> S_(fraction + step) - S_fraction of every chain."""
        x = bound.configurations(state)
        now = action_of(self.at(fraction), x)
        return lambda step: action_of(self.at(snapped(fraction + step)), x) - now

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return S_b - S_a."""
        return self.work(bound, state, 0.0)(1.0)

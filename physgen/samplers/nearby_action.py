r"""A path to a learned energy of a lattice field by way of the local action that is closest to it.

Of all :math:`S_g = \sum_a g_a O_a` with sums :math:`O_a` of :mod:`physgen.targets.local_terms`
the closest one has the forces of the target S where its chains go,

.. math:: g = \arg\min_g E\, \Big| \nabla S + \sum_a g_a F_a \Big|^2, \qquad F_a = -\nabla O_a ,

which is a linear system.  The path goes from independent sites, whose log Z is known, to
:math:`S_g` in compiled loops, and from there to S:

.. math:: S_\lambda = S_{\rm sites} + 2 \lambda\, (S_g - S_{\rm sites})
              \;\; (\lambda \le \tfrac12), \qquad
          S_\lambda = S_g + (2 \lambda - 1) (S - S_g) \;\; (\lambda \ge \tfrac12) .

The second half, where every step pays for the network, is as short as S is close to local.  An
action that is not close costs temperatures, and does not bias log Z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.arrays import like, to_numpy
from physgen.core.chains import State
from physgen.core.declared import declared
from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.protocols import Differentiable, Support, Target
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers.found_start import visited
from physgen.samplers.local_action_path import LocalActionPath
from physgen.samplers.tempered_path import action_of
from physgen.targets.local_action import LocalAction
from physgen.targets.local_terms import LocalTerms

__all__ = ["NearbyPath", "nearby_action", "nearby_path"]

_LEAST_SHARE = 0.5  # of the squared forces of the target that the local action has to explain
_TERMS = (
    ("nearest", "diagonal", "phi2", "phi4"),
    ("nearest", "phi2", "phi4"),
    ("nearest", "phi2"),
)


def nearby_path(target: Any) -> NearbyPath | None:
    """Return the path by way of the closest local action; None where there is none."""
    found = nearby_action(target)
    return None if found is None else NearbyPath(found, target)


def nearby_action(target: Any) -> LocalAction | None:
    """Return the local action with the forces of a target of real fields on a lattice.

    None if the target has no force or no such lattice, if its chains lead nowhere, if no such
    action is bounded, or if it explains less than half of the squared forces.
    """
    about = declared(target)
    lattice = about.lattice
    known = isinstance(lattice, Hypercubic) and lattice.shape == tuple(target.event_shape)
    if target.support.kind != "reals" or not known or not isinstance(target, Differentiable):
        return None
    try:
        x = visited(target)
    except (InputError, NonFiniteActionError):
        return None
    if not np.isfinite(x).all():
        return None
    F = to_numpy(target.force(x)).astype(np.float64).ravel()
    for names in _TERMS:
        try:
            own = LocalTerms(lattice, names if about.is_even else ("field", *names))
        except InputError:  # a chain of sites has no diagonals
            continue
        basis = np.stack([-np.ravel(to_numpy(slope)) for slope in own.slopes(x)])
        g = np.linalg.lstsq(basis @ basis.T, basis @ F, rcond=None)[0]
        left = F - g @ basis
        if left @ left > (1 - _LEAST_SHARE) * (F @ F):
            continue
        couplings: Any = dict(zip(own.names, map(float, g), strict=True))
        try:
            return LocalAction(lattice, **couplings)
        except InputError:  # unbounded
            continue
    return None


@dataclass(frozen=True, eq=False)
class NearbyPath:
    """From independent sites to a local action, and from there to the target.

    Parameters
    ----------
    local : LocalAction
        S_g.
    target : Target
        Of the same fields, with a force.
    """

    local: LocalAction
    target: Any

    @cached_property
    def _first(self) -> LocalActionPath:
        return LocalActionPath(self.local)

    @property
    def log_z(self) -> float:
        """That of independent sites."""
        return self._first.log_z

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return configurations of independent sites."""
        return self._first.sample(rng, n)

    def at(self, fraction: float) -> Target:
        """Return S_lambda: a local action up to lambda = 1/2."""
        if fraction <= 0.5:
            return self._first.at(2 * fraction)
        return Mixed(self.local, self.target, 2 * fraction - 1)

    def work(self, bound: Any, state: State, fraction: float) -> Callable[[float], np.ndarray]:
        """Return the function step -> S_(fraction + step) - S_fraction of every chain.

        The target is evaluated once, and only for steps that end beyond the local action.
        """
        x, found = bound.configurations(state), dict[str, np.ndarray]()

        def to(place: float) -> np.ndarray:
            """Return S_place - S_g."""
            below = place <= 0.5
            name = "slope" if below else "rest"
            if name not in found:
                found[name] = (
                    self._first.slope(bound, state)
                    if below
                    else action_of(self.target, x) - action_of(self.local, x)
                )
            return (2 * place - 1) * found[name]

        def done(step: float) -> np.ndarray:
            return to(fraction + step) - to(fraction)

        return done

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return S - S_sites, the mean of dS / dlambda along the path."""
        return self.work(bound, state, 0.0)(1.0)


@dataclass(frozen=True)
class Mixed:
    """The target (1 - w) S_g + w S, with its force."""

    local: LocalAction
    target: Any
    weight: float

    @property
    def event_shape(self) -> tuple[int, ...]:
        """That of the target."""
        return self.target.event_shape

    @property
    def support(self) -> Support:
        """Real fields."""
        return self.target.support

    def action(self, x: Any) -> Any:
        """Return S_lambda."""
        known = like(to_numpy(self.local.action(to_numpy(x))), x)
        return (1 - self.weight) * known + self.weight * self.target.action(x)

    def force(self, x: Any) -> Any:
        """Return -dS_lambda / dx."""
        known = like(to_numpy(self.local.force(to_numpy(x))), x)
        return (1 - self.weight) * known + self.weight * self.target.force(x)

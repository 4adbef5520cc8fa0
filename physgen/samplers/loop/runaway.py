r"""Chains that run away, because :math:`e^{-S}` cannot be normalized or they would take for ever.

A weight that can be normalized pulls back along every direction v: by integration by parts

.. math:: \Big\langle (v \cdot (x - c)) \; \partial_v S(x) \Big\rangle = 1

for any fixed c.  The pull measured on chains is the share of their final spread that they have
reached: 0 along a flat direction, where the spread grows in proportion to time for ever.  It is
measured at some times of a look of the warm-up, along two directions: of the largest spread of the
chains; and, where a target of the user has a force, of the smallest curvature

.. math:: \min_v \; v \cdot \langle \partial^2 S \rangle v, \qquad |v| = 1

among the first `KRYLOV` vectors of Lanczos from there: in many dimensions a few chains know the
direction of their largest spread only roughly, and S is level along a flat direction alone.  The
chains run away if, all at once,

* the spread along it grew by 15 % within the look, the second half of all steps,
* the pull is significantly below the share of all steps allowed that have been made, and 0.1,
* at 8 and at 64 spreads S rises by less than a tenth of what a Gaussian of that spread has.

So a slow mode of a target that can be normalized is refused only if the chains would not have
equilibrated in the steps they have.  A pull significantly below 1/2, where S is so level, is no
reason to refuse, but one to go on with the warm-up.  Before the first step the lines of
:mod:`physgen.targets.normalization` are tried on targets of users.  A flat direction that no
recorded observable feels does no harm (angles: S is periodic, and so is what is measured).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import BoundSampler, State
from physgen.core.errors import UnboundedTargetError
from physgen.core.random import Stream
from physgen.targets.normalization import FAR, directions, falls, flat_direction
from physgen.targets.own import is_own

__all__ = ["Watch", "flattest_direction", "pull", "widest_direction"]

SNAPSHOTS = 8  # of a look
KRYLOV = 24  # vectors
_CURVED = 32  # chains that the curvature is averaged over
_CHAINS = 128  # at most: a share of the chains is enough
_LEAST = 4
_GROWTH = 1.15  # of the spread within a look; of a walk that never returns it is 1.41
_PULL, _WEAK = 0.1, 0.5  # of what equilibrium has: running away, not yet converged
_ABSURD = 1e12
_REMEDY = (
    "e^-S cannot be normalized, or its scale is out of reach for this sampler: confine that "
    "direction, or rescale the field"
)
_FELT = 100.0  # times the values seen: an observable that follows the field
_NEVER_MOVED = 128  # steps


@dataclass
class Watch:
    """What one look of a warm-up saw of the fields of some chains.

    Parameters
    ----------
    bound : BoundSampler
    measure : callable(State)
        The recorded observables.
    """

    bound: BoundSampler
    measure: Any
    snapshots: list[np.ndarray] = field(default_factory=list[np.ndarray])

    @property
    def is_needed(self) -> bool:
        """Whether the target has real fields; spins cannot run away."""
        return self.bound.target.support.kind == "reals"

    def at_start(self, state: State) -> str:
        """Return why no chain can converge, before the first step, or "".

        Raises
        ------
        UnboundedTargetError
            If S falls without bound: nothing can be drawn at all.
        """
        target: Any = self.bound.target
        if not self.is_needed or not is_own(target):
            return ""
        x = self._some(state)
        if text := falls(target, x):
            raise UnboundedTargetError(
                f"the action must grow in all directions, or e^-S cannot be normalized, got {text}"
            )
        text = flat_direction(target, x)
        if not text or not any(
            self._feel(state, v) for _, v in directions(target.event_shape) if len(v) == 1
        ):
            return ""
        return f"e^-S cannot be normalized: {text}"

    def see(self, state: State) -> None:
        """Take a snapshot of the fields."""
        if self.is_needed:
            self.snapshots.append(self._some(state))

    def judge(self, state: State, steps: int, max_steps: int) -> tuple[str, list[str]]:
        """Return how the chains run away after so many steps, and what speaks against equilibrium.

        "" and an empty list if nothing does.  Forgets the look.
        """
        seen, self.snapshots = self.snapshots, []
        target: Any = self.bound.target
        if len(seen) < 2 or len(seen[0]) < _LEAST:
            return "", []
        x = np.stack(seen).astype(np.float64)
        widest = widest_direction(x.reshape(-1, *x.shape[2:]))
        against: list[str] = []
        for v in (widest, *flattest_direction(target, x[-1], widest)):
            said, doubts = self._along(state, x, v, steps / max_steps)
            if said:
                return said, []
            against = against or doubts
        return "", against

    def _along(
        self, state: State, x: np.ndarray, v: np.ndarray, share_of_steps: float
    ) -> tuple[str, list[str]]:
        """Return the same of one direction, for x (times, chains, *event_shape)."""
        target: Any = self.bound.target
        along = np.tensordot(x, v, v.ndim)
        first, last = float(along[0].std()), float(along[-1].std())
        if not last < _ABSURD * (1 + float(np.std(self._hot(len(x[0]))))):
            return f"the fields run away: their spread grew to {last:.3g}; {_REMEDY}", []
        share, error = pull(target, x, v)
        most = share + _quantile(x.shape[1]) * error
        if most > _WEAK or not _is_level(target, x[-1], last * v):
            return "", []
        if not self._feel(state, v[None]):
            return "", []
        text = f"S does not pull back along the direction of largest spread (pull {share:.2g}"
        if last < _GROWTH * first or most > min(_PULL, share_of_steps):
            return "", [f"{text}, in equilibrium 1)"]
        grew = f"the fields run away: their spread grew from {first:.3g} to {last:.3g}, and "
        return f"{grew}{text}, in equilibrium 1); {_REMEDY}", []

    def stuck(self, accepted: np.ndarray, n_steps: int) -> str:
        """Return that no chain moved at all in `n_steps` steps, or ""."""
        if not self.is_needed or n_steps < _NEVER_MOVED or np.any(accepted > 0):
            return ""
        tuning: Mapping[str, float] = getattr(self.bound, "tuning", {})
        at = ", ".join(f"{name} = {value:.3g}" for name, value in tuning.items())
        return (
            f"the chains never moved: no move of any of them was accepted in {n_steps} steps"
            f"{f' ({at})' if at else ''}; check the action, its sign, and where the chains start"
        )

    def _some(self, state: State) -> np.ndarray:
        x = self.bound.configurations(state)
        stride = max(1, len(x) // _CHAINS)
        return np.array(x[::stride][:_CHAINS])

    def _hot(self, n: int) -> np.ndarray:
        hot = getattr(self.bound.target, "hot", None)
        return np.ones(n) if hot is None else np.asarray(hot(Stream(0).child("scale"), n))

    def _feel(self, state: State, v: np.ndarray) -> bool:
        """Whether a recorded observable, other than S, follows the field along v (1, ...)."""
        x = self.bound.configurations(state)
        with np.errstate(all="ignore"):
            moved = self.bound.init(Stream(0), len(x), (x + FAR * v).astype(x.dtype))
            far, near = self.measure(moved), self.measure(state)
        return any(
            np.max(np.abs(far[name])) > _FELT * (1 + np.max(np.abs(near[name])))
            for name in near
            if name != "action"
        )


def widest_direction(x: np.ndarray) -> np.ndarray:
    """Return the unit vector of the largest spread of x (n, *event_shape)."""
    flat = x.reshape(len(x), -1)
    flat = flat - flat.mean(axis=0)
    if len(flat) < flat.shape[1]:
        _, u = np.linalg.eigh(flat @ flat.T)
        v = u[:, -1] @ flat
    else:
        v = np.linalg.eigh(flat.T @ flat)[1][:, -1]
    return (v / max(float(np.linalg.norm(v)), 1e-300)).reshape(x.shape[1:])


def flattest_direction(target: Any, x: np.ndarray, v: np.ndarray) -> list[np.ndarray]:
    """Return the unit vector of the smallest mean curvature over x (n, *event_shape), from v on.

    By Lanczos, with products of differences of the force; nothing where a force is lacking.
    """
    if not is_own(target) or not hasattr(target, "force"):
        return []
    some = x[:: max(1, len(x) // _CURVED)][:_CURVED]
    h = 1e-3 * max(1e-3, float(some.std()))

    def product(u: np.ndarray) -> np.ndarray:
        step = h * u.reshape(v.shape)
        with np.errstate(all="ignore"):
            down, up = (to_numpy(target.force(some + s * step)) for s in (-1.0, 1.0))
        return ((down - up) / (2 * h)).astype(np.float64).mean(axis=0).ravel()

    basis = [v.ravel() / np.linalg.norm(v)]
    products: list[np.ndarray] = []
    for _ in range(min(KRYLOV, v.size)):
        new = product(basis[-1])
        if not np.isfinite(new).all():
            return []
        products.append(new)
        for _ in range(2):  # twice: rounding would bring old vectors back
            new = new - np.array(basis).T @ (np.array(basis) @ new)
        size = float(np.linalg.norm(new))
        if len(products) == KRYLOV or size < 1e-6 * float(np.linalg.norm(products[-1])) + 1e-12:
            break
        basis.append(new / size)
    Q = np.array(basis[: len(products)])
    curvature = Q @ np.array(products).T
    found = np.linalg.eigh((curvature + curvature.T) / 2)[1][:, 0] @ Q
    return [(found / np.linalg.norm(found)).reshape(v.shape)]


def pull(target: Any, x: np.ndarray, v: np.ndarray) -> tuple[float, float]:
    """Return <(v (x - c)) dS/dv> and its error, for x (times, chains, *event_shape).

    Chains are independent, the times of one chain are not; c is the mean of all.
    """
    flat = x.reshape(-1, *x.shape[2:])
    h = 1e-3 * max(1e-3, float(np.sqrt(np.mean((flat - flat.mean(axis=0)) ** 2))))
    with np.errstate(all="ignore"):
        up, down = (to_numpy(target.action(flat + s * h * v)) for s in (1.0, -1.0))
        slope = (up - down).reshape(x.shape[:2]) / (2 * h)
    along = np.tensordot(x, v, v.ndim)
    each = ((along - along.mean()) * slope).mean(axis=0)
    if not np.isfinite(each).all():
        return 1.0, np.inf
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def _is_level(target: Any, x: np.ndarray, step: np.ndarray) -> bool:
    """Whether S hardly rises, on one side at least, at 8 and at 64 steps."""
    S = to_numpy(target.action(x))
    with np.errstate(all="ignore"):
        rises = [
            [np.median(to_numpy(target.action(x + s * n * step)) - S) / n**2 for n in (8, 64)]
            for s in (1.0, -1.0)
        ]
    return any(max(side) < _PULL / 2 for side in rises)


def _quantile(n: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 1 - 1e-4))

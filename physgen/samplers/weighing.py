r"""Draws of a density with their log weights :math:`\log w = -S - \log q`.

Where the density integrates out a part of this target (`physgen.core.protocols.Collapsed`), the
weights are computed from the remaining variables and vary less.  Where it integrates out part of
another target, or nothing, they are computed from whole configurations.  Both give log Z of the
target.  Joint models are weighed pair by pair (:mod:`physgen.samplers.joint_weighing`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.core.learning import Refinable
from physgen.core.protocols import Collapsed, Density, JointDensity
from physgen.core.random import Stream
from physgen.samplers.joint_weighing import JointWeighing
from physgen.targets.checked import checked_target

__all__ = ["Weighing"]

ROUND_TRIP_MAX = 0.05  # rms of log q drawn less log q scored, nats
STEPS_MAX = 0.2  # of the error of log Z: how much the steps of a flow may shift it
_REFINEMENTS = 5
_CHECKED = 512  # draws that are scored again, and made again with finer steps
_AT_ONCE = 2**13


@dataclass(frozen=True)
class Weighing:
    """A density and a target, and the reduced pair that gives the weights.

    Attributes
    ----------
    density, target
        As they were given.
    q, S : density and target of the remaining variables.
    """

    density: Any
    target: Any
    q: Any
    S: Any

    @classmethod
    def of(cls, density: Any, target: Any) -> Weighing | JointWeighing:
        """Return the weighing of a density, or of a joint model, against a target.

        Raises
        ------
        InputError
            If they do not match.
        """
        if isinstance(density, JointDensity):
            return JointWeighing.of(density, checked_target(target))
        if not isinstance(density, Density):
            raise InputError(
                "density must have log_prob, sample and sample_and_log_prob, got "
                f"{type(density).__name__}"
            )
        target = checked_target(target)
        if (
            tuple(density.event_shape) != tuple(target.event_shape)
            or density.support != target.support
        ):
            raise InputError(
                f"density must live on the configurations of the target, {target.support.kind} "
                f"of shape {tuple(target.event_shape)}, got {density.support.kind} of shape "
                f"{tuple(density.event_shape)}"
            )
        rest = density.collapsed_for(target) if isinstance(density, Collapsed) else None
        return cls(density, target, *(rest or (density, target)))

    @property
    def block(self) -> int:
        """Draws made at once: the block of the model, so that none is cut in two."""
        return getattr(self.q, "block", _AT_ONCE)

    def draw(self, n: int, rng: Stream) -> tuple[np.ndarray, np.ndarray]:
        """Return n draws of the remaining variables (n, ...) and their log weights (n,)."""
        blocks = range(math.ceil(n / self.block))
        parts = [self.draw_block(k, min(self.block, n - k * self.block), rng) for k in blocks]
        xs, log_w = zip(*parts)
        return np.concatenate(xs), np.concatenate(log_w)

    def draw_block(self, k: int, size: int, rng: Stream) -> tuple[np.ndarray, np.ndarray]:
        """Return the draws of block k, at most ``block``, and their log weights."""
        x, log_q = self.q.sample_and_log_prob(size, rng.child("draw").at(k))
        x = to_numpy(x) if getattr(x, "is_cpu", True) else x  # a GPU has the action faster
        return to_numpy(x), -to_numpy(self.S.action(x)) - to_numpy(log_q)

    def whole(self, x: np.ndarray, rng: Stream) -> np.ndarray:
        """Return whole configurations: what was integrated out is drawn exactly, from `rng`."""
        if self.q is self.density:
            return x
        return to_numpy(self.density.complete(x, rng))

    def log_weights(self, x: Any) -> np.ndarray:
        """Return the log weights (n,) of whole configurations (n, *event_shape)."""
        x = to_numpy(x)
        if self.q is not self.density:
            x = to_numpy(self.density.rest(x))
        blocks = [x[first : first + _AT_ONCE] for first in range(0, len(x), _AT_ONCE)]
        parts = [-to_numpy(self.S.action(b)) - to_numpy(self.q.log_prob(b)) for b in blocks]
        return np.concatenate(parts)

    def round_trip(self, rng: Stream) -> float:
        """Return the rms of log q as drawn less log q as scored, and refuse a broken density."""
        x, log_q = self.q.sample_and_log_prob(_CHECKED, rng)
        off = to_numpy(self.q.log_prob(to_numpy(x))) - to_numpy(log_q)
        rms = float(np.sqrt(np.mean(off**2)))
        if not rms <= ROUND_TRIP_MAX:
            raise InputError(
                f"log q of a draw must be what the density says when it scores it, within "
                f"{ROUND_TRIP_MAX} nat; got a difference of {rms:.2g} (rms). The log-determinant, "
                "the inverse or the number of steps of the flow is at fault"
            )
        return rms

    def resolved(self, n: int, rng: Stream) -> tuple[Weighing | JointWeighing, float, bool]:
        """Return the weighing with steps so fine that halving them would not matter for n draws.

        Also return the change of log Z when steps are halved, and whether it is small enough.
        Draws are compared at equal random numbers, so only the steps change log Z.
        """
        density = self.density.refined() if isinstance(self.density, Refinable) else None
        if density is None:
            return self, 0.0, True
        now: Any = self
        shift = math.nan
        log_w = now.draw(_CHECKED, rng)[1]
        error = max(float(log_w.std()), 1e-3) / math.sqrt(n)
        for _ in range(_REFINEMENTS):
            finer = Weighing.of(density, now.target)
            finer_w = finer.draw(_CHECKED, rng)[1]
            shift = float(np.mean(finer_w - log_w))
            if abs(shift) < STEPS_MAX * error:
                return now, shift, True
            now, log_w, density = finer, finer_w, finer.density.refined()
        return now, shift, False

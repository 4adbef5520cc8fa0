r"""Weights of joint models q(x, z) in the space of pairs, with the interface of a `Weighing`.

.. math:: \log w = -S(x) + \log r(z|x) - \log q(x, z) , \qquad E_q[w] = Z , \qquad
          \langle O \rangle = E_q[w \, O(x)] / E_q[w]

for any normalised r: draws of x alone are approximate, weighted pairs are not.  A configuration of
the target gets one z ~ r(z|x), and the pair follows the target of pairs.  The effective share is
that of pairs, at most the one of x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.core.protocols import Collapsed
from physgen.core.random import Stream

__all__ = ["JointWeighing"]

_AT_ONCE = 2**13
_CHECKED = 512


@dataclass(frozen=True)
class JointWeighing:
    """A joint model and a target, and the reduced pair that gives the weights.

    Attributes
    ----------
    density, target
        As they were given.
    q, S : joint model and target of the remaining variables.
    """

    density: Any
    target: Any
    q: Any
    S: Any

    @classmethod
    def of(cls, density: Any, target: Any) -> JointWeighing:
        """Return the weighing of a joint model against a checked target.

        Raises
        ------
        InputError
            If the model draws other configurations than those of the target.
        """
        shape = getattr(density, "event_shape", None)
        if shape is None:
            shape = to_numpy(density.sample(2, Stream(0).child("shape"))[0]).shape[1:]
        support = getattr(density, "support", target.support)
        if tuple(shape) != tuple(target.event_shape) or support != target.support:
            raise InputError(
                f"the model must draw configurations of the target, {target.support.kind} of "
                f"shape {tuple(target.event_shape)}, got {support.kind} of shape {tuple(shape)}"
            )
        rest = density.collapsed_for(target) if isinstance(density, Collapsed) else None
        return cls(density, target, *(rest or (density, target)))

    @property
    def block(self) -> int:
        """Pairs drawn at once."""
        return getattr(self.q, "block", _AT_ONCE)

    def draw_block(self, k: int, size: int, rng: Stream) -> tuple[np.ndarray, np.ndarray]:
        """Return x of block k, at most ``block``, and the log weights of the pairs."""
        x, z = self.q.sample(size, rng.child("draw").at(k))
        return to_numpy(x), self._log_w(x, z)

    def whole(self, x: np.ndarray, rng: Stream) -> np.ndarray:
        """Return whole configurations: what was integrated out is drawn exactly, from `rng`."""
        return x if self.q is self.density else to_numpy(self.density.complete(x, rng))

    def log_weights(self, x: Any) -> np.ndarray:
        """Return the log weights (n,) of whole configurations, one z drawn for each.

        Raises
        ------
        InputError
            If the model cannot draw z given x.
        """
        if not hasattr(self.q, "posterior_sample"):
            raise InputError(
                f"{type(self.q).__name__} cannot draw z given x (posterior_sample), which weights "
                "of given configurations need; leave out samples"
            )
        x = to_numpy(x) if self.q is self.density else to_numpy(self.density.rest(to_numpy(x)))
        stream = Stream(0).child("latents of samples")
        starts = range(0, len(x), _AT_ONCE)
        blocks = [x[first : first + _AT_ONCE] for first in starts]
        return np.concatenate([
            self._log_w(b, to_numpy(self.q.posterior_sample(b, stream.at(k))))
            for k, b in enumerate(blocks)
        ])  # fmt: skip

    def round_trip(self, rng: Stream) -> float:
        """Return 0: a pair is scored, never drawn with a log q of its own."""
        del rng
        return 0.0

    def resolved(self, n: int, rng: Stream) -> tuple[JointWeighing, float, bool]:
        """Return the weighing: nothing in it takes steps."""
        del n, rng
        return self, 0.0, True

    def draw(self, n: int, rng: Stream) -> tuple[np.ndarray, np.ndarray]:
        """Return n draws of the remaining variables (n, ...) and their log weights (n,)."""
        blocks = range(math.ceil(n / self.block))
        parts = [self.draw_block(k, min(self.block, n - k * self.block), rng) for k in blocks]
        xs, log_w = zip(*parts)
        return np.concatenate(xs), np.concatenate(log_w)

    def _log_w(self, x: Any, z: Any) -> np.ndarray:
        log_r, log_q = self.q.posterior_log_prob(x, z), self.q.joint_log_prob(x, z)
        found = [to_numpy(a).astype(np.float64) for a in (self.S.action(x), log_q, log_r)]
        return -found[0] - found[1] + found[2]

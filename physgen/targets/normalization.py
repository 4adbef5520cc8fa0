r"""Whether :math:`e^{-S}` can be normalised, as far as a few lines through configurations tell.

Along a line :math:`x + \lambda v` a weight can be integrated only if S grows faster than
:math:`\log \lambda` in the end.  At random configurations this is tried

* outwards, :math:`v = x`: where S *falls* without bound, it has the wrong sign (log p for S) or a
  potential that is unbounded below;
* along every axis, along the uniform direction (the zero mode of a massless field) and along the
  uniform direction of each component: where S does not rise by :math:`\log \lambda` on one side up
  to :math:`\lambda = 2^{20}`, the direction is flat.

Flat directions of other shapes show in the chains only (:mod:`physgen.samplers.loop.runaway`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.errors import UnboundedTargetError
from physgen.core.random import Stream

__all__ = ["directions", "falls", "flat_direction", "require_normalizable", "rise"]

FAR = 2.0**20  # of a line, in units of the field
_FALLING = 4.0 ** np.arange(1, 11)
_PROBES = 16
_SHARE = 0.2  # of the probes that fall: a fact about directions, not about one of them
_MOST_AXES = 4096


def require_normalizable(target: Any) -> None:
    """Raise :class:`UnboundedTargetError` if the weight of a target cannot be normalised.

    Parameters
    ----------
    target : Target
        Of real fields; others have finitely many configurations and pass.

    Notes
    -----
    Takes about 200 actions, and one a site.
    """
    if target.support.kind != "reals":
        return
    x = np.asarray(target.hot(Stream(0).child("normalization"), _PROBES), np.float64)
    for text in (falls(target, x), flat_direction(target, x)):
        if text:
            raise UnboundedTargetError(
                f"the action must grow in all directions, or e^-S cannot be normalised, got {text}"
            )


def falls(target: Any, x: np.ndarray) -> str:
    """Return how S falls without bound away from the origin of x (n, *event_shape), or ""."""
    S = [_action(target, x)] + [_action(target, scale * x) for scale in _FALLING]
    far = np.array(S[-4:])
    with np.errstate(invalid="ignore"):
        down = (far[1:] < far[:-1]) | (far[1:] == -np.inf)
        deep = (far[-1] < -1000 * (1 + np.abs(S[0]))) & down.all(axis=0)
    if np.mean(deep) < _SHARE:
        return ""
    one = int(np.argmax(deep))
    return (
        f"S(x) = {S[0][one]:.4g} and S({_FALLING[-1]:.2g} x) = {far[-1][one]:.4g}; was log p "
        "given for S? Then change its sign"
    )


def flat_direction(target: Any, x: np.ndarray) -> str:
    """Return along which line S does not grow, or ""."""
    one = x[:1]
    for words, v in directions(target.event_shape):
        for first in range(0, len(v), 256):
            part = v[first : first + 256]
            flat = ~grows(target, np.repeat(one, len(part), axis=0), part)
            if flat.any():
                k = int(np.argmax(flat))
                shift = _action(target, one + FAR * part[k]) - _action(target, one)
                where = words if len(v) == 1 else f"along x{_index(part[k])}"
                return (
                    f"S changed by {shift[0]:.3g} when x moved by {FAR:.3g} {where}; fix or "
                    "confine that direction (a mass, a gauge), or leave it out"
                )
    return ""


def directions(shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield words, and vectors (n, *shape) of length 1: uniform ones, and the axes."""
    n = math.prod(shape)
    yield "everywhere at once (the zero mode)", np.full((1, *shape), n**-0.5)
    if len(shape) > 1 and shape[-1] <= 8:
        parts = np.zeros((shape[-1], *shape))
        for k in range(shape[-1]):
            parts[k, ..., k] = (n / shape[-1]) ** -0.5
            yield f"in component {k} everywhere", parts[k : k + 1]
    sites = np.arange(n)
    if n > _MOST_AXES:
        sites = Stream(0).child("axes").numpy().choice(n, _MOST_AXES, replace=False)
    axes = np.zeros((len(sites), n))
    axes[np.arange(len(sites)), sites] = 1.0
    yield "along one axis", axes.reshape(-1, *shape)


def grows(target: Any, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return for each x and v whether S grows on both sides of x + lambda v, bool (n,)."""
    return np.logical_and(*(rise(target, x, s * v) for s in (1.0, -1.0)))


def rise(target: Any, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return whether S rises by log lambda along x + lambda v, at one of two far points."""
    S, found = _action(target, x), np.zeros(len(x), bool)
    for far in (math.sqrt(FAR), FAR):
        change = _action(target, x + far * v) - S
        found |= ~(change < math.log(far))  # NaN: the action does not go there
    return found


def _action(target: Any, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return to_numpy(target.action(x)).astype(np.float64)


def _index(v: np.ndarray) -> str:
    where = np.unravel_index(int(np.argmax(np.abs(v))), v.shape)
    return "[" + ", ".join(str(int(i)) for i in where) + "]"

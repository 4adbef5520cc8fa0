r"""A cheap check that a force is minus the gradient of its action.

Along a random direction v the derivative of the action must be

.. math:: \frac{d}{d\epsilon} S(x + \epsilon v) \Big|_0 = -F(x) \cdot v ,

with the left side from central differences of order :math:`\epsilon^4` in float64: four actions of
a few configurations.  Only if this fails, every site is checked, to report where the force is
wrong and by how much.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Differentiable
from physgen.core.random import Stream, as_stream

__all__ = ["check_force"]

_STEP = 1e-3  # relative to the size of the field: truncation 1e-12, rounding 1e-13 of S
_TOLERANCE = 1e-5
_MOST_SITES = 4096  # checked one by one after a failure
_CHUNK = 256


def check_force(
    target: Any, x: np.ndarray | None = None, rng: Stream | int = 0, n_chains: int = 4
) -> None:
    """Raise unless ``target.force`` is -dS/dx of ``target.action``.

    Parameters
    ----------
    target : Differentiable
        A target with a force, on real numbers.
    x : ndarray, shape (n_chains, *event_shape), optional
        Configurations to check; ``target.hot`` or standard normal fields if not given.  The first
        `n_chains` are used.
    rng : Stream or int
        The directions.
    n_chains : int
        Number of configurations checked.

    Raises
    ------
    InputError
        If the target has no force, the action or force is not finite, or the force is not the
        gradient; the message then names the chain, the site, both values and their ratio.
    """
    if not isinstance(target, Differentiable):
        raise InputError(f"the target must have a force(x) = -dS/dx, got {target!r} without one")
    stream = as_stream(rng)
    n = check_positive_int("n_chains", n_chains)
    shape = target.event_shape
    if x is None:
        start: Any = getattr(target, "hot", None)
        generator = stream.child("start").numpy()
        x = generator.standard_normal((n, *shape)) if start is None else start(stream, n)
    x = to_numpy(x)[:n].astype(np.float64)
    axes = tuple(range(1, x.ndim))
    F = to_numpy(target.force(x)).astype(np.float64)
    if F.shape != x.shape:
        raise InputError(f"force must return the shape of x, {x.shape}, got {F.shape}")
    S = _action(target, x)
    for name, value in (("action", S), ("force", F)):
        bad = ~np.isfinite(value)
        if bad.any():
            where = np.unravel_index(int(np.argmax(bad)), bad.shape)
            raise InputError(
                f"{name} must be finite at the start, got {value[where]} in chain {int(where[0])}"
                + (f", site {_site(where[1:])}" if len(where) > 1 else "")
            )
    v = stream.child("direction").numpy().standard_normal(x.shape)
    derivative, error = _derivative(target, x, v)
    along = -(F * v).sum(axis=axes)
    # Contributions of single sites, not the sum, in which large terms may cancel.
    size = np.sqrt((F**2 * v**2).sum(axis=axes)) + np.abs(derivative)
    off = np.abs(derivative - along)
    allowed = _TOLERANCE * size + 10 * error.max()
    if not np.all(off <= allowed):
        chain = int(np.argmax(off / allowed))
        raise InputError(_explain(target, x[chain], F[chain], chain, stream))


def _action(target: Any, x: np.ndarray) -> np.ndarray:
    return to_numpy(target.action(x)).astype(np.float64)


def _derivative(target: Any, x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dS along v for every configuration, and the difference of orders 2 and 4."""
    eps = _STEP * max(1e-3, float(np.sqrt(np.mean(x**2))))
    near, far = (_action(target, x + h * v) - _action(target, x - h * v) for h in (eps, 2 * eps))
    second, fourth = near / (2 * eps), (8 * near - far) / (12 * eps)
    return fourth, np.abs(fourth - second)


def _explain(target: Any, x: np.ndarray, F: np.ndarray, chain: int, stream: Stream) -> str:
    """Return the message: the worst site, both values, and one ratio if it fits all sites."""
    sites = np.arange(x.size)
    if x.size > _MOST_SITES:
        sites = stream.child("sites").numpy().choice(x.size, _MOST_SITES, replace=False)
    gradient = np.empty(len(sites))
    for start in range(0, len(sites), _CHUNK):
        chunk = sites[start : start + _CHUNK]
        v = np.zeros((len(chunk), x.size))
        v[np.arange(len(chunk)), chunk] = 1.0
        v = v.reshape(-1, *x.shape)
        gradient[start : start + _CHUNK] = -_derivative(target, np.broadcast_to(x, v.shape), v)[0]
    given = F.ravel()[sites]
    worst = int(np.argmax(np.abs(given - gradient)))
    ratio = float(given @ gradient / (gradient @ gradient)) if np.any(gradient) else np.nan
    everywhere = np.allclose(given, ratio * gradient, rtol=1e-3, atol=1e-6 * np.abs(given).max())
    text = (
        f"force must be -dS/dx, got {given[worst]:.6g} where the action gives "
        f"{gradient[worst]:.6g} (chain {chain}, site "
        f"{_site(np.unravel_index(int(sites[worst]), x.shape))})"
    )
    if everywhere:
        return f"{text}; it is {ratio:.4g} times the gradient on every site"
    share = np.mean(~np.isclose(given, gradient, rtol=1e-4, atol=1e-6 * np.abs(gradient).max()))
    return f"{text}; it is wrong on {100 * share:.3g} % of the sites"


def _site(index: Any) -> str:
    listed = [int(i) for i in index]
    return str(listed[0]) if len(listed) == 1 else f"({', '.join(map(str, listed))})"

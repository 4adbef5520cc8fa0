"""What samplers ask of a target: its compiled loops, where chains begin, what they measure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Compilable
from physgen.core.random import Stream
from physgen.observables.evaluate import values_of

__all__ = ["default_observables", "first_configurations", "kernel_name"]

_DTYPES = {"spins": np.int8, "outcomes": np.uint8, "reals": np.float64}


def first_configurations(
    target: Any, rng: Stream, n_chains: int, start: str | np.ndarray
) -> np.ndarray:
    """Return configurations of shape (n_chains, *event_shape).

    Parameters
    ----------
    target : Target
        Its own ``hot(rng, n)`` and ``cold(rng, n)`` are used where it has them.
    rng : Stream
    n_chains : int
    start : "hot", "cold" or ndarray
        Otherwise hot means independent sites (fair spins, outcomes, normal deviates), and cold
        means all up, all 0, or 0 plus a hundredth of a normal deviate.

    Raises
    ------
    InputError
        If `start` is none of these, or given spins are not -1 and +1.
    """
    shape = (check_positive_int("n_chains", n_chains), *target.event_shape)
    kind = target.support.kind
    if not isinstance(start, str):
        x = np.array(start)
        if x.shape != shape:
            raise InputError(f"start must have shape {shape}, got {x.shape}")
        if x.dtype.kind not in "biuf":
            raise InputError(f"start must be real numbers, got {x.dtype}")
        if kind == "spins" and np.any(np.abs(x) != 1):
            raise InputError("start must be spins, -1 or +1, got other values")
        return x.astype(_DTYPES[kind], copy=False)
    own = getattr(target, check_choice("start", start, ("hot", "cold")), None)
    if own is not None:
        return np.asarray(own(rng, n_chains))
    draw = rng.numpy()
    if kind == "spins":
        spins = 2 * draw.integers(0, 2, shape, np.int8) - 1
        return spins if start == "hot" else np.ones_like(spins)
    if kind == "outcomes":
        x = draw.integers(0, target.support.K, shape, np.uint8)
        return x if start == "hot" else np.zeros_like(x)
    return draw.standard_normal(shape) * (1.0 if start == "hot" else 0.01)


def default_observables(
    target: Any, x: Any, given: Mapping[str, Any] | None = None
) -> Mapping[str, np.ndarray]:
    """Return the given observables of configurations x, else the target's own, else its action."""
    named = given or declared(target).observables or {"action": target.action}
    if given:
        return {name: values_of(name, o, x, target.support.kind) for name, o in given.items()}
    return {name: np.asarray(to_numpy(o(x)), dtype=np.float64) for name, o in named.items()}


def kernel_name(target: Any) -> str:
    """Return the name of the compiled loops of the target, "" if it has none."""
    return target.kernel[0] if isinstance(target, Compilable) else ""

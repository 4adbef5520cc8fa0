r"""A cheap check that an action has the symmetries that its target declares.

For each of them a generator g is applied to a few random configurations, and

.. math:: \Delta = S(g x) - S(x)

has to vanish within rounding: :math:`g x = -x` for "z2", a shift by one site along each axis for
"translations", a cyclic shift and an exchange of the components for "components"; for
"point_group" the reflection of each axis and the exchange of neighbouring axes of equal extent.
That is one action of n_chains configurations a generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic

__all__ = ["check_symmetries"]

_TOLERANCE = {4: 1e-4, 8: 1e-7}  # of |S|, by the bytes of its numbers


def check_symmetries(target: Any, rng: Stream | int = 0, n_chains: int = 8) -> None:
    """Raise unless the action has every symmetry that the target declares.

    Parameters
    ----------
    target : Target
        With ``symmetries``, and a ``lattice`` for those of space.
    rng : Stream or int
        The configurations.
    n_chains : int
        Number of configurations checked.

    Raises
    ------
    InputError
        If a symmetry is broken; the message names it and the largest change of the action.
    """
    about = declared(target)
    if not about.symmetries:
        return
    n = check_positive_int("n_chains", n_chains)
    x = to_numpy(target.hot(as_stream(rng).child("symmetries"), n))
    returned = getattr(target, "_as_returned", target.action)
    S = to_numpy(returned(x))
    allowed = _TOLERANCE.get(S.dtype.itemsize, 1e-7) * max(1.0, float(np.abs(S).max()))
    if not np.isfinite(S).all():
        return  # not for this check to say
    for name, how, moved in _generators(about, x):
        change = to_numpy(returned(moved)).astype(np.float64) - S
        worst = int(np.argmax(np.abs(change)))
        if not abs(change[worst]) <= allowed:
            raise InputError(
                f"symmetry {name!r} must leave the action as it is, got S changed by "
                f"{change[worst]:+.4g}, from {S[worst]:.6g}, by {how}; leave {name!r} out of "
                "symmetries, or mend the action"
            )


def _generators(about: Any, x: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield name, words and images of the configurations, for each generator."""
    if "z2" in about.symmetries:
        yield "z2", "x -> -x", -x
    if "components" in about.symmetries:
        yield "components", "a cyclic shift of the components", np.roll(x, 1, -1)
        exchanged = x.copy()
        exchanged[..., [0, -1]] = x[..., [-1, 0]]
        yield "components", "an exchange of two components", exchanged
    lattice = about.lattice
    if not isinstance(lattice, Hypercubic):
        return
    for axis in range(lattice.dim):
        if "translations" in about.symmetries:
            words = f"a shift by one site along axis {axis}"
            yield "translations", words, np.roll(x, 1, 1 + axis)
        if "point_group" in about.symmetries:
            yield "point_group", f"a reflection of axis {axis}", np.flip(x, 1 + axis)
            if axis and lattice.shape[axis] == lattice.shape[axis - 1]:
                words = f"an exchange of axes {axis - 1} and {axis}"
                yield "point_group", words, np.swapaxes(x, axis, 1 + axis)

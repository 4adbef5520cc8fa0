r"""Configurations of angles, told from real fields.

An *action* of angles is the same after any site turned by :math:`2\pi`, so :math:`e^{-S}` has no
integral over real numbers, and :mod:`physgen.targets.checked` refuses it.  Configurations come
without an action; they show that they are angles by the interval that they fill to its ends.
Noise of a size comparable to :math:`\pi` forgets how often an angle turned, so a regression on
Gaussian noise, or on straight lines, learns a law that puts the ends of the circle apart.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.targets.configurations import Configurations

__all__ = ["check_real_field"]

TURN = 2 * math.pi
ENDS = 1e-2  # of the interval: how close to its ends values come
_SHOWN = 100_000  # values that are looked at


def check_real_field(source: Any) -> None:
    """Raise InputError, with the better tool, for spins, and for configurations of angles.

    Parameters
    ----------
    source : Target or Configurations
        A target of angles is refused where its action is checked.
    """
    if source.support.kind != "reals":
        raise InputError(
            f"diffusion adds Gaussian noise and needs real fields, got {source!r} of "
            f"{source.support.kind}; take 'coloured-net' for spins: it has exact weights too"
        )
    seen = _fills_a_turn(source.x) if isinstance(source, Configurations) else None
    if seen is not None:
        raise InputError(
            f"diffusion needs real fields, got angles (values that fill [{seen[0]:.4g}, "
            f"{seen[1]:.4g}] to its ends): they have no Gaussian noise and no straight lines "
            "between them; cut them into bins and take a model of outcomes ('transformer', "
            "'convolution'), which has exact probabilities of these bins"
        )


def _fills_a_turn(x: np.ndarray) -> tuple[float, float] | None:
    """Return [-pi, pi] or [0, 2 pi] if values lie in it and reach both of its ends."""
    values = x.ravel()[:: max(1, x.size // _SHOWN)]
    low, high = float(x.min()), float(x.max())
    for a, b in ((-math.pi, math.pi), (0.0, TURN)):
        inside = a - 1e-3 <= low and high <= b + 1e-3
        near = 0.5 * ENDS * TURN
        # A field that merely ends there has few values near; a circle has no ends.
        share = min(float(np.mean(values < a + near)), float(np.mean(values > b - near)))
        if inside and share > 0.05 * ENDS:
            return a, b
    return None

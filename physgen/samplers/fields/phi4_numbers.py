"""Neighbours and couplings of a phi^4 or free field, as its ``kernel`` gives them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["Phi4Numbers"]


class Phi4Numbers:
    """What fields on any device read off a target.

    Attributes
    ----------
    target : Target
        With ``kernel`` ("phi4", (neighbours, [hop, quad, quart, const])).
    """

    target: Any

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Neighbour table, int32 (n_sites, z), -1 where there is none."""
        return np.ascontiguousarray(self.target.kernel[1][0], np.int32)

    @cached_property
    def couplings(self) -> np.ndarray:
        """hop, quad, quart, const."""
        return np.asarray(self.target.kernel[1][1], np.float64)

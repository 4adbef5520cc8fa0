"""Phi^4 and free fields in the compiled loops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from physgen.kernels.cpu.field_layout import groups
from physgen.samplers.fields.blocked import BlockedFields, Loops
from physgen.samplers.fields.local_loops import LOCAL

__all__ = ["Phi4Fields"]


@final
@dataclass(frozen=True)
class Phi4Fields(BlockedFields):
    """Moves of phi^4 fields: a target with ``kernel`` ("phi4", (neighbours, couplings)).

    Parameters as for :class:`~physgen.samplers.fields.blocked.BlockedFields`.
    """

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Neighbour table, int32 (n_sites, z)."""
        return np.ascontiguousarray(self.target.kernel[1][0], np.int32)

    @cached_property
    def couplings(self) -> np.ndarray:
        """hop, quad, quart, const."""
        return np.asarray(self.target.kernel[1][1], np.float64)

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Table and weights of the lattice, and 0, quad, quart, 0, const."""
        hop, quad, quart, const = self.couplings
        return *groups([self.neighbours], [hop]), np.array([0.0, quad, quart, 0.0, const])

    @property
    def loops(self) -> Loops:
        """The loops of local actions."""
        return LOCAL

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return len(self.neighbours)

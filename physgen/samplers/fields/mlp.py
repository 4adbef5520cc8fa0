"""Fields of a small dense network in a well, in compiled loops around the products of matrices.

The target has ``kernel`` ("mlp", (first, rest, biases, out, numbers)), as
:func:`physgen.kernels.cpu.mlp_energy.actions` describes them.  They are read at each call, because
a model is trained while its chains move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from physgen.kernels.cpu import mlp_energy
from physgen.samplers.fields.blocked import BlockedFields, Loops

__all__ = ["MlpFields"]

_LOOPS = Loops(
    mlp_energy.actions, mlp_energy.forces, mlp_energy.langevin, mlp_energy.proposals,
    mlp_energy.trajectories,
)  # fmt: skip


@final
@dataclass(frozen=True)
class MlpFields(BlockedFields):
    """Moves of fields whose energy is a dense network, in float32.

    Parameters as for :class:`~physgen.samplers.fields.blocked.BlockedFields`.
    """

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """W_1; the other W; b; v; a and m."""
        return self.target.kernel[1]

    @property
    def loops(self) -> Loops:
        """The loops of dense networks."""
        return _LOOPS

    @property
    def cost(self) -> float:
        """Of a force, in visits to a site: two products of a unit and a site each."""
        first, rest, biases, *_ = self.arrays
        return 0.1 * (first.size + rest.size + 8 * biases.size) / first.shape[1]

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return self.arrays[0].shape[1]

r"""Fields of an action linear in its couplings, in the compiled loops.

The target has ``kernel`` ("local-action", (nearest, diagonal, g)): neighbour tables int32
(n_sites, z) and (n_sites, m), -1 where there is none, and the float64 couplings g of

.. math:: S = g_1 \sum_x \phi_x + g_n \sum_{\langle xy \rangle} \phi_x \phi_y
              + g_d \sum_{\langle\langle xy \rangle\rangle} \phi_x \phi_y
              + g_2 \sum_x \phi_x^2 + g_4 \sum_x \phi_x^4 + g_6 \sum_x \phi_x^6 ,

in the order g_1, g_n, g_d, g_2, g_4, g_6 and with every pair once.  The couplings are read at each
call, because those of a model change while it is trained; new ones compile nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from physgen.core.chains import State
from physgen.kernels.cpu.field_layout import groups
from physgen.samplers.fields.blocked import BlockedFields, Loops, in_parts, per_chain
from physgen.samplers.fields.local_loops import LOCAL

__all__ = ["LocalActionFields"]


@final
@dataclass(frozen=True)
class LocalActionFields(BlockedFields):
    """Moves of fields with a local action.

    Parameters as for :class:`~physgen.samplers.fields.blocked.BlockedFields`.
    """

    _tables: dict[Any, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Table and weights of the lattice, and the couplings of a site."""
        nearest, diagonal, g = self.target.kernel[1]
        g_1, near, far, g_2, g_4, g_6 = np.asarray(g, np.float64)
        there = (near != 0, far != 0)  # the table depends on which couplings are 0, no more
        if there not in self._tables:
            self._tables[there] = groups([nearest, diagonal], [float(on) for on in there])[0]
        table = self._tables[there]
        weights = np.repeat([-near, -far], [-(-nearest.shape[1] // 4), -(-diagonal.shape[1] // 4)])
        weights = weights[weights != 0]
        if not weights.size:
            weights = np.zeros(1)
        return table, weights, np.array([g_1, g_2, g_4, g_6, 0.0])

    @property
    def loops(self) -> Loops:
        """The loops of local actions."""
        return LOCAL

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return len(self.target.kernel[1][0])

    def between(self, state: State) -> np.ndarray:
        """Return the terms between sites, those of g_n and g_d, of every chain (n_chains,)."""
        found = np.empty((state.x.shape[0], state.x.shape[2]))
        table, weights, alone = self.arrays
        loops, none = self.loops, np.zeros_like(alone)
        in_parts(
            lambda part: loops.actions(part, state.x, table, weights, none, found),
            state.x,
            self.cost,
        )
        return per_chain(state, found)

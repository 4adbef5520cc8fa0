r"""Sites of a sequential sweep that can be updated at once.

In a sequential sweep site j sees the new spin of a neighbour i < j and the old spin of a neighbour
i > j, and this alone fixes the result.  So give every site the level

.. math:: l_j = 1 + \max_{i \sim j,\, i < j} l_i \qquad (0 \text{ without such a neighbour})

and start sweep t of site j at time :math:`l_j + P t`.  With

.. math:: P > l_j - l_i \quad \text{for all neighbours } i < j

no site is updated together with a neighbour, j always follows i, and i follows j of the previous
sweep: the spins equal those of the sequential sweep, bit for bit.  The sites of one colour
:math:`l_j \bmod P` run in parallel, V/P of them on average; on a periodic square lattice they are
the L sites of the diagonals l and l + L, in two successive sweeps.

P is at least half the number of levels, so that at most two sweeps are under way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Schedule", "schedule"]


class Schedule(NamedTuple):
    r"""The colours of a sweep.

    Attributes
    ----------
    order : uint32 array (n_sites,)
        Sites, colour by colour.
    starts : uint32 array (P + 1,)
        Colour c is ``order[starts[c]:starts[c + 1]]``.
    late : uint32 array (n_sites,)
        For each entry of `order`, :math:`\lfloor l / P \rfloor`: the delay of the site within a
        sweep, in periods of P times, 0 or 1.
    """

    order: np.ndarray
    starts: np.ndarray
    late: np.ndarray

    @property
    def width(self) -> int:
        """Sites of the largest colour."""
        return int(np.diff(self.starts.astype(np.int64)).max())

    @property
    def n_periods(self) -> int:
        """Periods that one sweep takes, 1 or 2."""
        return 1 + int(self.late.max())


def schedule(neighbours: np.ndarray) -> Schedule:
    """Return the colours of a neighbour table (n_sites, z); n_sites stands for no neighbour."""
    n_sites = len(neighbours)
    levels = [0] * n_sites
    distance = 0
    for j, row in enumerate(neighbours.tolist()):
        seen = [levels[i] for i in row if i < j]
        if seen:
            levels[j] = 1 + max(seen)
            distance = max(distance, levels[j] - min(seen))
    level = np.array(levels)
    period = max(distance + 1, -(-(int(level.max()) + 1) // 2))
    colour = level % period
    order = np.argsort(colour, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(colour, minlength=period))])
    late = level[order] // period
    return Schedule(*(a.astype(np.uint32) for a in (order, starts, late)))

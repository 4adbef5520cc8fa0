r"""Rare events: the remainder of a probability beyond 8 random bits.

For class c of a site of kind k this remainder is :math:`\epsilon_{kc}` for each bit (see
:mod:`physgen.kernels.cpu.ising_logic`).  Points are scattered over the cells (site, bit) of a
chunk of 64 sites of one group of 64 chains as a Poisson process of rate
:math:`\lambda = \max \mu` a cell,

.. math:: \mu_{kc} = -\ln(1 - \epsilon_{kc}), \qquad N \sim \mathrm{Poisson}(4096\,\lambda),

each uniform over the 4096 cells and kept for class c with probability
:math:`\mu_{kc}/\lambda`: a cell holds a kept point with probability
:math:`1 - e^{-\mu_{kc}} = \epsilon_{kc}`, independently of all other cells.  The points do not
depend on the spins, so the loop over sites has no branches.

Words (calls 256, 257, ... of counter c0 = chunk): word 0 gives N by inversion of
:math:`P(N \le n)` at 64 bits; word 1 + i gives point i: site in bits 0-5, chain in bits 6-11, the
rest, 52 bits, is compared with :math:`2^{52} \mu_{kc}/\lambda`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.ising_tables import CHUNK
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["CALL", "CHUNK", "number_of_points", "scatter"]

CALL = 256
_SIX, _TWELVE, _LOW = np.uint64(6), np.uint64(12), np.uint64(63)


@njit(inline="always", **CONTRACT)
def number_of_points(word, cumulative):
    """Return N: how many entries of the table `word` has reached."""
    # Bisection without branches: they could not be predicted.
    n = np.uint64(0)
    for step in (64, 32, 16, 8, 4, 2, 1):
        step = np.uint64(step)
        n += step * np.uint64(word >= cumulative[n + step - np.uint64(1)])
    return n


@njit(inline="always", **CONTRACT)
def scatter(words, lane, n_points, kept, kinds, n_rows, events, n_classes):
    r"""Put the points of one group into the masks of its chunk.

    Parameters
    ----------
    words : uint64 array (1088,)
        Word i of lane l at ``8 * i + l``.
    lane, n_points : uint64
        Lane of the group and N.
    kept : uint64 array (n_kinds * n_classes,)
        :math:`2^{52} \mu_{kc} / \lambda`.
    kinds : int64 array (n_rows,)
        Kind of each site of the chunk.
    n_rows, n_classes : uint64
    events : uint64 array (64 * n_classes * 8,)
        Masks [site, class, lane], or-ed into.
    """
    eight = np.uint64(8)
    alike = np.uint64(kept.size) == n_classes  # one kind of site: nothing to look up
    for at in range(eight + lane, eight * (n_points + np.uint64(1)) + lane, eight):
        word = words[at]
        row = word & _LOW
        if row < n_rows:
            shift, level = (word >> _SIX) & _LOW, word >> _TWELVE
            first = np.uint64(0) if alike else np.uint64(kinds[row]) * n_classes
            place = eight * row * n_classes + lane
            for c in range(n_classes):
                c = np.uint64(c)
                events[place + eight * c] |= np.uint64(level < kept[first + c]) << shift

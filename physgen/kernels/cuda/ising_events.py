"""Rare events of 64 sites and 64 chains, scattered by one thread of a CUDA device.

The same points as in :mod:`physgen.kernels.cpu.ising_events`, from the same random words.
"""

from __future__ import annotations

import numpy as np

from physgen.kernels.cpu.ising_events import CALL, CHUNK
from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.philox import draw_pair

__all__ = ["scatter"]

_U32, _U64 = np.uint32, np.uint64
_CALL, _CHUNK = _U32(CALL), _U32(CHUNK)
_ONE, _SIX, _TWELVE, _LOW = _U64(1), _U64(6), _U64(12), _U64(63)


@cuda.jit(device=True)
def _number_of_points(word, cumulative):
    """Return how many of the first 127 entries of the table `word` has passed."""
    low, high = 0, 127
    while low < high:
        middle = (low + high) // 2
        if word >= cumulative[middle]:
            low = middle + 1
        else:
            high = middle
    return low


@cuda.jit(device=True)
def scatter(events, slot, lane, chunk, sweep, group, kinds, kept, poisson, k0, k1):
    """Put the points of one chunk and group into ``events[((slot V + site) C + class) 8 + lane]``.

    No other thread writes to these words.
    """
    n_sites, n_classes = kinds.size, kept.shape[1]
    word, second = draw_pair(chunk, sweep, group, _CALL, k0, k1)
    n = _number_of_points(word, poisson)
    for i in range(1, n + 1):
        if i % 2 == 0:
            word, second = draw_pair(chunk, sweep, group, _CALL + _U32(i // 2), k0, k1)
        point = word if i % 2 == 0 else second
        site = _U32(chunk * _CHUNK + _U32(point & _LOW))
        if site < n_sites:
            bit = _ONE << ((point >> _SIX) & _LOW)
            kind = kinds[site]
            for c in range(n_classes):
                if point >> _TWELVE < kept[kind, c]:
                    at = ((slot * n_sites + site) * n_classes + c) * 8 + lane
                    events[at] |= bit

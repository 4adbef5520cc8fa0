r"""Sweeps of the bit-sliced Ising kernels over a block of 512 chains.

Sites are visited in the order of their numbers.  Such a sweep is a product of updates each in
detailed balance, so it leaves :math:`\pi` invariant, :math:`\pi P = \pi`, but is not reversible.  The
heat bath is ergodic at every :math:`\beta`; sequential Metropolis is not at :math:`\beta = 0`, where it
accepts every flip and two sweeps are the identity.

Spins are rows of eight words, ``x[8 * site + lane]``, bit b of lane l of block B being chain
``512 B + 64 l + b``.  The random words of a site depend on (key, site, sweep, group) only, see
:mod:`physgen.kernels.cpu.philox`: blocks may run on any number of threads.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from physgen.kernels.cpu import philox, xoshiro
from physgen.kernels.cpu.ising_events import CALL, CHUNK, number_of_points, scatter
from physgen.kernels.cpu.ising_logic import update
from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["sweeps"]


@cache
def sweeps(z: int, symmetric: int, rule: int, fast: int) -> Any:
    """Return the compiled sweep for degree |z| (negative: every bond is +).

    Its arguments are those of the inner function; `state` is xoshiro's where `fast`, else unused.
    """
    draw = _draw_fast if fast else _draw_philox

    @njit(**CONTRACT)
    def run(x, rows, signs, kinds, masks, kept, poisson, keys, block, state, first, n_sweeps):
        n_sites = kinds.shape[0]
        words = np.empty(64 * 17, np.uint64)
        counts = np.empty(8, np.int64)
        events = np.zeros((CHUNK, kept.shape[1], 8), np.uint64)
        flat = events.reshape(-1)
        group = np.uint64(8 * block)
        for t in range(first, first + n_sweeps):
            sweep = np.uint64(t)
            for start in range(0, n_sites, CHUNK):
                chunk = np.uint64(start // CHUNK)
                draw(words, 0, keys, chunk, sweep, group, np.uint64(CALL), state)
                most = 0
                for lane in range(8):
                    counts[lane] = number_of_points(words[lane], poisson)
                    most = max(most, counts[lane])
                for k in range(1, (most + 8) // 8):
                    draw(words, 64 * k, keys, chunk, sweep, group, np.uint64(CALL + 4 * k), state)
                flat[:] = np.uint64(0)
                for lane in range(8):
                    scatter(words, lane, counts[lane], kept, kinds, start, events)
                for i in range(start, min(start + CHUNK, n_sites)):
                    draw(words, 0, keys, np.uint64(i), sweep, group, np.uint64(0), state)
                    update(
                        x, i, rows, signs, words, masks, kinds[i], events, i - start,
                        z, symmetric, rule,
                    )  # fmt: skip

    return run


@njit(inline="always", **CONTRACT)
def _draw_philox(words, start, keys, c0, c1, group, c3, state):
    philox.draw8(words, start, keys[0], keys[1], c0, c1, group, c3)


@njit(inline="always", **CONTRACT)
def _draw_fast(words, start, keys, c0, c1, group, c3, state):
    xoshiro.draw8(state, 0, words, start)

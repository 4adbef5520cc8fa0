"""Blocks of chains on threads; the kernels release the GIL and share nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["over_blocks"]


@cache
def _pool(process: int, n_threads: int) -> ThreadPoolExecutor:
    # The process is part of the key: threads do not survive a fork.
    return ThreadPoolExecutor(n_threads, thread_name_prefix="physgen")


def over_blocks(work: Callable[[int, int], None], n_blocks: int, seconds: float) -> None:
    """Call ``work(first, stride)`` for every thread; NUMBA_NUM_THREADS says how many.

    A call does blocks first, first + stride, ...  `seconds` is a guess of the whole work: threads
    cost some 50 microseconds, so work below a millisecond stays on this one.
    """
    from numba import config

    n_threads = min(config.NUMBA_NUM_THREADS, n_blocks) if seconds > 1e-3 else 1
    if n_threads == 1:
        work(0, 1)
    else:
        pool = _pool(os.getpid(), n_threads)
        list(pool.map(work, range(n_threads), [n_threads] * n_threads))

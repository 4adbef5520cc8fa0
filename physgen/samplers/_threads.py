"""Blocks of chains on threads; the kernels release the GIL and share nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["SMALL", "over_blocks"]

SMALL = 1e-3  # seconds of work below which threads (about 50 microseconds) do not pay


@cache
def _pool(process: int, n_threads: int) -> ThreadPoolExecutor:
    # The process is part of the key: threads do not survive a fork.
    return ThreadPoolExecutor(n_threads, thread_name_prefix="physgen")


def _limit() -> int:
    from numba import config

    return config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]


def over_blocks(work: Callable[[int, int], None], n_blocks: int, seconds: float) -> None:
    """Call ``work(first, stride)`` for every thread; NUMBA_NUM_THREADS sets their number.

    A call does blocks first, first + stride, ...  `seconds` estimates the total work.
    """
    n_threads = min(_limit(), n_blocks) if seconds > SMALL else 1
    if n_threads == 1:
        work(0, 1)
    else:
        pool = _pool(os.getpid(), n_threads)
        list(pool.map(work, range(n_threads), [n_threads] * n_threads))

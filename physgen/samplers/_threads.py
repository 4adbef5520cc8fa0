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


def over_blocks(work: Callable[[int], None], n_blocks: int) -> None:
    """Call ``work(block)`` for every block, on as many threads as NUMBA_NUM_THREADS says."""
    from numba import config

    n_threads = min(config.NUMBA_NUM_THREADS, n_blocks)
    if n_threads == 1:
        for block in range(n_blocks):
            work(block)
        return

    def part(first: int) -> None:
        for block in range(first, n_blocks, n_threads):
            work(block)

    for done in _pool(os.getpid(), n_threads).map(part, range(n_threads)):
        del done

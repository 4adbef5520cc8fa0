"""A cache of compiled kernels that several processes may fill at once.

Numba numbers the files of its cache from an index that it reads without a lock.  Two processes
that compile at once may take the same number, and the index then hands the code of one kernel to
whoever asks for another: wrong numbers, without a word, ever after (numba issues 4807, 10128).
Here every process puts a name of its own into the names of its files.  All that a race can lose is
an entry of the index, and what is not in the index is compiled again.
"""

from __future__ import annotations

import os
import secrets
from typing import Any

__all__ = ["keep_apart"]

_NAME = secrets.token_hex(4)


def keep_apart() -> None:
    """Give the cache files of this process, and of those that it forks, names of their own."""
    from numba.core import caching

    def data_name(self: Any, number: int) -> str:
        return f"{self._index_name.removesuffix('.nbi')}.{_NAME}-{os.getpid()}-{number}.nbc"

    caching.IndexDataCacheFile._data_name = data_name

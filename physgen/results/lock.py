"""One writer for each run directory.

The lock is an ``flock`` on ``.lock``.  The kernel releases it however the process ends, so a
killed run never needs to be unlocked by hand.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from physgen.core.errors import StoreError
from physgen.results.atomic import remove, store_errors

__all__ = ["LOCK_FILE", "Lock"]

LOCK_FILE = ".lock"


class Lock:
    """The right to write in a directory, held until :meth:`release`.

    Raises
    ------
    StoreError
        If another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        self._fd: int | None = None
        with store_errors(self._path):
            while self._fd is None:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if _same_file(fd, self._path):  # else the last holder has just removed it
                        self._fd, fd = fd, -1
                except OSError as error:
                    if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                        raise StoreError(
                            f"{directory} is being written by another process; wait until it "
                            "ends, or choose another directory"
                        ) from error
                    raise
                finally:
                    if fd >= 0:
                        os.close(fd)

    def release(self) -> None:
        """Remove the lock file and let the next writer in."""
        if self._fd is not None:
            remove(self._path)
            os.close(self._fd)
            self._fd = None


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False

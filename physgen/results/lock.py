"""One writer for each run directory.

The lock is an ``flock`` on ``.lock``.  The kernel releases it however the process ends, so a
killed run never needs to be unlocked by hand.  Some file systems of clusters know no such lock
(Lustre without the mount option ``flock``).  There the file itself is the lock, and names its
owner: it is made only if it is not there, and is stale once its process on this node is gone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import warnings
from pathlib import Path

from physgen.core.errors import StoreError
from physgen.results.atomic import remove, store_errors

__all__ = ["LOCK_FILE", "Lock"]

LOCK_FILE = ".lock"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


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
                        raise _held(directory) from error
                    if error.errno not in _NO_LOCKS:
                        raise
                    self._fd = self._owned(directory, fd)
                finally:
                    if fd >= 0:
                        os.close(fd)

    def _owned(self, directory: Path, fd: int) -> int:
        """Take the lock by writing its owner, where the file system has no locks."""
        owner = os.pread(fd, 256, 0).decode(errors="replace")
        if owner and not _is_stale(owner):
            raise _held(directory, owner)
        warnings.warn(
            f"{directory} is on a file system without file locks (Lustre: mount with -o flock); only "
            "processes that see the file .lock are kept out",
            UserWarning,
            stacklevel=4,
        )
        remove(self._path)
        new = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        os.write(new, _me().encode())
        os.fsync(new)
        return new

    def release(self) -> None:
        """Remove the lock file and let the next writer in."""
        if self._fd is not None:
            remove(self._path)
            os.close(self._fd)
            self._fd = None


def _me() -> str:
    """Return who this process is, for others to read."""
    return f"{socket.gethostname()} {os.getpid()} job {os.environ.get('SLURM_JOB_ID', '-')}"


def _is_stale(owner: str) -> bool:
    """Whether the owner of a lock file was a process of this node that is gone."""
    host, _, rest = owner.partition(" ")
    number = rest.split(" ")[0]
    if host != socket.gethostname() or not number.isdigit():
        return False  # of another node nothing can be known
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _held(directory: Path, owner: str = "") -> StoreError:
    by = f" ({owner}; if it is gone, remove {LOCK_FILE})" if owner else ""
    return StoreError(
        f"{directory} is being written by another process{by}; wait until it ends, or choose "
        "another directory"
    )


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False

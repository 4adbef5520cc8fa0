"""One writer for each run directory.

The lock is an ``flock`` on ``.lock``.  The kernel releases it however the process ends, so a
killed run never needs to be unlocked by hand.  Some file systems of clusters know no such lock
(Lustre without the mount option ``flock``).  There the file ``.lock.owner`` is the lock: it is
linked into place, which fails if it is there, and names its owner.  It is stale once this process
of this node is gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import warnings
from pathlib import Path

from physgen.core.errors import BusyError
from physgen.results.atomic import remove, store_errors

__all__ = ["LOCK_FILE", "OWNER_FILE", "Lock"]

LOCK_FILE, OWNER_FILE = ".lock", ".lock.owner"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


class Lock:
    """The right to write in a directory, held until :meth:`release`.

    Raises
    ------
    BusyError
        If another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        self._path, self._owner = directory / LOCK_FILE, directory / OWNER_FILE
        self._fd: int | None = None
        self._named = False  # whether the file of the owner is the lock
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
                    self._name(directory)
                    self._fd, fd = fd, -1
                finally:
                    if fd >= 0:
                        os.close(fd)

    def _name(self, directory: Path) -> None:
        """Take the lock by naming its owner, where the file system has no locks."""
        mine = directory / f"{OWNER_FILE}.{socket.gethostname()}.{os.getpid()}"
        mine.write_text(_me())
        try:
            try:
                os.link(mine, self._owner)
            except FileExistsError:
                self._take_over(directory, mine)
        finally:
            mine.unlink()
        self._named = True
        warnings.warn(
            f"{directory} is on a file system without file locks (Lustre: -o flock); only "
            f"processes that see the file {OWNER_FILE} are kept out",
            UserWarning,
            stacklevel=4,
        )

    def _take_over(self, directory: Path, mine: Path) -> None:
        """Take the place of an owner that is gone; of several that try, one succeeds."""
        old = mine.with_name(f"{mine.name}.old")
        owner = _text(self._owner)
        if not _is_stale(owner):
            raise _held(directory, owner)
        try:
            os.rename(self._owner, old)
            try:
                if _text(old) != owner:  # another process was quicker: it is its owner again
                    os.link(old, self._owner)
                os.link(mine, self._owner)
            finally:
                old.unlink()
        except (FileExistsError, FileNotFoundError):
            raise _held(directory, _text(self._owner)) from None

    def release(self) -> None:
        """Remove the lock file and let the next writer in."""
        if self._fd is not None:
            if self._named:
                remove(self._owner)
            remove(self._path)
            os.close(self._fd)
            self._fd = None


def _text(path: Path) -> str:
    """Return the owner that a file names; empty if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(errors="replace")
    return ""


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


def _held(directory: Path, owner: str = "") -> BusyError:
    by = f" ({owner}; if it is gone, remove {OWNER_FILE})" if owner else ""
    return BusyError(
        f"{directory} is being written by another process{by}; wait until it ends, or choose "
        "another directory"
    )


def _same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False

"""Files that appear whole or not at all.

The bytes are written to ``NAME.tmp`` beside the target and flushed to the disk (fsync).  The file
then takes the target's name in one step (``os.replace``), and the directory is flushed.  A process
that dies at any point leaves the old file or the new one.  HDF5 never sees a full disk: it writes
into memory, or into an :class:`OutputFile`, which hides the failure until HDF5 has closed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from physgen.core.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["OutputFile", "flush_directory", "remove", "replacing", "store_errors"]


class OutputFile(io.RawIOBase):
    """A new file that writes all its input, or remembers why it could not.

    Attributes
    ----------
    failure : int or None
        Error number of the first write that failed.  Later writes go into memory and are read
        from there, so the HDF5 library can close normally; it may crash the interpreter if a
        write fails or if it reads back other bytes than it wrote.  Callers call :meth:`check`
        between blocks, so memory holds at most one block.

    Notes
    -----
    `failure` is not an exception object.  An exception would keep its frames alive, and with them
    the open objects of h5py, whose driver holds this file where Python's garbage collector cannot
    see it.  The cycle would never be freed, and objects that HDF5 still holds when the interpreter
    exits cause a segmentation fault.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.failure: int | None = None
        self._in_memory: list[tuple[int, bytes]] = []  # (offset, bytes) that the disk did not take
        self._size = 0  # bytes written; the file itself is larger while space is reserved
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)

    def reserve(self, n_bytes: int) -> None:
        """Claim `n_bytes` of the disk now, or raise :class:`OSError` (ENOSPC) now."""
        if shutil.disk_usage(self.path.parent).free < n_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(self._fd, 0, n_bytes)

    def write(self, data: ReadableBuffer, /) -> int:  # noqa: D102
        view = memoryview(data).cast("B")
        n_bytes = len(view)
        while view and self.failure is None:
            try:
                view = view[os.write(self._fd, view) :]
            except OSError as error:
                self.failure = error.errno or errno.EIO
        if view:
            self._in_memory.append((self.tell(), bytes(view)))
            self.seek(len(view), os.SEEK_CUR)
        self._size = max(self._size, self.tell())
        return n_bytes

    def check(self) -> None:
        """Raise :class:`OSError` if a write has failed."""
        if self.failure is not None:
            raise OSError(self.failure, os.strerror(self.failure))

    def sync(self) -> None:
        """Flush to the disk; raise :class:`OSError` if that or any write has failed."""
        self.check()
        os.ftruncate(self._fd, self._size)
        os.fsync(self._fd)

    def readinto(self, buffer: WriteableBuffer, /) -> int:  # noqa: D102
        view, start = memoryview(buffer).cast("B"), self.tell()
        stop = max(start, min(start + len(view), self._size))
        found = os.readv(self._fd, [view[: stop - start]])
        view[found : stop - start] = bytes(stop - start - found)  # a hole
        for at, data in self._in_memory:
            low, high = max(start, at), min(stop, at + len(data))
            if low < high:
                view[low - start : high - start] = data[low - at : high - at]
        self.seek(stop)
        return stop - start

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:  # noqa: D102
        if whence == os.SEEK_END:
            offset, whence = self._size + offset, os.SEEK_SET
        return os.lseek(self._fd, offset, whence)

    def tell(self) -> int:  # noqa: D102
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    def truncate(self, size: int | None = None, /) -> int:  # noqa: D102
        self._size = self.tell() if size is None else size
        return self._size

    def readable(self) -> bool:  # noqa: D102
        return True

    def writable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def close(self) -> None:  # noqa: D102
        if not self.closed:
            os.close(self._fd)
        super().close()


@contextlib.contextmanager
def replacing(path: Path) -> Generator[OutputFile]:
    """Yield a file to write; it takes the name `path` when the block ends without an error.

    Raises
    ------
    StoreError
        If the disk is full or not writable; `path` is then unchanged, and no other file is left.
    """
    temporary = path.with_name(path.name + ".tmp")
    with store_errors(path):
        try:
            with OutputFile(temporary) as file:
                try:
                    yield file
                finally:
                    # A failed write is the cause of any later complaint of HDF5.
                    file.check()
                file.sync()
            os.replace(temporary, path)
            flush_directory(path.parent)
        except BaseException:
            remove(temporary)
            raise


@contextlib.contextmanager
def store_errors(path: Path) -> Generator[None]:
    """Turn an :class:`OSError` of the block into a :class:`StoreError` about `path`."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"the disk is full: {path} could not be written; everything saved before is "
                "intact: free some space, then continue (a run with `physgen resume`)"
            ) from error
        reason = error.strerror or str(error)
        raise StoreError(
            f"{path} could not be written ({reason}); choose a directory that you can write to"
        ) from error


def flush_directory(path: Path) -> None:
    """Make the names in directory `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """Remove a file if it is there and can be removed."""
    with contextlib.suppress(OSError):
        os.unlink(path)

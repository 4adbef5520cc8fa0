"""Crash a writer at every system call in turn, and see what is left on the disk.

The writer runs in a forked child whose os.write, os.fsync, os.replace and os.unlink are counted;
at call N it dies by SIGKILL.  Three ways to die:

kill   before call N;
torn   after half the bytes, if call N is a write, else just after it;
power  before call N, and everything that was not flushed is lost: written files that were not
       fsynced are empty, renames whose directory was not fsynced did not happen, removals did.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import stat
import struct
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MODES = ("kill", "torn", "power")
_write, _fsync, _replace, _unlink = os.write, os.fsync, os.replace, os.unlink


class Outcome(NamedTuple):
    """What the writer had acknowledged when it died, or that it reached the end."""

    acknowledged: int
    finished: bool


def crash(
    writer: Callable[[Callable[[int], None]], None], n: int, mode: str, area: Path
) -> Outcome:
    """Run ``writer(acknowledge)`` in a child that dies at call `n`; it writes below `area`."""
    shared = mmap.mmap(-1, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside the threads of xdist
        child = os.fork()
    if child == 0:
        try:
            _Disk(n, mode, area).install()
            writer(lambda value: struct.pack_into("q", shared, 0, value))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError(f"the writer failed by itself before call {n}")
    return Outcome(struct.unpack_from("q", shared, 0)[0], not killed)


class _Disk:
    def __init__(self, n: int, mode: str, area: Path) -> None:
        self.left, self.mode, self.area = n, mode, area
        self.unflushed: set[int] = set()  # inodes
        self.renames: list[tuple[Path, Path | None]] = []  # (target, its content before)
        self.attic = area.parent / "attic"

    def install(self) -> None:
        shutil.rmtree(self.attic, ignore_errors=True)
        self.attic.mkdir()
        os.write, os.fsync, os.replace, os.unlink = (
            self.write,
            self.fsync,
            self.replace,
            self.unlink,
        )

    def write(self, fd, data):
        self.unflushed.add(os.fstat(fd).st_ino)
        if self._last() and self.mode == "torn":
            _write(fd, memoryview(data)[: len(data) // 2])
            self._die()
        return self._survive(lambda: _write(fd, data))

    def fsync(self, fd):
        def call():
            _fsync(fd)
            status = os.fstat(fd)
            self.unflushed.discard(status.st_ino)
            if stat.S_ISDIR(status.st_mode):
                here = Path(f"/proc/self/fd/{fd}").resolve()
                self.renames = [r for r in self.renames if r[0].parent.resolve() != here]

        return self._survive(call)

    def replace(self, source, target):
        def call():
            old = None
            if os.path.exists(target):
                old = self.attic / str(len(list(self.attic.iterdir())))
                os.link(target, old)
            self.renames.append((Path(target), old))
            _replace(source, target)

        return self._survive(call)

    def unlink(self, path, **options):
        return self._survive(lambda: _unlink(path, **options))

    def _last(self) -> bool:
        return self.left == 1

    def _survive(self, call):
        self.left -= 1
        if self.left == 0 and self.mode != "torn":
            self._die()
        try:
            return call()
        finally:  # a call that fails counts as well
            if self.left == 0:
                self._die()

    def _die(self):
        if self.mode == "power":
            for path in self.area.rglob("*"):
                if path.is_file() and path.stat().st_ino in self.unflushed:
                    os.truncate(path, 0)
            for target, old in reversed(self.renames):
                if old is not None:
                    _replace(old, target)
                elif target.exists():
                    _unlink(target)
        os.kill(os.getpid(), signal.SIGKILL)

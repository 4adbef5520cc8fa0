"""One writer, also where the file system has no locks: a dead owner gives way."""

import errno
import fcntl
import os
import socket
import subprocess
import sys

import pytest

from physgen.core.errors import StoreError
from physgen.results.lock import LOCK_FILE, Lock


@pytest.fixture
def lockless(monkeypatch):
    """A file system that answers flock as Lustre does without its mount option."""

    def flock(fd, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_writer_is_refused(tmp_path):
    first = Lock(tmp_path)
    with pytest.raises(StoreError, match="is being written by another process; wait"):
        Lock(tmp_path)
    first.release()
    Lock(tmp_path).release()
    assert not (tmp_path / LOCK_FILE).exists()


def test_without_locks_the_file_is_the_lock_and_says_whose_it_is(tmp_path, lockless):
    with pytest.warns(UserWarning, match="without file locks"):
        first = Lock(tmp_path)
    assert f"{socket.gethostname()} {os.getpid()}" in (tmp_path / LOCK_FILE).read_text()
    with pytest.raises(StoreError, match=f"another process .*{os.getpid()}.*remove .lock"):
        Lock(tmp_path)
    first.release()
    with pytest.warns(UserWarning, match="without file locks"):
        Lock(tmp_path).release()


def test_without_locks_a_dead_owner_gives_way_and_one_of_another_node_does_not(tmp_path, lockless):
    path = tmp_path / LOCK_FILE
    path.write_text(f"{socket.gethostname()} {dead_process()} job -")
    with pytest.warns(UserWarning, match="without file locks"):
        Lock(tmp_path).release()
    path.write_text(f"node17 {dead_process()} job 4")
    with pytest.raises(StoreError, match="node17"):
        Lock(tmp_path)


def test_another_error_of_the_lock_is_not_swallowed(tmp_path, monkeypatch):
    def flock(fd, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreError, match="Input/output error"):
        Lock(tmp_path)

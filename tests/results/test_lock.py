"""One writer, also where the file system has no locks: a dead owner gives way."""

import errno
import fcntl
import os
import socket
import subprocess
import sys

import pytest

from physgen.core.errors import BusyError, StoreError
from physgen.results import lock
from physgen.results.lock import LOCK_FILE, OWNER_FILE, Lock


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
    assert f"{socket.gethostname()} {os.getpid()}" in (tmp_path / OWNER_FILE).read_text()
    with pytest.raises(StoreError, match=f"another process .*{os.getpid()}.*remove .lock.owner"):
        Lock(tmp_path)
    first.release()
    with pytest.warns(UserWarning, match="without file locks"):
        Lock(tmp_path).release()


def test_without_locks_a_dead_owner_gives_way_and_one_of_another_node_does_not(tmp_path, lockless):
    path = tmp_path / OWNER_FILE
    path.write_text(f"{socket.gethostname()} {dead_process()} job -")
    with pytest.warns(UserWarning, match="without file locks"):
        Lock(tmp_path).release()
    path.write_text(f"node17 {dead_process()} job 4")
    with pytest.raises(StoreError, match="node17"):
        Lock(tmp_path)


def test_of_several_that_take_over_a_stale_lock_one_succeeds(tmp_path, lockless, monkeypatch):
    """The other one has read the same dead owner, and comes after the lock was taken."""
    path = tmp_path / OWNER_FILE
    dead = f"{socket.gethostname()} {dead_process()} job -"
    path.write_text(dead)
    with pytest.warns(UserWarning, match="without file locks"):
        first = Lock(tmp_path)
    texts, read = [dead], lock._text
    monkeypatch.setattr(lock, "_text", lambda p: texts.pop() if texts else read(p))
    with pytest.raises(BusyError, match=str(os.getpid())):
        Lock(tmp_path)
    assert str(os.getpid()) in path.read_text()  # it is still the first one's
    monkeypatch.undo()
    first.release()
    assert os.listdir(tmp_path) == []


def test_another_error_of_the_lock_is_not_swallowed(tmp_path, monkeypatch):
    def flock(fd, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(StoreError, match="Input/output error"):
        Lock(tmp_path)

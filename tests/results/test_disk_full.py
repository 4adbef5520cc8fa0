"""A full disk gives one clear error, loses nothing acknowledged, and the process can go on."""

import errno
import functools
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from helpers.marks import slow
from helpers.runs import CONFIG, checkpoint, committed, run, same

from physgen.core.errors import StoreError
from physgen.results import RunStore, image, open_run, write_dataset
from physgen.results.atomic import OutputFile
from physgen.results.layers import RUN_FILE


class FullDisk:
    """From call `n` on, writing fails: a write stores half its bytes first, then nothing."""

    def __init__(self, monkeypatch, n):
        self.left, self.full = n, False
        for name in ("write", "fsync", "replace"):
            monkeypatch.setattr(os, name, self._limited(name, getattr(os, name)))

    def _limited(self, name, call):
        def limited(*args):
            self.left -= 1
            if self.left == 0:
                self.full = True
                if name == "write" and len(args[1]) > 1:
                    return call(args[0], memoryview(args[1])[: len(args[1]) // 2])
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*args)

        return limited

    def retry(self, action, directory):
        """Do `action`; if the disk is full, look around, free it, and do `action` again."""
        try:
            return action()
        except StoreError as error:
            message = str(error)
        assert self.full
        assert "disk is full" in message
        assert "\n" not in message
        assert not list(directory.rglob("*.tmp"))
        self.full = False
        return action()


def run_on(disk, path, n_steps=3):
    store = disk.retry(lambda: RunStore.open(path, CONFIG), path)
    for step in range(1, n_steps + 1):
        save = functools.partial(store.commit, checkpoint(step), append={"samples": "sample"})
        disk.retry(save, path)
        assert committed(path) == step
    disk.retry(store.finish, path)
    disk.retry(store.close, path)


@pytest.mark.parametrize("stream_above", [image.STREAM_ABOVE, slow(0)])
def test_full_at_every_call(area, monkeypatch, stream_above):
    monkeypatch.setattr(image, "STREAM_ABOVE", stream_above)
    steps = 3 if stream_above else 1
    run(area / "reference", n_steps=steps)
    for n in range(1, 10_000):
        path = area / str(n)
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, n)
            run_on(disk, path, steps)
            never_full = disk.left > 0
        assert os.listdir(path) == [RUN_FILE]
        assert same(path, area / "reference")
        if never_full:
            break
    assert n > 20


def test_a_real_small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1 << 20))
        block = xr.Dataset({"x": ("draw", np.random.default_rng(0).normal(size=8000))})
        store = RunStore.open(disk / "run", CONFIG)
        saved = 0
        save = functools.partial(store.commit, {"chain": block}, append={"chain": "draw"})
        while shutil.disk_usage(disk).free > 1.2 * block.nbytes:
            save()
            saved += 1
        with pytest.raises(StoreError, match="disk is full"):
            save()
        assert saved > 5
        assert open_run(disk / "run")["chain"].sizes["draw"] == 8000 * saved
        ballast.unlink()
        save()
        store.close()
        assert open_run(disk / "run")["chain"].sizes["draw"] == 8000 * (saved + 1)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_single_file_on_a_full_disk_keeps_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "data.h5"
    write_dataset(path, xr.Dataset({"x": 1}))
    before = path.read_bytes()
    FullDisk(monkeypatch, 1)
    with pytest.raises(StoreError, match="disk is full"):
        write_dataset(path, xr.Dataset({"x": 2}))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["data.h5"]


def test_large_file_checks_for_space_first(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "STREAM_ABOVE", 0)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(StoreError, match="disk is full"):
        write_dataset(tmp_path / "data.h5", xr.Dataset({"x": 1}))
    assert os.listdir(tmp_path) == []


SMALL_DISK = """
import errno, os, sys
import numpy as np, xarray as xr
from physgen.core.errors import StoreError
from physgen.results import image, write_dataset, write_stream

what, path, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
image.STREAM_ABOVE = 0
take, block = os.write, np.zeros(200_000)
many = xr.Dataset({f"x{k}": ("i", block[:1000], {"note": "a" * 1000}) for k in range(300)})
growing = xr.Dataset({"x": ("shot", block[:0])})

def write(fd, data):
    global left
    left -= 1
    if left < 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return take(fd, data)

os.write = write
try:
    if what == "dataset":
        write_dataset(path, xr.Dataset({"x": ("i", block)}))
    elif what == "many":
        write_dataset(path, many)
    else:
        write_stream(path, growing, "shot", ({"x": block} for _ in range(5)))
except StoreError as error:
    os.write = take
    kept = error if what == "dataset" else None  # as a session that looks at it later
    print(error)
"""


@pytest.mark.parametrize(
    ("what", "left"), [("dataset", 0), ("dataset", 3), ("many", 20), ("blocks", 0), ("blocks", 7)]
)
def test_the_process_ends_in_good_order(tmp_path, what, left):
    """What HDF5 holds until the interpreter is gone ends in a segmentation fault: status -11."""
    command = [sys.executable, "-c", SMALL_DISK, what, str(tmp_path / "a.h5"), str(left)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the disk is full")
    assert os.listdir(tmp_path) == []


def test_hdf5_reads_back_what_it_wrote_although_the_disk_took_half(tmp_path, monkeypatch):
    with OutputFile(tmp_path / "a") as file:
        file.write(b"0123456789")
        FullDisk(monkeypatch, 1)
        file.seek(2)
        assert file.write(b"abcdef") == 6
        file.write(b"!")
        file.seek(12)
        file.write(b"end")
        found = bytearray(20)
        file.seek(0)
        assert file.readinto(found) == file.tell() == 15
        assert found[:15] == b"01abcdef!9\0\0end"
        assert file.failure == errno.ENOSPC
        with pytest.raises(OSError, match="No space"):
            file.sync()


def test_writing_stops_at_the_block_that_found_the_disk_full(tmp_path, monkeypatch):
    """So that memory holds a block of what the disk did not take, never a large file."""
    monkeypatch.setattr(image, "STREAM_ABOVE", 0)
    kept = []
    close = OutputFile.close
    monkeypatch.setattr(
        OutputFile,
        "close",
        lambda f: (kept.extend(map(len, (d for _, d in f._in_memory))), close(f)),
    )
    FullDisk(monkeypatch, 1)
    large = {f"x{k}": ("i", np.zeros(5 << 20, np.float32)) for k in range(3)}  # 20 MiB each
    with pytest.raises(StoreError, match="disk is full"):
        write_dataset(tmp_path / "a.h5", xr.Dataset(large))
    assert 8 << 20 < sum(kept) < 17 << 20

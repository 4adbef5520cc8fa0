"""Workers share what is slow to make: it is made once, and again only if that failed."""

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from helpers.shared import once


def factory(base):
    """Factory of temporary folders of a process whose own folder is `base`."""
    base.mkdir()
    return SimpleNamespace(getbasetemp=lambda: base)


def test_two_workers_get_the_same_folder_whole(tmp_path):
    workers, made = [factory(tmp_path / f"popen-gw{k}") for k in range(2)], []

    def make(folder):
        made.append(folder)
        time.sleep(0.2)
        (folder / "last").touch()

    def ask(worker):
        folder = once(worker, "run", make)
        return folder, (folder / "last").exists()

    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(ask, workers))
    assert found == {(tmp_path / "shared" / "run", True)}
    assert len(made) == 1


def test_what_failed_is_made_from_the_beginning(tmp_path):
    alone = factory(tmp_path / "base")

    def fail(folder):
        (folder / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        once(alone, "run", fail)
    folder = once(alone, "run", lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert folder.parent == tmp_path / "base" / "shared"

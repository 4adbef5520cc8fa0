"""What all workers of a parallel run read, made by the first of them that asks for it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` that ``make(folder)`` fills, once in the run of the suite.

    Tests must not change what is in it.  Other workers wait while it is made; if that fails, the
    next worker begins again.
    """
    base = factory.getbasetemp()
    # A worker has a base of its own inside the base of the whole run.
    folder = (base.parent if base.name.startswith("popen-") else base) / "shared" / name
    folder.parent.mkdir(exist_ok=True)
    made = folder.with_suffix(".made")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, by a crash too
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder

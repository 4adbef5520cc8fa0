"""State of a directory before a run: absent, empty, the same run, another run, or foreign."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import h5py

from physgen.core.errors import StoreError
from physgen.results.atomic import flush_directory, store_errors
from physgen.results.layers import RUN_FILE, Layers, is_run
from physgen.results.lock import LOCK_FILE, OWNER_FILE
from physgen.results.provenance import flattened
from physgen.results.segments import DIRECTORY, segment_paths

SHARES = "points"  # shares of a scan, each a run of its own

__all__ = ["SHARES", "check_not_foreign", "find_run", "make_segment_directory"]


def make_segment_directory(path: Path) -> None:
    """Make the directory of segments, durably."""
    with store_errors(path):
        (path / DIRECTORY).mkdir(exist_ok=True)
        flush_directory(path)
        flush_directory(path.absolute().parent)


def check_not_foreign(path: Path, force: bool) -> None:
    """Raise unless `path` is absent, empty, a run, or a run that was killed as it began."""
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path} is a file; a run needs a directory")
    if force or not path.exists() or is_run(path):
        return
    own = {LOCK_FILE, OWNER_FILE, DIRECTORY, RUN_FILE + ".tmp", SHARES}
    foreign = sorted(name for name in os.listdir(path) if name not in own)
    if foreign:
        raise StoreError(
            f"{path} is not empty and holds no physgen run (it has {foreign[0]!r}); choose "
            "another directory, or --force to write beside what is there"
        )


def find_run(
    path: Path, text: str, wanted: str, force: bool, derived: Iterable[str] = ()
) -> Layers | None:
    """Return the run in `path` if it has this configuration, None if there is no run (left).

    With `force`, a run that cannot be continued is removed together with its files `derived`.
    """
    if not is_run(path):
        return None
    try:
        layers = Layers(path)
        found = layers.attrs["config_hash"]
        if found == wanted:
            return layers
        layers.close()
        raise StoreError(
            f"{path} holds a run with another configuration "
            f"({_difference(layers.attrs['config'], text)}); choose another directory, or "
            "--force to replace that run"
        )
    except StoreError:
        if not force:
            raise
    _clear(path, derived)
    return None


def _difference(there: str, here: str) -> str:
    """Return the first entry that differs between two JSON texts, and how many more do."""
    a, b = flattened(json.loads(there)), flattened(json.loads(here))
    keys = [k for k in sorted({*a, *b}) if a.get(k, "absent") != b.get(k, "absent")]
    if not keys:
        return "of the same values; its fingerprint was changed"
    more = f", and {len(keys) - 1} more" if len(keys) > 1 else ""
    first = keys[0]
    return f"{first} is {a.get(first, 'absent')} there, {b.get(first, 'absent')} here{more}"


def _clear(path: Path, derived: Iterable[str]) -> None:
    """Remove a run: the newest segments first, so that a crash here leaves an older state."""
    run = path / RUN_FILE
    if run.exists():
        _check_ours(run)
    with store_errors(path):
        for file in (path / name for name in derived):
            file.unlink(missing_ok=True)
            if file.parent != path:
                with contextlib.suppress(OSError):  # it holds the user's own files, or is gone
                    file.parent.rmdir()
        for segment in reversed(segment_paths(path).values()):
            os.unlink(segment)
        run.unlink(missing_ok=True)
        flush_directory(path)


def _check_ours(path: Path) -> None:
    """Raise unless `path` is a file that physgen wrote and may therefore remove."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            ours = "schema_version" in file.attrs
    except (OSError, RuntimeError, KeyError):  # h5py has all of them for a damaged file
        raise StoreError(
            f"{path} cannot be read, so it cannot be told whether physgen wrote it, and it is not "
            "replaced; move it away"
        ) from None
    if not ours:
        raise StoreError(f"{path} was not written by physgen, so it is not replaced; move it away")

"""A run directory as readers see it: ``run.h5``, and on top of it the newer segments.

Segments with a number up to ``last_segment`` of ``run.h5`` are already merged into it and are
ignored, so they can be removed at any time.  Higher numbers must follow without a gap.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from physgen.core.errors import StoreError
from physgen.results.hdf5 import group_names, read_attrs, read_layout, reading
from physgen.results.layout import Layout, decode
from physgen.results.schema import check_schema
from physgen.results.segments import damaged, open_segment, segment_path, segment_paths

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RUN_FILE", "Layers", "is_run", "run_directory"]

RUN_FILE = "run.h5"
_ATTEMPTS = 20  # a writer would have to compact this often while one reader opens


def is_run(path: Path) -> bool:
    """Whether a directory holds a run, finished or not."""
    return (path / RUN_FILE).exists() or bool(segment_paths(path))


def run_directory(path: str | os.PathLike[str]) -> Path:
    """Return the run directory that `path` names: the directory itself or its ``run.h5``.

    Parameters
    ----------
    path : path
        A run directory, or its run.h5.

    Raises
    ------
    StoreError
        If `path` is any other file.
    """
    path = Path(path)
    if not path.is_file():
        return path
    if path.name != RUN_FILE:
        raise StoreError(f"{path} is a file; give a run directory, or the {RUN_FILE} in one")
    return path.parent


class Layers(contextlib.AbstractContextManager["Layers"]):
    """The files of a run, open for reading, as one tree of groups.

    Parameters
    ----------
    run : Path
        Run directory.  It may be written to at the same time.

    Attributes
    ----------
    attrs : dict
        Root attributes of the newest layer; ``last_segment`` is its number.
    run_segment : int
        Number of the newest segment inside ``run.h5``.
    run_bytes, segment_bytes, n_segments : int
        Sizes of ``run.h5`` and of all newer segments, and the number of these segments.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        for attempt in range(_ATTEMPTS):
            before = _identity(run / RUN_FILE)
            try:
                self._open()
            except FileNotFoundError:  # a segment was removed between listing and opening
                self.close()
            except StoreError:
                self.close()
                if attempt + 1 == _ATTEMPTS or _identity(run / RUN_FILE) == before:
                    raise
            else:
                if _identity(run / RUN_FILE) == before:
                    return
                self.close()
        raise StoreError(f"{run} changes faster than it can be read; try again")

    def _open(self) -> None:
        self.attrs: dict[str, Any] = {}
        self.run_segment = self.run_bytes = self.segment_bytes = self.n_segments = 0
        self._files: list[h5py.File] = []
        self._pieces: dict[str, tuple[list[Any], str | None]] = {}
        base = self.run / RUN_FILE
        with reading(base), contextlib.suppress(FileNotFoundError):
            file = h5py.File(base, "r", locking=False)
            self._files.append(file)
            check_schema(file.attrs, base)
            self.attrs = read_attrs(file)
            if "config_hash" not in self.attrs:
                raise StoreError(f"{base} is a physgen file but not a run; move it away")
            self.run_bytes = base.stat().st_size
            self.run_segment = self.last_segment
            self._pieces = {name: ([file[name]], None) for name in group_names(file)}
        for number, path in segment_paths(self.run).items():
            if number > self.last_segment:
                if number != self.last_segment + 1:
                    missing = segment_path(self.run, self.last_segment + 1)
                    raise damaged(missing, f"it is missing, and {path.name} is there")
                self.push(path)
        if not self._files:
            raise StoreError(f"{self.run} holds no physgen run; start one with `physgen run`")

    def push(self, path: Path) -> None:
        """Lay one more segment on top."""
        segment = open_segment(path, self.last_segment + 1)
        self._files.append(segment)
        attrs = read_attrs(segment)
        if self.attrs and attrs["config_hash"] != self.attrs["config_hash"]:
            raise damaged(path, "it belongs to a run with another configuration")
        append = json.loads(attrs.pop("append"))
        for name in group_names(segment):
            below = self._pieces[name][0] if name in append and name in self._pieces else []
            self._pieces[name] = ([*below, segment[name]], append.get(name))
        self.attrs = attrs
        self.segment_bytes += path.stat().st_size
        self.n_segments += 1

    @property
    def last_segment(self) -> int:
        """Number of the newest segment, 0 if there is none."""
        return int(self.attrs.get("last_segment", 0))

    def groups(self) -> tuple[str, ...]:
        """Return the names of all groups, sorted."""
        return tuple(sorted(self._pieces))

    def joined_along(self, group: str) -> str | None:
        """Return the dim along which the pieces of `group` are joined, if there are several."""
        pieces, dim = self._pieces[group]
        return dim if len(pieces) > 1 else None

    def layout(self, group: str) -> Layout:
        """Return the layout of one group; its values are read on demand."""
        return read_layout(*self._pieces[group])

    def read(self, group: str) -> xr.Dataset:
        """Return one group in memory."""
        with reading(self.run / RUN_FILE):
            return decode(self.layout(group))

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        self._files.clear()

    def __exit__(self, *exc: object) -> None:
        self.close()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return a value that changes when another file takes the name, None if there is no file."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size

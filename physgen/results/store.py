"""The store of a run: crash-safe checkpoints that become one HDF5 file.

A run directory holds ``run.h5`` and, while the run lasts, ``.segments/NNNNNN.h5``.  A commit is
one segment: built in memory, written to a temporary file, flushed, renamed, and only then
acknowledged.  When the segments are together as large as ``run.h5``, they are merged into a new
``run.h5`` in the same atomic way, so a run writes about 3 times its final size in all.

Guarantee: a process killed at any instant loses at most the commit in progress; ``run.h5`` always
opens; and a resumed run gives the same data, bit for bit, as an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physgen.core.errors import InputError, StoreError
from physgen.results.appending import check_append, check_nesting
from physgen.results.atomic import remove, store_errors
from physgen.results.citations import check_methods
from physgen.results.directory import check_not_foreign, find_run, make_segment_directory
from physgen.results.image import write_file
from physgen.results.layers import RUN_FILE, Layers, is_run
from physgen.results.layout import encode, encode_attrs
from physgen.results.lock import Lock
from physgen.results.provenance import (
    Stopwatch,
    canonical_json,
    collect_provenance,
    config_hash,
    resumed,
)
from physgen.results.schema import SCHEMA_VERSION, group_name
from physgen.results.segments import DIRECTORY, segment_path, segment_paths, write_segment

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RunStore"]

MAX_SEGMENTS = 200  # files that a reader of a run in progress must open


class RunStore(contextlib.AbstractContextManager["RunStore"]):
    """The one writer of a run directory.  Made by :meth:`open` or :meth:`resume`.

    Attributes
    ----------
    path : Path
        Run directory.
    guard : callable() -> context manager
        Entered around every commit: what would interrupt the process may wait there.
    """

    def __init__(self, path: Path, lock: Lock, layers: Layers, attrs: Mapping[str, Any]) -> None:
        self.path = path
        self.guard: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
        self._lock: Lock | None = lock
        self._layers = layers
        self._attrs: dict[str, Any] = {k: v for k, v in attrs.items() if k != "last_segment"}
        self._stopwatch = Stopwatch(attrs)
        self._retry_above = 0

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        config: Mapping[str, Any],
        *,
        force: bool = False,
        derived: Iterable[str] = (),
        provenance: Mapping[str, Any] | None = None,
    ) -> RunStore:
        """Begin a run in `path`, or continue the run of the same configuration.

        Parameters
        ----------
        path : path
            Run directory; made if absent.
        config : mapping
            Plain JSON data.  It is stored; runs with the same hash are the same run.
        force : bool
            Accept a directory that holds other files, which stay; or another run, which is then
            removed: ``run.h5``, its segments and the files named in `derived`, nothing else.
        derived : iterable of str
            Files made from a run, relative to `path`; they are removed together with the run.
        provenance : mapping, optional
            From :func:`~physgen.results.collect_provenance`.

        Raises
        ------
        StoreError
            If the directory is in use, foreign, damaged, or holds another run, without `force`.
        """
        path, text = Path(path), canonical_json(config)
        check_not_foreign(path, force)
        with store_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        lock = Lock(path)
        try:
            now = dict(provenance or collect_provenance(seed=_seed(config)))
            layers = find_run(path, text, config_hash(config), force, derived)
            if layers is None:
                attrs = {
                    "schema_version": SCHEMA_VERSION,
                    "config": text,
                    "config_hash": config_hash(config),
                    "complete": 0,
                    **encode_attrs(now),
                }
                return cls._begin(path, lock, attrs)
            return cls._continue(path, lock, layers, now)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def resume(
        cls, path: str | os.PathLike[str], *, provenance: Mapping[str, Any] | None = None
    ) -> RunStore:
        """Continue the run in `path`, whatever its configuration."""
        path = Path(path)
        if not is_run(path):
            raise StoreError(f"{path} holds no physgen run; start one with `physgen run`")
        lock = Lock(path)
        try:
            layers = Layers(path)
            seed = _seed(json.loads(layers.attrs["config"]))
            return cls._continue(path, lock, layers, provenance or collect_provenance(seed=seed))
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _begin(cls, path: Path, lock: Lock, attrs: Mapping[str, Any]) -> RunStore:
        make_segment_directory(path)
        attrs = {**attrs, **Stopwatch({}).read()}
        write_segment(path, 1, attrs, {}, {})
        store = cls(path, lock, Layers(path), attrs)
        store._compact(store._root_attrs())
        return store

    @classmethod
    def _continue(cls, path: Path, lock: Lock, layers: Layers, now: Mapping[str, Any]) -> RunStore:
        make_segment_directory(path)
        store = cls(path, lock, layers, resumed(layers.attrs, now))
        store._tidy()
        return store

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the run."""
        return json.loads(self._attrs["config"])

    @property
    def config_hash(self) -> str:
        """SHA-256 of the configuration."""
        return self._attrs["config_hash"]

    @property
    def attrs(self) -> dict[str, Any]:
        """Root attributes as the next commit will store them."""
        return self._root_attrs()

    @property
    def complete(self) -> bool:
        """Whether the run has been finished."""
        return bool(self._attrs["complete"])

    def groups(self) -> tuple[str, ...]:
        """Return the names of the groups committed so far, sorted."""
        return self._live().groups()

    def has(self, group: str) -> bool:
        """Whether `group` has been committed."""
        return group_name(group) in self.groups()

    def read(self, group: str) -> xr.Dataset:
        """Return a committed group in memory."""
        if not self.has(group):
            listed = ", ".join(self.groups()) or "none"
            raise InputError(
                f"group must be one of those in {self.path} ({listed}), got {group!r}"
            )
        return self._live().read(group_name(group))

    def add_time(self, attrs: Mapping[Any, Any]) -> None:
        """Count what another run has taken as taken by this one; the next commit stores it."""
        self._stopwatch.add(attrs)

    def cite(self, *methods: str) -> None:
        """Record methods, or keys of works, that the run uses; the next commit stores them."""
        known = {*json.loads(self._attrs.get("citations", "[]")), *check_methods(methods)}
        self._attrs["citations"] = json.dumps(sorted(known))

    def commit(
        self, groups: Mapping[str, xr.Dataset], append: Mapping[str, str] | None = None
    ) -> None:
        """Save `groups` together, durably: when this returns, no crash can lose them.

        Parameters
        ----------
        groups : mapping of str to Dataset
            Each replaces the group of that name whole.
        append : mapping of str to str, optional
            Groups to extend instead, each with the dim to extend.  Variables without that dim
            must equal the stored ones.

        Raises
        ------
        StoreError
            If the disk is full: earlier commits are safe, this commit is not stored, and it may
            be tried again once there is space.
        """
        with self.guard():
            self._commit(groups, append or {})

    def _commit(self, groups: Mapping[str, xr.Dataset], append: Mapping[str, str]) -> None:
        layers = self._live()
        layouts = {group_name(name): encode(ds) for name, ds in groups.items()}
        dims = {group_name(name): dim for name, dim in append.items()}
        if any(layers.joined_along(g) not in (None, d) for g, d in dims.items() if self.has(g)):
            self._compact(self._root_attrs())
            layers = self._layers
        check_append(layers, layouts, dims)
        check_nesting(layers, layouts)
        number = layers.last_segment + 1
        try:
            path = write_segment(self.path, number, self._root_attrs(), layouts, dims)
        except BaseException:
            remove(segment_path(self.path, number))  # there if only the last flush failed
            raise
        layers.push(path)
        self._compact_if_due()

    def finish(self, attrs: Mapping[str, Any] | None = None) -> None:
        """Merge everything into ``run.h5`` and mark the run complete.

        Parameters
        ----------
        attrs : mapping, optional
            Root attributes to add.
        """
        self._live()
        final = {**self._root_attrs(), **encode_attrs(attrs or {}), "complete": 1}
        self._compact(final)
        self._attrs = final

    def close(self) -> None:
        """Merge all commits into ``run.h5`` and let others write in the directory."""
        if self._lock is None:
            return
        try:
            if self._layers.n_segments:
                self._compact(self._root_attrs())
        finally:
            self._layers.close()
            with contextlib.suppress(OSError):
                os.rmdir(self.path / DIRECTORY)  # stays if a segment is left
            self._lock.release()
            self._lock = None

    def __exit__(self, kind: object, *rest: object) -> None:
        # A merge that fails loses nothing, so it must not hide the error that ended the block.
        with contextlib.suppress(StoreError) if kind else contextlib.nullcontext():
            self.close()

    def __repr__(self) -> str:
        state = "complete" if self.complete else "in progress"
        return f"RunStore({str(self.path)!r}, config {self.config_hash[:8]}, {state})"

    def _live(self) -> Layers:
        if self._lock is None:
            raise StoreError(f"the store of {self.path} is closed; open it again to use it")
        return self._layers

    def _root_attrs(self) -> dict[str, Any]:
        return {**self._attrs, **self._stopwatch.read()}

    def _compact_if_due(self) -> None:
        """Merge when the segments are together as large as ``run.h5``.

        A failed merge (it needs room for a second ``run.h5``) is not an error here: the commit is
        safe in its segment.  The merge is tried again when the segments have doubled.
        """
        layers = self._layers
        enough = max(layers.run_bytes, self._retry_above)
        if layers.segment_bytes >= enough or layers.n_segments >= MAX_SEGMENTS:
            try:
                self._compact(self._root_attrs())
                self._retry_above = 0
            except StoreError:
                self._retry_above = 2 * self._layers.segment_bytes

    def _compact(self, attrs: Mapping[str, Any]) -> None:
        """Write a new ``run.h5`` with everything, and only then remove the segments."""
        layers = self._layers
        try:
            layouts = {name: layers.layout(name) for name in layers.groups()}
            last = {"last_segment": layers.last_segment}
            write_file(self.path / RUN_FILE, {**attrs, **last}, layouts)
        finally:  # the new file may be in place even if its last flush failed
            layers.close()
            self._layers = Layers(self.path)
        self._tidy()

    def _tidy(self) -> None:
        """Remove segments that are inside ``run.h5``, and files that a crash left half written."""
        for number, path in segment_paths(self.path).items():
            if number <= self._layers.run_segment:
                remove(path)
        remove(self.path / (RUN_FILE + ".tmp"))
        for path in (self.path / DIRECTORY).glob("[0-9]*.h5.tmp"):
            remove(path)


def _seed(config: Mapping[str, Any]) -> int | None:
    seed = config.get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

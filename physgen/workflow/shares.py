"""A scan in shares: each worked on by a process of its own, then gathered into one run.

The places (extent and coupling, with all generators) are dealt out large lattices first, each to
the share with the fewest sites so far.  A share is a run of the same config in
``OUT/points/<i>-of-<n>``, with a lock, a log and checkpoints of its own.  Random streams are named
by the place, so no number depends on the share: the gathered file holds, but for clocks, the bytes
of a serial run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError, StoreError
from physgen.results.directory import SHARES
from physgen.workflow.kinds import job_of
from physgen.workflow.reporting import Reporter
from physgen.workflow.run import run
from physgen.workflow.sections import JobConfig

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SHARES", "Share", "all_done", "gather", "last_stage", "run_share", "shared"]

DONE = "share"  # the group that says that a share is finished
_TOGETHER = 2**25  # bytes of a commit, about
_NAMED = 3  # points of a missing share that are named
_RECORDS = ("scan", "trained", "drawn")


class Share(NamedTuple):
    """Share number i of n, counted from 0."""

    i: int
    n: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """Return the share of a text such as "3/40".

        Raises
        ------
        InputError
            If it is none, or i is out of range.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if match is None:
            raise InputError(f"--points must be i/n, such as 0/4, got {text!r}")
        i, n = map(int, match.groups())
        if not 0 <= i < n:
            raise InputError(f"--points i/n must have i = 0..n-1, got {text!r}")
        return cls(i, n)

    def of(self, costs: Sequence[int]) -> list[int]:
        """Return the numbers of the places of this share, by what each place costs."""
        hands: list[list[int]] = [[] for _ in range(self.n)]
        loads = [0] * self.n
        for k in sorted(range(len(costs)), key=lambda k: (costs[k], k), reverse=True):
            least = loads.index(min(loads))
            hands[least].append(k)
            loads[least] += costs[k]
        return sorted(hands[self.i])

    @property
    def name(self) -> str:
        """The name of its directory."""
        return f"{self.i}-of-{self.n}"


def shared(config: JobConfig, share: Share) -> JobConfig:
    """Return the config, which is the same run, with its places cut down to a share.

    Raises
    ------
    InputError
        If the run is no scan, or has fewer places than shares.
    """
    costs = job_of(config).costs
    if costs is None:
        raise InputError(
            "--points and --jobs share out the places of a scan, and this run has none; give each "
            "of its seeds a run of its own"
        )
    if share.n > len(found := costs(config)):
        raise InputError(
            f"--points i/n must have at most as many shares as the scan has places, {len(found)}, "
            f"got n = {share.n}"
        )
    return config.cut_down(share.of(found))


def last_stage(config: JobConfig) -> str:
    """Return the last of the stages that work place by place."""
    names = [stage.name for stage in job_of(config).stages_of(config)]
    return [name for name in names if name in ("sample", "train", "draw")][-1]


def run_share(
    config: JobConfig,
    out: Path,
    share: Share,
    *,
    force: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """Do the stages of a share that work place by place; return its directory.

    With `force`, a share of another config is replaced.
    """
    import xarray as xr

    from physgen.results import RunStore

    cut, place = shared(config, share), out / SHARES / share.name
    _one_division(out, share)
    place.parent.mkdir(parents=True, exist_ok=True)
    run(cut, place, until=last_stage(config), force=force, reporter=reporter)
    if _said(place) is None:
        with RunStore.resume(place) as store:
            store.commit({DONE: xr.Dataset(attrs={"i": share.i, "n": share.n})})
    return place


def _one_division(out: Path, share: Share) -> None:
    """Refuse a scan that has been begun in another number of shares."""
    for other in _found(out):
        if not other.name.endswith(f"-of-{share.n}"):
            raise InputError(
                f"{out} holds share {other.name}, and this one is of {share.n}; finish those, or "
                f"remove {out / SHARES}"
            )


def _found(out: Path) -> list[Path]:
    """Return the directories of all shares that have been begun; logs lie beside them."""
    every = (out / SHARES).glob("*-of-*")
    return sorted(p for p in every if p.is_dir() and re.fullmatch(r"\d+-of-\d+", p.name))


def _said(place: Path) -> Mapping[str, Any] | None:
    """Return what the file of a share says of the run; None if the share is not finished."""
    from physgen.results import open_run
    from physgen.results.layers import is_run

    if not is_run(place):
        return None
    tree = open_run(place, groups=(DONE,))
    return {str(k): v for k, v in tree.attrs.items()} if DONE in tree else None


def all_done(out: Path, n: int) -> bool:
    """Whether every one of n shares is finished."""
    return all(_said(out / SHARES / Share(i, n).name) for i in range(n))


def gather(out: Path, *, force: bool = False, reporter: Reporter | None = None) -> JobConfig:
    """Bring the groups of all shares into the run of `out`, which `run` then finishes.

    What an earlier call has brought is not brought again.  With `force`, a run of another config
    in `out` is replaced.

    Returns
    -------
    JobConfig
        The config of all shares.

    Raises
    ------
    InputError
        If shares are missing or not finished; nothing is then changed.
    StoreError
        If shares are of different configs, or another process is at work in `out`.
    """
    from physgen.results import RunStore
    from physgen.workflow.loading import config_of_run

    found = _found(out)
    if not found:
        raise InputError(f"{out} must hold shares ({SHARES}/0-of-4, ...), got none")
    n = int(found[0].name.rpartition("-")[2])
    places = [out / SHARES / Share(i, n).name for i in range(n)]
    said = [_said(place) for place in places]
    if missing := [i for i, attrs in enumerate(said) if attrs is None]:
        listed = "; ".join(f"{i}/{n}{_points_of(found[0], Share(i, n))}" for i in missing)
        raise InputError(
            f"all {n} shares of {out} must be finished, and these are not: {listed}; run them "
            "with --points"
        )
    known = [attrs for attrs in said if attrs is not None]
    for place, attrs in zip(places, known, strict=True):
        if attrs["config_hash"] != known[0]["config_hash"]:
            raise StoreError(f"{place} is of another config than {places[0]}; run it again")
    config = config_of_run(known[0])
    with RunStore.open(out, config.canonical(), provenance=known[0], force=force) as store:
        if any(store.has(name) for name in _RECORDS):  # they are brought last
            return config
        records: dict[str, list[xr.Dataset]] = {name: [] for name in _RECORDS}
        heap = _Heap(store)
        for number, place in enumerate(places):
            if reporter is not None:
                reporter.update("gather", f"{number} of {n} shares")
            _bring(store, place, records, heap)
        serial = job_of(config).points
        assert serial is not None  # or there would be no shares
        order = {group: k for k, group in enumerate(serial(config))}
        whole = {name: _joined(parts, order) for name, parts in records.items() if parts}
        _check_dealt(out, whole, order)
        for attrs in known:  # once, although a kill may have brought groups before
            store.add_time(attrs)
        heap.commit(whole)  # together with the last groups, which no kill can then part
    return config


def _points_of(known: Path, share: Share) -> str:
    """Return the points of a share in brackets, as far as another share of the run tells."""
    from physgen.results import open_run
    from physgen.results.layers import is_run
    from physgen.workflow.loading import config_of_run

    if not is_run(known):
        return ""
    cut = shared(config_of_run(open_run(known, groups=()).attrs), share)
    points = job_of(cut).points
    groups = list(points(cut)) if points is not None else []
    more = f", and {len(groups) - _NAMED} more" if len(groups) > _NAMED else ""
    return f" ({', '.join(groups[:_NAMED])}{more})"


class _Heap:
    """Groups that wait until they are worth a commit: each commit is a file to merge later."""

    def __init__(self, store: Any) -> None:
        self._store, self._groups, self._bytes = store, dict[str, Any](), 0

    def add(self, group: str, ds: Any) -> None:
        """Keep a group, and commit all if they are many bytes by now."""
        self._groups[group] = ds
        self._bytes += ds.nbytes
        if self._bytes > _TOGETHER:
            self.commit()

    def commit(self, last: Mapping[str, Any] | None = None) -> None:
        """Commit what waits, with the `last` groups."""
        self._store.commit({**self._groups, **(last or {})})
        self._groups, self._bytes = {}, 0


def _bring(store: Any, place: Path, records: dict[str, list[xr.Dataset]], heap: _Heap) -> None:
    """Bring the groups of one share, and keep its records."""
    from physgen.results import RunStore

    with RunStore.resume(place) as share:
        store.cite(*json.loads(share.attrs["citations"]))
        for group in share.groups():
            name = group.strip("/")
            if name in _RECORDS:
                records[name].append(share.read(group))
            elif name != DONE and not store.has(group):
                heap.add(group, share.read(group).load())  # pyright: ignore[reportUnknownMemberType]


def _joined(parts: list[xr.Dataset], order: Mapping[str, int]) -> xr.Dataset:
    """Return records of all shares as the serial run has them."""
    import xarray as xr

    whole = xr.concat(parts, "point", combine_attrs="override", data_vars="all", coords="minimal",
                      compat="override")  # fmt: skip
    return whole.isel(point=np.argsort([order[str(g)] for g in whole["group"].values]))


def _check_dealt(out: Path, records: Mapping[str, xr.Dataset], order: Mapping[str, int]) -> None:
    """Refuse shares that do not hold every point once."""
    held = [Counter(str(g) for g in ds["group"].values) for ds in records.values()]
    wrong = order.keys() - {*chain.from_iterable(held)}
    if wrong := wrong | {g for counted in held for g, n in counted.items() if n > 1}:
        raise StoreError(
            f"the shares of {out} must hold every point once, and do not hold "
            f"{', '.join(sorted(wrong)[:_NAMED])} so; another version of physgen dealt them out: "
            f"remove {out / SHARES} and run them again"
        )

r"""The processes of one fit: what all agree on, and how all end together.

All processes do the same steps.  They differ in the shards of a batch that they work on
(:mod:`physgen.training.shards`), whose gradients are added by one all-reduce of a matrix with a
row a shard: every row is zero but on one process, so the order in which processes are added
changes no bit, and each then adds the rows from the first to the last.  Process 0 alone decides
what depends on clocks, validates, writes and reports.

A process that ends early leaves a note of why, where the others look when it does not answer any
more.  All raise the same error then, and none waits for a message that never comes.
:mod:`physgen.training.meeting` is how they find each other.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
import torch.distributed as dist

from physgen.core.errors import (
    InputError,
    InterruptedRunError,
    PhysgenError,
    TrainingDivergedError,
)

__all__ = ["ALONE", "Ranks"]

T = TypeVar("T")
POLL = 0.1  # seconds between two looks at whether process 0 calls
NOTE_WAIT = 2.0  # seconds for the note of a process that has just ended
FAREWELL = 5.0  # seconds for others to read that note
_END = "physgen/end"


class Ranks:
    """The processes of a fit, seen from one of them; by default one on its own.

    Used as a context manager, it ends all processes with the error that ends one of them.

    Attributes
    ----------
    rank, world : int
        Number of this process, and how many there are.
    local : int
        Number of this process on its node: the GPU that it works on.
    notes : store of torch.distributed, optional
        Where the processes leave notes for each other.
    """

    def __init__(self, rank: int = 0, world: int = 1, local: int = 0, notes: Any = None) -> None:
        self.rank, self.world, self.local = rank, world, local
        self._notes = notes  # a key-value store that all processes reach
        self._calls = 0

    def __repr__(self) -> str:
        return f"<Ranks {self.rank} of {self.world}>"

    @property
    def is_first(self) -> bool:
        """Whether this process decides, writes and reports."""
        return self.rank == 0

    def shards(self, shards: int) -> range:
        """Return the shards that this process works on."""
        return range(self.rank, shards, self.world)

    def apart(self) -> Ranks:
        """Return this process with its own share of the work and nobody to agree with.

        It times a step: what it computes is worth nothing.
        """
        return _Apart(self.rank, self.world, self.local)

    def use_device(self, device: str) -> None:
        """Make the GPU of this process the current one; refuse one that is not there."""
        if "cuda" not in device or self.world == 1:
            return
        if self.local >= (found := torch.cuda.device_count()):
            raise InputError(
                f"a process needs a GPU of its own, got process {self.local} of a node with "
                f"{found}; start at most {found} a node"
            )
        torch.cuda.set_device(self.local)

    # --- what all agree on -------------------------------------------------------------------

    def most(self, number: int) -> int:
        """Return the largest of the numbers that the processes have."""
        if self.world == 1:
            return number
        box = torch.tensor([number])
        self._together(lambda: dist.all_reduce(box, op=dist.ReduceOp.MAX))
        return int(box[0])

    def first(self, value: Callable[[], T]) -> T:
        """Return what process 0 finds; the others do not look."""
        if self.world == 1:
            return value()
        box: list[Any] = [value() if self.is_first else None]
        self._together(lambda: dist.broadcast_object_list(box, src=0))
        return box[0]

    def all(self, value: T) -> list[T]:
        """Return what each process has."""
        if self.world == 1:
            return [value]
        box: list[Any] = [None] * self.world
        self._together(lambda: dist.all_gather_object(box, value))
        return box

    def total(self, rows: Mapping[int, torch.Tensor], shards: int) -> torch.Tensor:
        """Return the sum over all shards, added in their order.

        Parameters
        ----------
        rows : mapping of int to tensor
            Vectors of float64 of the shards of this process.
        shards : int
            Number of all shards.
        """
        one = next(iter(rows.values()))
        if self.world > 1:
            matrix = one.new_zeros((shards, len(one)))
            for k, row in rows.items():
                matrix[k] = row
            self._together(lambda: dist.all_reduce(matrix))
            rows = dict(enumerate(matrix))
        total = torch.zeros_like(one)
        for k in range(shards):
            total += rows[k]
        return total

    def check_equal(self, what: str, value: Any, remedy: str) -> None:
        """Raise InputError on all processes unless `value` is the same on each."""
        values = self.all(value)
        for number, other in enumerate(values):
            if other != values[0]:
                mine, theirs = _difference(values[0], other)
                raise InputError(
                    f"{what} must be the same on all processes, got {mine} on process 0 and "
                    f"{theirs} on process {number}; {remedy}"
                )

    # --- process 0 calls the others ----------------------------------------------------------

    def call(self, name: str) -> None:
        """Tell the others, from process 0, what is done together next; "": nothing more."""
        if self.world > 1:
            self._calls += 1
            self._notes.set(f"physgen/call/{self._calls}", name)

    def hear(self, check_stop: Callable[[], None]) -> str:
        """Wait until process 0 calls, however long it works on its own; return what it says."""
        self._calls += 1
        key = f"physgen/call/{self._calls}"
        try:
            while not self._notes.check([key]):
                check_stop()
                if self._notes.check([_END]):
                    self._raise_note()
                time.sleep(POLL)
            return self._notes.get(key).decode()
        except RuntimeError as error:
            raise self._lost() from error

    # --- the end -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.world == 1:
            return
        with contextlib.suppress(RuntimeError):  # where the keeper of the notes is gone already
            if error is not None:
                self._notes.compare_set(_END, "", json.dumps(_note(self.rank, error)))
            elif self.is_first:
                self.call("")
            with contextlib.suppress(RuntimeError):
                dist.destroy_process_group()  # whoever waits for an answer wakes up
            self._notes.set(f"physgen/bye/{self.rank}", "")
            self._see_off()

    def _see_off(self) -> None:
        """Wait until all others leave too, as far as they can.

        Process 0 may keep the notes, which end with it; and torchrun ends by a signal whoever
        still runs when the first one has failed, and could not say any more why it did.
        """
        keys = [f"physgen/bye/{rank}" for rank in range(self.world)]
        until = time.monotonic() + FAREWELL
        while not self._notes.check(keys) and time.monotonic() < until:
            time.sleep(0.02)

    def _together(self, work: Callable[[], object]) -> None:
        try:
            work()
        except RuntimeError as error:
            raise self._lost() from error

    def _lost(self) -> PhysgenError:
        """Raise what another process has noted, or return that it left without a word."""
        with contextlib.suppress(RuntimeError):
            self._notes.wait([_END], timedelta(seconds=NOTE_WAIT))
            self._raise_note()
        return PhysgenError(
            "another process of this fit was lost (killed, out of memory, or its node failed), "
            f"so process {self.rank} stops too; the same command goes on from the last checkpoint"
        )

    def _raise_note(self) -> None:
        note = json.loads(self._notes.get(_END).decode())
        text = note["message"]
        if note["kind"] == "interrupted":
            raise InterruptedRunError(text, note["number"])
        if note["kind"] == "diverged":
            raise TrainingDivergedError(text, note["number"])
        raise PhysgenError(text)


class _Apart(Ranks):
    def total(self, rows: Mapping[int, torch.Tensor], shards: int) -> torch.Tensor:
        return sum(rows.values(), start=torch.zeros_like(next(iter(rows.values()))))


ALONE = Ranks()


def _note(rank: int, error: BaseException) -> dict[str, Any]:
    """Return what is left behind of an error."""
    text = str(error)
    if isinstance(error, InterruptedRunError):
        return {"kind": "interrupted", "number": error.number, "message": text}
    if isinstance(error, KeyboardInterrupt):
        return {"kind": "interrupted", "number": 2, "message": f"process {rank} was interrupted"}
    if isinstance(error, TrainingDivergedError):
        return {"kind": "diverged", "number": error.step, "message": text}
    name = "" if isinstance(error, PhysgenError) else f"{type(error).__name__}: "
    return {"kind": "failed", "number": 0, "message": f"process {rank} failed: {name}{text}"}


def _difference(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the first place where two nested tables differ."""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        a, b = ({str(k): each for k, each in enumerate(values)} for values in (a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            if a.get(key) != b.get(key):
                mine, theirs = _difference(a.get(key), b.get(key))
                return f"{key} = {mine}", f"{key} = {theirs}"
    return a, b

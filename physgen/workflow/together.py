"""A run by several processes: all of them fit and draw, process 0 does everything else.

Process 0 has the run directory, as any run has.  The stages that fit models, or draw from them
(:class:`~physgen.workflow.job.Stage`), are the same code on all processes, which ask process 0
what the run file holds, so that they take the same path; what they commit is committed once.  In
all other stages the others wait.  No process but 0 reads or writes the directory.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physgen.workflow.context import Context
from physgen.workflow.interrupts import catch_signals
from physgen.workflow.job import Job, Stage
from physgen.workflow.reporting import Reporter

if TYPE_CHECKING:
    import xarray as xr

    from physgen.training import Ranks

__all__ = ["SharedStore", "follow", "done_together", "processes"]


@contextmanager
def processes() -> Generator[Ranks | None]:
    """Meet the processes that torchrun or srun started with this one; None if it is on its own."""
    if not {"WORLD_SIZE", "MASTER_ADDR"} & os.environ.keys():
        yield None  # and torch is not loaded
        return
    from physgen.training import connect

    with connect() as ranks:
        if ranks.world == 1:
            yield None
            return
        try:
            yield ranks
        finally:  # torchrun ends the others when one has failed: each keeps its own exit status
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


class SharedStore:
    """The run file as all processes see it: what it holds is what process 0 finds.

    Parameters
    ----------
    ranks : Ranks
    path : Path
        The run directory.
    store : RunStore or None
        Of process 0.
    """

    def __init__(self, ranks: Ranks, path: Path, store: Any = None) -> None:
        self.path, self._ranks, self._store = path, ranks, store

    def has(self, group: str) -> bool:
        """Whether the file holds a group."""
        return self._ranks.first(lambda: self._store.has(group))

    def read(self, group: str) -> xr.Dataset:
        """Return a group."""
        return self._ranks.first(lambda: self._store.read(group).load())

    def commit(self, groups: Any, append: Any = None) -> None:
        """Write groups, once."""
        if self._store is not None:
            self._store.commit(groups, **({} if append is None else {"append": append}))

    def cite(self, *methods: str) -> None:
        """Note what the run uses, once."""
        if self._store is not None:
            self._store.cite(*methods)


def done_together(context: Context, job: Job, stage: Stage) -> str:
    """Do a stage on process 0, with all others if they share its work."""
    ranks = context.ranks
    if ranks is None or not stage.together(context.config):
        return stage.do(context)
    ranks.call(stage.name)
    store: Any = SharedStore(ranks, context.store.path, context.store)
    # A context of its own: what one process remembers of earlier stages, others would ask for.
    return stage.do(job.context(context.config, store, context.reporter, context.stop, ranks))


def follow(config: Any, out: Path, job: Job, stages: Sequence[Stage], ranks: Ranks) -> None:
    """Work with process 0 until it has nothing left to do together."""
    named = {stage.name: stage for stage in stages}
    store: Any = SharedStore(ranks, out)
    with catch_signals(patient=True) as stop:
        context = job.context(config, store, Reporter(), stop, ranks)
        while name := ranks.hear(context.check_stop):
            named[name].do(job.context(config, store, Reporter(), stop, ranks))

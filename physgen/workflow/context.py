"""What a stage works with: the config, the run file, and where to report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from physgen.core.errors import InterruptedRunError
from physgen.core.random import Stream
from physgen.workflow.interrupts import Abandoned, StopRequest
from physgen.workflow.reporting import Reporter

if TYPE_CHECKING:
    from physgen.results import RunStore
    from physgen.training import Ranks

__all__ = ["Context"]

T = TypeVar("T")


@dataclass
class Context:
    """One run, as its stages see it.

    ``stop()`` is true once a signal has asked the run to end; ``ranks`` are the processes that
    fit together, if there are several.
    """

    config: Any  # of the class that the job names
    store: RunStore
    reporter: Reporter
    stop: StopRequest
    ranks: Ranks | None = None

    def check_stop(self) -> None:
        """Raise :class:`InterruptedRunError` if the run has been asked to end."""
        if self.stop():
            raise InterruptedRunError(
                f"stopped by {self.stop.signal}; continue with `physgen resume {self.store.path}`",
                self.stop.number,
            )

    def abandoning(self, work: Callable[[], T]) -> T:
        """Return ``work()``, which has nothing to save: a signal ends it at once.

        Commits within the work are whole, and what it has not committed is done again on resume.

        Raises
        ------
        InterruptedRunError
            If a signal came.
        """
        try:
            return self.stop.abandoning(work)
        except Abandoned:
            self.check_stop()
            raise

    def first(self, decide: Callable[[], T]) -> T:
        """Return what the first of the processes decides, where clocks may differ."""
        return decide() if self.ranks is None else self.ranks.first(decide)

    def stream(self, stage: str) -> Stream:
        """Return the random stream that belongs to `stage`."""
        return Stream(self.config.seed).child(stage)

"""What a stage works with: the config, the run file, and where to report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from physgen.core.errors import InterruptedRunError
from physgen.core.random import Stream
from physgen.workflow.reporting import Reporter

if TYPE_CHECKING:
    from physgen.results import RunStore

__all__ = ["Context"]


@dataclass
class Context:
    """One run, as its stages see it.

    ``stop()`` is true once a signal has asked the run to end.
    """

    config: Any  # of the class that the job names
    store: RunStore
    reporter: Reporter
    stop: Callable[[], bool]

    def check_stop(self) -> None:
        """Raise :class:`InterruptedRunError` if the run has been asked to end."""
        if self.stop():
            name = getattr(self.stop, "signal", None) or "a request"
            raise InterruptedRunError(
                f"stopped by {name}; continue with `physgen resume {self.store.path}`"
            )

    def stream(self, stage: str) -> Stream:
        """Return the random stream that belongs to `stage`."""
        return Stream(self.config.seed).child(stage)

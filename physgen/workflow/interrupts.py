"""SIGTERM, SIGINT and SIGUSR1 as a request to stop, which loses nothing that is worth keeping.

A signal sets a flag, and long work looks at the flag between its steps.  Work that has nothing to
save, or that a later process repeats bit for bit, is *abandoned* at once instead: in mid-block, in
mid-stage.  A commit is never cut in two.  Batch systems send SIGUSR1 a while before the time limit
(``sbatch --signal=USR1@120``).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

__all__ = ["Abandoned", "StopRequest", "catch_signals"]

T = TypeVar("T")


class Abandoned(BaseException):
    """A signal has ended work that had nothing to save.

    No Exception: a library that goes on after any of them must not go on after a signal.
    """


class StopRequest:
    """Whether a signal has asked the run to stop; call it to find out.

    A `patient` one ignores repeats: what starts several processes sends a signal of its own to
    those that have one already.
    """

    def __init__(self, patient: bool = False) -> None:
        self.patient = patient
        self.signal: str | None = None
        self.number = signal.SIGTERM.value
        self._at_once = False

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.signal is not None

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal, as its handler."""
        if self.signal is not None:
            if self.patient:
                return
            raise KeyboardInterrupt  # asked twice: the user does not want to wait
        self.note(number)
        if self._at_once:
            raise Abandoned

    def note(self, number: int) -> None:
        """Stop as if this signal had come: another process has received it."""
        self.signal, self.number = signal.Signals(number).name, number

    def abandoning(self, work: Callable[[], T]) -> T:
        """Return ``work()``, which a signal ends wherever it is.

        Raises
        ------
        Abandoned
            If a signal came, even one that the work did not notice.
        """
        outer, self._at_once = self._at_once, True
        try:
            result = work()
        finally:
            self._at_once = outer
        if self():
            raise Abandoned
        return result

    @contextmanager
    def holding(self) -> Generator[None]:
        """Let a signal wait for the end of this block: for what must not be cut in two."""
        outer, self._at_once = self._at_once, False
        try:
            yield
        finally:
            self._at_once = outer
        if outer and self():
            raise Abandoned


@contextmanager
def catch_signals(patient: bool = False) -> Generator[StopRequest]:
    """Take the first signal as a request, the second, unless `patient`, as KeyboardInterrupt.

    Outside the main thread Python allows no handlers; nothing is then ever requested.
    """
    request = StopRequest(patient)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    previous = {number: signal.signal(number, request.receive) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

"""SIGTERM and SIGINT as a request: finish the step, write a checkpoint, stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "catch_signals"]


class StopRequest:
    """Whether a signal has asked the run to stop; call it to find out."""

    def __init__(self) -> None:
        self.signal: str | None = None

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.signal is not None

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal, as its handler."""
        if self.signal is not None:  # asked twice: the user does not want to wait
            raise KeyboardInterrupt
        self.signal = signal.Signals(number).name


@contextmanager
def catch_signals() -> Generator[StopRequest]:
    """Turn the first SIGTERM or SIGINT into a set flag, the second into KeyboardInterrupt.

    Outside the main thread Python allows no handlers; the flag then simply stays unset.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    previous = {number: signal.signal(number, request.receive) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

"""A budget of CPU time, turned into a number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable

from physgen.core.errors import InterruptedRunError

__all__ = ["affordable_steps"]

CALIBRATION_STEPS = 12


def affordable_steps(
    seconds: float,
    step: Callable[[], None],
    validate: Callable[[], object],
    between: int,
    should_stop: Callable[[], bool],
) -> int:
    """Return the number of steps that take `seconds` of CPU time, at least 1.

    Parameters
    ----------
    seconds : float
    step, validate : callable()
        One step and one validation, on a copy of the fit that is discarded.
    between : int
        Steps between two validations.
    should_stop : callable() -> bool
        Asked between all of them.

    Raises
    ------
    InterruptedRunError
        If `should_stop` asked for it; nothing is lost but the timing.
    """

    def check_stop() -> None:
        if should_stop():
            raise InterruptedRunError("training stopped by request while its steps were timed")

    step()  # compiles kernels and warms caches
    start = time.process_time()
    for _ in range(CALIBRATION_STEPS):
        check_stop()
        step()
    per_step = (time.process_time() - start) / CALIBRATION_STEPS
    check_stop()
    start = time.process_time()
    validate()
    per_step += (time.process_time() - start) / between
    return max(1, int(seconds / per_step))

"""A budget of CPU time, turned into a number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable

from physgen.core.errors import InterruptedRunError

__all__ = ["affordable_steps", "too_few_steps"]

CALIBRATION_STEPS = 12
LEAST_STEPS = 100  # that a budget has to allow


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


def too_few_steps(budget: str | None, n_steps: int) -> str:
    """Return that a time budget was too short to train anything, or ""."""
    if budget is None or n_steps >= LEAST_STEPS:
        return ""
    return (
        f"a fit should take at least {LEAST_STEPS} steps, got {n_steps} within the budget "
        f"{budget!r}: give it more time, a smaller model or smaller batches"
    )

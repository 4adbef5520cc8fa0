"""A budget of CPU time, turned into a number of steps."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["affordable_steps"]

CALIBRATION_STEPS = 12


def affordable_steps(
    seconds: float, step: Callable[[], None], validate: Callable[[], object], between: int
) -> int:
    """Return the number of steps that take `seconds` of CPU time, at least 1.

    Parameters
    ----------
    seconds : float
    step, validate : callable()
        One step and one validation, on a copy of the fit that is discarded.
    between : int
        Steps between two validations.
    """
    step()  # compiles kernels and warms caches
    start = time.process_time()
    for _ in range(CALIBRATION_STEPS):
        step()
    per_step = (time.process_time() - start) / CALIBRATION_STEPS
    start = time.process_time()
    validate()
    per_step += (time.process_time() - start) / between
    return max(1, int(seconds / per_step))

r"""A budget of CPU time, turned into a number of steps: timed first, and corrected on the way.

A forecast from a few steps is off by a factor on a busy machine, or where steps grow dearer as
training goes on.  So the number is decided again at certain shares of the way,

.. math:: n = s + (T - t) / r

with s steps done in t of T seconds, and r the seconds a step took since the decision before.  Each
decision is kept with the state of the fit: a resumed fit, and a refit on the same plan, repeat it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from physgen.core.errors import InterruptedRunError

__all__ = ["Clock", "affordable_steps", "too_few_steps"]

CALIBRATION_STEPS = 12
CALIBRATION_SHARE = 0.02  # of the budget, after which timing ends
LEAST_STEPS = 100  # that a budget has to allow
MARKS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8, 15 / 16)  # of the way: decide again
TOLERANCE = 0.01  # a smaller change of the number is none


class Clock:
    """CPU time of a fit, and the steps that it still allows.

    Parameters
    ----------
    budget : float or None
        Seconds; None: the fit has another length, and no step is decided.
    spent : float
        Seconds before now: of the timing, or of the process that was interrupted.
    step, n_steps : int
        Steps done and planned.
    last : float
        Seconds of the validation after the last step.
    """

    def __init__(
        self, budget: float | None, spent: float, step: int, n_steps: int, last: float
    ) -> None:
        self.budget, self.spent, self.last = budget, spent, last
        self._start = time.process_time()
        self._since = (step, spent)
        self._mark = math.inf if budget is None else self._after(spent / budget, step, n_steps)

    @property
    def seconds(self) -> float:
        """CPU time of the fit so far, of all processes that worked on it."""
        return self.spent + time.process_time() - self._start

    def steps(self, step: int, n_steps: int) -> int:
        """Return how many steps the fit takes, after `step` of planned `n_steps`."""
        if self.budget is None:
            return n_steps
        seconds = self.seconds
        left = self.budget - seconds - self.last
        if left <= 0:
            return step
        if max(seconds / self.budget, step / n_steps) < self._mark:
            return n_steps
        before, then = self._since
        found = step + round(left * (step - before) / max(seconds - then, 1e-9))
        if abs(found - n_steps) <= TOLERANCE * n_steps:
            found = n_steps
        self._since = (step, seconds)
        self._mark = self._after(seconds / self.budget, step, found)
        return max(found, step)

    @staticmethod
    def _after(share: float, step: int, n_steps: int) -> float:
        """Return the first mark ahead."""
        share = max(share, step / max(n_steps, 1))
        return next((mark for mark in MARKS if mark > share), math.inf)


def affordable_steps(
    seconds: float,
    step: Callable[[], None],
    validate: Callable[[], object],
    between: int,
    should_stop: Callable[[], int],
) -> tuple[int, float, float]:
    """Return about how many steps take `seconds` of CPU time, at least 1.

    Parameters
    ----------
    seconds : float
    step, validate : callable()
        One step and one validation, on a copy of the fit that is discarded.
    between : int
        Steps between two validations.
    should_stop : callable() -> bool
        Asked between all of them.

    Returns
    -------
    n_steps : int
        What the rest of the budget allows.
    spent, validation : float
        Seconds that the timing took, the first step aside, and those of a validation.

    Raises
    ------
    InterruptedRunError
        If `should_stop` asked for it; nothing is lost but the timing.
    """

    def check_stop() -> None:
        if should_stop():
            raise InterruptedRunError("training stopped by request while its steps were timed")

    step()  # compiles kernels and warms caches
    start, n = time.process_time(), 0
    while n < CALIBRATION_STEPS and (
        n == 0 or time.process_time() - start < CALIBRATION_SHARE * seconds
    ):
        check_stop()
        step()
        n += 1
    check_stop()
    timed = time.process_time()
    validate()
    spent = time.process_time() - start
    validation = spent - (timed - start)
    per_step = (timed - start) / n + validation / between
    left = seconds - spent - validation
    return max(1, int(left / max(per_step, 1e-9))), spent, validation


def too_few_steps(budget: str | None, n_steps: int) -> str:
    """Return that a time budget was too short to train anything, or ""."""
    if budget is None or n_steps >= LEAST_STEPS:
        return ""
    return (
        f"a fit should take at least {LEAST_STEPS} steps, got {n_steps} within the budget "
        f"{budget!r}: give it more time, a smaller model or smaller batches"
    )

"""How far a scan has come: which point, which draw, how fast, how long still."""

from __future__ import annotations

import math
import time

from physgen.samplers.loop.progress import Progress
from physgen.workflow.lattice.generators import Chains
from physgen.workflow.reporting import ScanProgress

__all__ = ["Meter"]


# What a step of one chain costs beside its sites, in sites: small lattices are not free.
OVERHEAD = 256


# Finished points after which the time left is known: the first may compile, and warm-ups differ.
ENOUGH = 2
EARLY = 5.0  # seconds of drawing after which it is known in a shorter scan


class Meter:
    """Counts the work of a scan, to tell when it will be done.

    The clock starts with the first draw, so that compiling and the first warm-up do not count.
    """

    def __init__(self, points: list[Chains]) -> None:
        self._work = [_steps(point) * (_sites(point) + OVERHEAD) for point in points]
        self._points = points
        self._begun = math.inf
        self._done, self._finished = 0.0, 0

    def skip(self, index: int) -> None:
        """Leave out a point that had been done before."""
        self._work[index] = 0.0

    def finish(self, index: int) -> None:
        """Count a point that is done now."""
        self._done += self._work[index]
        self._finished += 1

    def read(self, index: int, now: Progress) -> ScanProgress:
        """Return the progress of the scan, from that of point `index`."""
        point, work = self._points[index], self._work[index]
        drawing = now.phase == "draws"
        share = now.done / now.total if drawing else 0.0
        done = self._done + share * work
        left = sum(self._work[index:]) - share * work
        if drawing:
            self._begun = min(self._begun, time.monotonic())
        elapsed = time.monotonic() - self._begun
        known = self._finished >= ENOUGH or (len(self._points) <= ENOUGH and elapsed > EARLY)
        return ScanProgress(
            point.text,
            index + 1,
            len(self._points),
            now,
            now.per_second * _steps(point) / now.total * _sites(point) if drawing else math.nan,
            left * elapsed / done if known and done > 0 else math.inf,
        )


def _steps(point: Chains) -> float:
    """Return the steps of all chains of a point."""
    sampler = point.section
    return float(sampler.n_chains * sampler.n_draws * sampler.thin)


def _sites(point: Chains) -> int:
    return math.prod(point.target.event_shape)

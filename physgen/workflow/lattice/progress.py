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


class Meter:
    """Counts the work of a scan, to tell when it will be done."""

    def __init__(self, points: list[Chains]) -> None:
        self._work = [_steps(point) * (_sites(point) + OVERHEAD) for point in points]
        self._points = points
        self._begun = time.monotonic()
        self._done = 0.0

    def skip(self, index: int) -> None:
        """Leave out a point that had been done before."""
        self._work[index] = 0.0

    def finish(self, index: int) -> None:
        """Count a point that is done now."""
        self._done += self._work[index]

    def read(self, index: int, now: Progress) -> ScanProgress:
        """Return the progress of the scan, from that of point `index`."""
        point, work = self._points[index], self._work[index]
        drawing = now.phase == "draws"
        share = now.done / now.total if drawing else 0.0
        done = self._done + share * work
        left = sum(self._work[index:]) - share * work
        elapsed = time.monotonic() - self._begun
        return ScanProgress(
            point.text,
            index + 1,
            len(self._points),
            now,
            now.per_second * _steps(point) / now.total * _sites(point) if drawing else math.nan,
            left * elapsed / done if done > 0 else math.inf,
        )


def _steps(point: Chains) -> float:
    """Return the steps of all chains of a point."""
    sampler = point.section
    return float(sampler.n_chains * sampler.n_draws * sampler.thin)


def _sites(point: Chains) -> int:
    return math.prod(point.target.event_shape)

"""How far a scan has come: which point, which draw, how fast, how long still."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from physgen.samplers.loop.progress import Progress
from physgen.workflow.lattice.scan import Point

__all__ = ["Meter", "ScanProgress"]


@dataclass(frozen=True)
class ScanProgress:
    """What a progress display shows of a scan.

    Attributes
    ----------
    point : str
        The point in words.
    number, n_points : int
        Which one it is, from 1.
    now : physgen.samplers.loop.progress.Progress
        How the chains of this point go.
    updates_per_second : float
        Attempted updates of one site of one chain; NaN during the warm-up.
    eta_s : float
        Seconds until the last point is done; infinite if unknown.
    """

    point: str
    number: int
    n_points: int
    now: Progress
    updates_per_second: float
    eta_s: float


# What a step of one chain costs beside its sites, in sites: small lattices are not free.
OVERHEAD = 256


class Meter:
    """Counts the work of a scan, to tell when it will be done."""

    def __init__(self, points: list[Point]) -> None:
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


def _steps(point: Point) -> float:
    """Return the steps of all chains of a point."""
    sampler = point.sampler
    return float(sampler.n_chains * sampler.n_draws * sampler.thin)


def _sites(point: Point) -> int:
    return math.prod(point.target.event_shape)

"""What a run says while it works; the command line prints it, a script may ignore it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physgen.samplers.loop.progress import Progress as DrawProgress
    from physgen.training import Progress

__all__ = ["Reporter", "ScanProgress", "duration", "eta"]

UNKNOWN = 1e7  # seconds; nobody waits longer


def duration(seconds: float) -> str:
    """Return a time as a clock shows it."""
    if not seconds < UNKNOWN:  # also catches NaN
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def eta(seconds: float) -> str:
    """Return the time left, or nothing while it is not known."""
    return f"ETA {duration(seconds)}" if seconds < UNKNOWN else ""


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
    now: DrawProgress
    updates_per_second: float
    eta_s: float


class Reporter:
    """Silent listener; override what you want to hear."""

    def begin(self, text: str) -> None:
        """Hear a remark about the whole: where the work is done, or that none is left."""

    def start(self, stage: str, text: str) -> None:
        """Hear that `stage` begins; `text` says what it will do."""

    def progress(self, progress: Progress, held_out_floor: float | None) -> None:
        """Hear how a fit goes; its own floor is that of the training shots."""

    def sampled(self, progress: ScanProgress) -> None:
        """Hear how the chains of a scan go."""

    def update(self, stage: str, text: str) -> None:
        """Hear how far `stage` has come, e.g. ``sweep 3`` or ``40 %``."""

    def finish(self, stage: str, text: str, seconds: float) -> None:
        """Hear that `stage` ended after `seconds` of wall time; `text` says what came out."""

    def skip(self, stage: str) -> None:
        """Hear that `stage` had already been done."""

    def close(self) -> None:
        """Hear that the run is over, well or not; give the terminal back."""

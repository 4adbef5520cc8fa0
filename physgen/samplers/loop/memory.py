"""The memory that a run takes, known before any of it is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from physgen.core.errors import InputError
from physgen.core.protocols import Target

__all__ = ["available_bytes", "check_memory", "configuration_bytes", "format_bytes"]

_SHARE = 0.8  # of the free memory; the rest is for work arrays of the samplers


def configuration_bytes(target: Target) -> int:
    """Return the bytes of one kept configuration: per site a bit (spins), float32 or a byte."""
    n_sites = 1
    for extent in target.event_shape:
        n_sites *= extent
    kind = target.support.kind
    return (n_sites + 7) // 8 if kind == "spins" else n_sites * (4 if kind == "reals" else 1)


def available_bytes() -> int:
    """Return the memory available without swapping, within the limit of the control group."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    meminfo = _read("/proc/meminfo")
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            free = min(free, 1024 * int(line.split()[1]))
    limit, used = (_read(f"/sys/fs/cgroup/memory.{n}").strip() for n in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        free = min(free, max(int(limit) - int(used), 0))
    return free


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Raise :class:`InputError` if `needed` bytes are more than available.

    Parameters
    ----------
    needed : int
    what : str
        The counts that lead to it, e.g. "n_chains = 10 and n_draws = 100".
    remedy : str
    """
    free = available_bytes()
    if needed > _SHARE * free:
        raise InputError(
            f"a run must fit in memory: {what} need {format_bytes(needed)}, "
            f"{format_bytes(free)} are free; {remedy}"
        )


def format_bytes(n: float) -> str:
    """Return a size in readable form: 3.4 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} PB"


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""

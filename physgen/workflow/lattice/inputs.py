"""What a sampling config asks for, checked before a run is opened."""

from __future__ import annotations

from typing import Any

from physgen.core.errors import InputError
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.scan import Scan

__all__ = ["check", "check_own", "result_bytes"]

SERIES = 3  # observables of a target, about
BYTES = {"spins": 4, "reals": 12}  # of a draw in the run file: two int16, or three float32
CHECKED_SITES = 1 << 12  # a force is compared with finite differences on lattices up to here


def check(config: Config) -> None:
    """Raise :class:`InputError` for anything that cannot be sampled, or would not fit in memory.

    Every sampler is bound to every target; a force of the user is compared with finite
    differences of the action, once.
    """
    from physgen.samplers.loop.memory import check_memory

    scan, checked = Scan(config), False
    for point in scan.points():
        if not checked and scan.is_foreign:
            check_own(point.target)
        checked = True
        point.bind()
        held = point.sampler.n_chains * (point.sampler.n_draws * SERIES + scan.sites(point.target))
        what = f"n_chains = {point.sampler.n_chains} and n_draws = {point.sampler.n_draws}"
        check_memory(8 * held, what, "lower them under [sampler]")


def result_bytes(scan: Scan) -> int:
    """Return about how large the run file will be."""
    return sum(
        point.sampler.n_chains * point.sampler.n_draws * BYTES.get(point.target.support.kind, 12)
        for point in scan.points()
    )


def check_own(target: Any) -> None:
    """Compare the force of a target of the user, if it has one, with its action."""
    if not hasattr(target, "force"):
        return
    from physgen.targets import check_force

    try:
        check_force(target)
    except InputError as error:
        raise InputError(f"[target] {error}") from None

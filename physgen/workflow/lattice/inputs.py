"""What a lattice config asks for, checked before a run is opened."""

from __future__ import annotations

from typing import Any

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.workflow.devices import check_device
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.fits import stages_of
from physgen.workflow.lattice.generators import Chains
from physgen.workflow.lattice.points import Scan

__all__ = ["check", "check_own", "result_bytes"]

SERIES = 3  # observables of a target, about
BYTES = {"spins": 4, "reals": 12}  # of a draw in the run file: two int16, or three float32
KEPT_BYTES = {"spins": 1 / 8, "reals": 4}  # of a site of a configuration that is kept


def check(config: Config) -> None:
    """Raise :class:`InputError` for a generator that does not suit the target, or is too large.

    Every sampler is bound to every target, every model is made once, and the chains of an energy
    are bound to it; a force of the user is compared with finite differences of the action, once.
    """
    from physgen.samplers.loop.memory import check_memory

    scan = Scan(config)
    for model in config.model:
        check_device(model.train.device)
    for place in scan.places():
        if scan.section.is_foreign and place.at == (0, 0):
            check_own(place.target)
        scan.observables(place.target)
        for point in scan.chains(place):
            point.bind()
            section, kept = point.section, scan.sites(place.target) * bool(config.model)
            held = section.n_chains * (section.n_draws * (SERIES + kept / 2) + 2 * kept)
            what = f"n_chains = {section.n_chains} and n_draws = {section.n_draws}"
            check_memory(int(8 * held), what, "lower them under [sampler]")
        for each in scan.learned(place):
            model = each.model(Stream(config.seed))
            if each.section.is_energy:
                each.chains(model).bind()
            if config.data is not None or not each.section.needs_configurations:
                for stage in stages_of(each):
                    stage.objective(None, Stream(config.seed))
        for _ in scan.annealed(place):
            check_path(place.target)


def check_path(target: Any) -> None:
    """Raise :class:`InputError` if sequential Monte Carlo knows no way to a target."""
    from physgen.samplers.smc_paths import path_to

    try:
        path_to(target, None)
    except InputError as error:
        raise InputError(f"[smc] {error}; n_particles = 0 leaves it out") from None


def result_bytes(scan: Scan) -> int:
    """Return about how large the run file will be."""
    return sum(
        _bytes(point, bool(scan.config.model)) for p in scan.places() for point in scan.chains(p)
    )


def _bytes(point: Chains, kept: bool) -> int:
    kind, sites = point.target.support.kind, 1
    for n in point.target.event_shape:
        sites *= n
    each = BYTES.get(kind, 12) + kept * sites * KEPT_BYTES.get(kind, 1)
    return int(point.section.n_chains * point.section.n_draws * each)


def check_own(target: Any) -> None:
    """Check the action of a target of the user, its symmetries, and its force if it has one."""
    from physgen.targets import check_force, checked_target

    try:
        whole = checked_target(target)
        if hasattr(whole, "force"):
            check_force(whole)
    except InputError as error:
        raise InputError(f"[target] {error}") from None

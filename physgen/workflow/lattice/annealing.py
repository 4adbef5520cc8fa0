"""Sequential Monte Carlo at one point: an independent log Z, committed stage by stage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from physgen.core.errors import InterruptedRunError
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled
from physgen.workflow.lattice.chains import CHECKPOINT
from physgen.workflow.lattice.generators import Annealed

if TYPE_CHECKING:
    from physgen.samplers.smc_checkpoint import Annealing

__all__ = ["draw"]

_KEPT = ("log_z", "log_z_error", "log_z_island")


def draw(context: Context, point: Annealed) -> None:
    """Anneal the particles of a point and commit log Z; a signal loses at most one stage."""
    from physgen.samplers import smc

    store, last = context.store, time.monotonic()
    found = store.read(CHECKPOINT) if store.has(CHECKPOINT) else None
    begun = found if found is not None and found.attrs.get("group") == point.group else None

    def commit(now: Annealing) -> None:
        nonlocal last
        named = now.to_dataset().assign_attrs(group=point.group)
        store.commit({CHECKPOINT: named})
        last = time.monotonic()

    def staged(now: Annealing) -> None:
        context.reporter.update("sample", f"{point.text}: {now.phase}, {now.fraction:.0%}")
        if time.monotonic() - last > context.config.sample.checkpoint_every:
            commit(now)
        try:
            context.check_stop()
        except InterruptedRunError:
            commit(now)
            raise

    stream = context.stream("sample").child(point.stream)
    ds = smc(
        point.target,
        n_particles=point.n_particles,
        n_islands=point.n_islands,
        rng=stream,
        on_stage=staged,
        checkpoint=begun,
    )
    store.commit({point.group: labelled(ds[list(_KEPT)], ds.attrs["exactness"], "the target")})

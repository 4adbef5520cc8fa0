"""Sequential Monte Carlo at one point: an independent log Z, committed stage by stage."""

from __future__ import annotations

import time
from functools import partial
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

    store, last, latest = context.store, time.monotonic(), None
    found = store.read(CHECKPOINT) if store.has(CHECKPOINT) else None
    begun = found if found is not None and found.attrs.get("group") == point.group else None

    def commit() -> None:
        nonlocal last
        if latest is not None:
            store.commit({CHECKPOINT: latest})
        last = time.monotonic()

    def staged(now: Annealing) -> None:
        nonlocal latest
        # A copy of the weights, which the next stage changes in place.
        latest = now.to_dataset().assign_attrs(group=point.group)
        context.reporter.update("sample", f"{point.text}: {now.phase}, {now.fraction:.0%}")
        if time.monotonic() - last > context.config.sample.checkpoint_every:
            commit()

    anneal = partial(
        smc,
        point.target,
        n_particles=point.n_particles,
        n_islands=point.n_islands,
        rng=context.stream("sample").child(point.stream),
        on_stage=staged,
        checkpoint=begun,
    )
    try:
        ds = context.abandoning(anneal)
    except InterruptedRunError:
        commit()
        raise
    store.commit({point.group: labelled(ds[list(_KEPT)], ds.attrs["exactness"], "the target")})

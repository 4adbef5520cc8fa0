"""The weighted draws of one trained model: drawn in blocks, each of which a kill cannot take.

Blocks are gathered for ``[sample] checkpoint_every`` seconds, or until a signal comes, and then
appended to the group of the point.  When all are there the group is replaced by the whole: draws
with their weights, log Z, the quality of the weights, and what speaks against them.  Weights that
are too poor to be used are kept without their numbers, and say so.
"""

from __future__ import annotations

import time

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled, with_units
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.generators import Chains, Learned
from physgen.workflow.lattice.learning import load

__all__ = ["draw", "is_complete"]


def is_complete(context: Context, point: Learned) -> bool:
    """Whether all draws of a point are in the run file, weighed."""
    group = f"{point.group}/draws"
    store = context.store
    return store.has(group) and bool(store.read(group).attrs.get("complete", 0))


def draw(
    context: Context, point: Learned, source: Chains | None, log_z: tuple[float, float] | None
) -> None:
    """Draw what the run file lacks of a point, and weigh it.

    Parameters
    ----------
    source : Chains or None
        Markov chains of the target, on whose configurations the forward share is measured.
    log_z : (value, error), optional
        An independent log Z to compare with.
    """
    from physgen.samplers.weighted_draws import WeightedDraws

    store, section, group = context.store, context.config.importance, f"{point.group}/draws"
    context.reporter.update("draw", point.text)
    stream = context.stream("draw").child(point.stream)
    try:
        work = WeightedDraws.prepare(load(context, point), point.target, section.n_draws, stream)
    except InputError as error:
        raise InputError(f"{point.text}: {error}") from None
    context.check_stop()
    parts: list[xr.Dataset] = []
    last = time.monotonic()

    def commit() -> None:
        nonlocal parts, last
        if parts:
            joined = with_units(xr.concat(parts, "sample"))
            store.commit({group: labelled(joined, "asymptotic", "the target")},
                         append={group: "sample"})  # fmt: skip
        parts, last = [], time.monotonic()

    done = store.read(group).sizes["sample"] if store.has(group) else 0
    for block in work.blocks(done):
        parts.append(block)
        done += block.sizes["sample"]
        context.reporter.update("draw", f"{point.text}: {done / work.n:.0%}")
        if context.stop() or time.monotonic() - last > context.config.sample.checkpoint_every:
            commit()
        context.check_stop()
    kept = [store.read(group)] if store.has(group) else []
    whole = xr.concat([*kept, *parts], "sample", combine_attrs="drop")
    samples = None if source is None else chains.configurations(context, source.group)
    try:
        found = work.result(whole, samples=samples, log_z=log_z, ess_floor=section.ess_floor)
    except InputError as error:
        found = _refused(f"{error}; or lower [importance] ess_floor")
    marked = labelled(found, "asymptotic", "the target").assign_attrs(complete=1)
    store.commit({group: marked})


def _refused(why: str) -> xr.Dataset:
    """Return what is kept of weights that are too poor: no number, and the reason."""
    nothing = ((), np.nan, {"units": "1"})
    names = ("log_z", "log_z_error", "ess_forward", "k_hat", "round_trip")
    return xr.Dataset(
        {"ess_share": ((), 0.0, {"units": "1"}), **dict.fromkeys(names, nothing)},
        attrs={"warnings": f"refused: {why}", "refused": 1},
    )

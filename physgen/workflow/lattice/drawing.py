"""The draws of one trained model: drawn in blocks, each of which a kill cannot take.

Blocks are gathered for ``[sample] checkpoint_every`` seconds, or until a signal comes, and then
appended to the group of the point; the block in progress is abandoned.  Of several processes each
draws a block at a time; block k has the same draws wherever it is drawn.  When all are there the
group is replaced by the whole: where an action is known, draws with their weights, log Z, the
quality of the weights, and what speaks against them.  Weights that are too poor to be used are
kept without their numbers, and say so.  Of a joint model the numbers of its draws without weights
are kept beside: those are approximate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.errors import InputError, InterruptedRunError
from physgen.targets.configurations import Configurations
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled, with_units
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.generators import Chains, Learned
from physgen.workflow.lattice.learning import load
from physgen.workflow.lattice.points import Scan
from physgen.workflow.lattice.raw import RAW, raw_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["HELD_OUT", "draw", "is_complete"]

HELD_OUT = "held_out_nll"


def is_complete(context: Context, point: Learned) -> bool:
    """Whether all draws of a point are in the run file, weighed."""
    group = f"{point.group}/draws"
    store = context.store
    return store.has(group) and bool(store.read(group).attrs.get("complete", 0))


def draw(
    context: Context, point: Learned, source: Chains | None, log_z: tuple[float, float] | None
) -> None:
    """Draw what the run file lacks of a point, and weigh it where an action is known.

    Parameters
    ----------
    source : Chains or None
        Markov chains of the target, on whose configurations the forward share is measured.
    log_z : (value, error), optional
        An independent log Z to compare with.
    """
    import xarray as xr

    store, group = context.store, f"{point.group}/draws"
    context.reporter.update("draw", point.text)
    work = context.abandoning(lambda: _prepared(context, point))
    exactness = "asymptotic" if _weighs(point) else "approximate"
    parts: list[xr.Dataset] = []
    last, every = time.monotonic(), context.config.sample.checkpoint_every

    def commit() -> None:
        nonlocal parts, last
        if parts:
            joined = with_units(xr.concat(parts, "sample"))
            store.commit({group: labelled(joined, exactness, "the target")},
                         append={group: "sample"})  # fmt: skip
        parts, last = [], time.monotonic()

    done = store.read(group).sizes["sample"] if store.has(group) else 0
    blocks = _rounds(context, work, done)

    def whole() -> dict[str, xr.Dataset]:
        kept = [store.read(group)] if store.has(group) else []
        drawn = xr.concat([*kept, *parts], "sample", combine_attrs="drop")
        if not point.section.is_weighed:
            return {"draws": work.result(drawn)}
        if isinstance(point.target, Configurations):
            return {"draws": _compared(context, point, work.model, work.result(drawn))}
        samples = None if source is None else chains.configurations(context, source.group)
        floor = context.config.importance.ess_floor
        found = {RAW: raw_of(work, drawn)} if point.section.is_joint else {}
        try:
            weighed = work.result(drawn, samples=samples, log_z=log_z, ess_floor=floor)
        except InputError as error:
            weighed = _refused(f"{error}; or lower [importance] ess_floor")
        return {"draws": weighed, **found}

    try:
        while drawn := context.abandoning(lambda: next(blocks, None)):
            parts += drawn
            done += sum(block.sizes["sample"] for block in drawn)
            context.reporter.update("draw", f"{point.text}: {done / work.n:.0%}")
            if context.first(lambda: time.monotonic() - last > every):
                commit()
        found = context.abandoning(whole)
    except InterruptedRunError:
        commit()
        raise
    draws = labelled(found.pop("draws"), exactness, "the target").assign_attrs(complete=1)
    store.commit({group: draws, **{f"{point.group}/{name}": ds for name, ds in found.items()}})


def _rounds(context: Context, work: Any, done: int) -> Iterator[list[xr.Dataset]]:
    """Yield the blocks that are still to be drawn, one of each process at a time, in order."""
    ranks = context.ranks
    if ranks is None:
        yield from ([block] for block in work.blocks(done))
        return
    mine = work.blocks(done, (ranks.rank, ranks.world))
    while drawn := [block for block in ranks.all(next(mine, None)) if block is not None]:
        yield drawn


def _weighs(point: Learned) -> bool:
    """Whether draws of a point have weights: of a density, or of pairs, for a known action."""
    return point.section.is_weighed and not isinstance(point.target, Configurations)


def _prepared(context: Context, point: Learned) -> Any:
    """Return the work of a point: weighted draws, or unweighted ones of an unknown action.

    Draws of a generator have no density, so no weights either.
    """
    from physgen.samplers.unweighted_draws import UnweightedDraws
    from physgen.samplers.weighted_draws import WeightedDraws

    kind = WeightedDraws if _weighs(point) else UnweightedDraws
    stream, n = context.stream("draw").child(point.stream), context.config.importance.n_draws
    observables = Scan(context.config).observables(point.target)
    try:
        return kind.prepare(load(context, point), point.target, n, stream, observables)
    except InputError as error:
        raise InputError(f"{point.text}: {error}") from None


def _compared(context: Context, point: Learned, model: Any, draws: xr.Dataset) -> xr.Dataset:
    """Return draws with the loss of every configuration that was held out.

    So models are compared configuration by configuration.
    """
    objective = point.objective(None, context.stream("draw").child(point.stream))
    loss = objective.evaluate(getattr(model, "pairs", model))
    return draws.assign({HELD_OUT: ("held_out", loss, {"units": "nat/site"})})


def _refused(why: str) -> xr.Dataset:
    """Return what is kept of weights that are too poor: no number, and the reason."""
    import xarray as xr

    nothing = ((), np.nan, {"units": "1"})
    names = ("log_z", "log_z_error", "ess_forward", "k_hat", "round_trip")
    return xr.Dataset(
        {"ess_share": ((), 0.0, {"units": "1"}), **dict.fromkeys(names, nothing)},
        attrs={"warnings": f"refused: {why}", "refused": 1},
    )

"""The chains of one point: drawn in blocks, committed with what a resume needs.

Blocks are gathered for ``[sample] checkpoint_every`` seconds, or until a signal comes, and then
committed together with the checkpoint, in one segment.  A signal abandons the block in progress:
a resumed run draws it again.  When a point is complete its group is
replaced by the whole of it: all draws, the acceptance of every chain, and in the attributes
tau_int, R-hat and what is suspicious about them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from physgen.core.declared import declared
from physgen.core.errors import InterruptedRunError, NonFiniteActionError
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers.loop.checkpoint import chain_statistics
from physgen.samplers.loop.diagnostics import check
from physgen.samplers.loop.progress import Progress
from physgen.samplers.loop.recording import KEPT, unpack_configurations
from physgen.samplers.run import blocks
from physgen.targets.configurations import SYMMETRIES, Configurations
from physgen.workflow.context import Context
from physgen.workflow.labels import with_units
from physgen.workflow.lattice.generators import Chains, ModelChains
from physgen.workflow.lattice.packing import pack, unpack
from physgen.workflow.lattice.points import Scan
from physgen.workflow.lattice.progress import Meter

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

__all__ = [
    "BLOCK_SECONDS",
    "CHECKPOINT",
    "as_data",
    "configurations",
    "draw",
    "is_complete",
    "read",
]

CHECKPOINT = "checkpoint"
BLOCK_SECONDS = 1.0  # how much of the work a signal may lose


def is_complete(context: Context, point: Chains) -> bool:
    """Whether all draws of a point are in the run file."""
    store = context.store
    return store.has(point.group) and bool(store.read(point.group).attrs.get("complete", 0))


def read(context: Context, group: str) -> xr.Dataset:
    """Return the observables of a point as float64, without configurations."""
    return unpack(context.store.read(group).drop_vars(KEPT, errors="ignore"))


def configurations(context: Context, group: str) -> np.ndarray:
    """Return the configurations of a point, of all chains, (n, *event_shape): draw by draw.

    Chains come one after the other within a draw, so the last share of them is that of all
    chains at the end.
    """
    kept = unpack_configurations(context.store.read(group)).transpose("draw", "chain", ...)
    return kept.values.reshape(-1, *kept.shape[2:])


def as_data(context: Context, point: Chains) -> Configurations:
    """Return the configurations of a point without their action, as an energy learns from them."""
    kept = unpack_configurations(context.store.read(point.group)).transpose("chain", "draw", ...)
    about = declared(point.target)
    known = isinstance(about.lattice, Hypercubic) and about.lattice.shape == kept.shape[2:]
    return Configurations(
        kept.values,
        chains=True,
        support=point.target.support.kind,
        boundary=about.lattice.boundary if known else None,
        symmetries=[s for s in about.symmetries if s in SYMMETRIES and (known or s == "z2")],
    )


def _is_kept(context: Context, point: Chains) -> bool:
    """Whether models are trained, judged or compared on the configurations of a point."""
    if context.config.compare is not None:
        return True
    return bool(context.config.model) and not isinstance(point, ModelChains)


def draw(context: Context, point: Chains, index: int, meter: Meter) -> None:
    """Draw what the run file lacks of a point.

    Raises
    ------
    InterruptedRunError
        If a signal came; what had been drawn is committed.
    NonFiniteActionError
        If an observable is NaN or infinite; the draws before it are committed.
    """
    store, sampler = context.store, point.section

    def told(now: Progress) -> None:
        context.reporter.sampled(meter.read(index, now))

    pending = _Pending(context, point)
    work = blocks(
        point.make(),
        point.sampled,
        n_chains=sampler.n_chains,
        n_draws=sampler.n_draws,
        thin=sampler.thin,
        warmup=sampler.warmup,
        rng=context.stream("sample").child(point.stream),
        observables=point.observables(Scan(context.config).observables(point.target)),
        keep=KEPT if _is_kept(context, point) else None,
        quiet=True,  # one bad point must not end a scan: it is flagged instead
        progress=told,
        checkpoint=pending.checkpoint,
        block_seconds=min(BLOCK_SECONDS, context.config.sample.checkpoint_every),
    )
    try:
        while (block := context.abandoning(lambda: next(work, None))) is not None:
            pending.add(block)
            if pending.is_due():
                pending.commit()
        whole = context.abandoning(pending.whole)
    except InterruptedRunError:
        pending.commit()
        raise
    except NonFiniteActionError as error:
        pending.commit()
        raise NonFiniteActionError(
            f"{point.text}: {error}; the draws before it are in {store.path}",
            error.chain,
            error.draw,
            error.state,
        ) from None
    store.commit({point.group: whole})


class _Pending:
    """What has been drawn of a point, committed and not yet."""

    def __init__(self, context: Context, point: Chains) -> None:
        self.context, self.point = context, point
        self.parts: list[xr.Dataset] = []
        self.last = time.monotonic()
        self.checkpoint = self._resumed()

    def _resumed(self) -> xr.Dataset | None:
        """Return the checkpoint of this point, if the run file has one."""
        store = self.context.store
        if not store.has(CHECKPOINT):
            return None
        found = store.read(CHECKPOINT)
        return found if found.attrs.get("group") == self.point.group else None

    def add(self, block: Any) -> None:
        """Take a block of draws, or a look of the warm-up."""
        self.checkpoint = block.checkpoint
        if block.data is not None:
            self.parts.append(pack(block.data, self.point.target))

    def is_due(self) -> bool:
        """Whether the last commit is old enough for another."""
        return time.monotonic() - self.last > self.context.config.sample.checkpoint_every

    def commit(self) -> None:
        """Save the draws since the last commit, and where the chains are now."""
        if self.checkpoint is None:
            return
        group, named = self.point.group, {"group": self.point.group}
        groups = {CHECKPOINT: self.checkpoint.assign_attrs(named)}
        if self.parts:
            groups[group] = _joined(self.parts)
        self.context.store.commit(groups, append={group: "draw"} if self.parts else {})
        self.parts, self.last = [], time.monotonic()

    def whole(self) -> xr.Dataset:
        """Return the point as a whole, as it is kept."""
        store, point = self.context.store, self.point
        parts = [store.read(point.group)] if store.has(point.group) else []
        whole = unpack(_joined([*parts, *self.parts]))
        assert self.checkpoint is not None
        whole = whole.assign(chain_statistics(self.checkpoint).data_vars)
        whole = check(whole.assign_attrs(warmup=self.checkpoint.attrs["record"]), quiet=True)
        marked = whole.assign_attrs(complete=1, label=point.label, exactness_for="the target")
        if point.exactness is not None:
            marked.attrs["exactness"] = point.exactness
        return with_units(pack(marked, point.target))


def _joined(parts: list[xr.Dataset]) -> xr.Dataset:
    import xarray as xr

    if len(parts) == 1:
        return parts[0]
    return xr.concat(parts, "draw", combine_attrs="override", data_vars="minimal",
                     coords="minimal", compat="override")  # fmt: skip

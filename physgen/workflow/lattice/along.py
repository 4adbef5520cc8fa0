r"""What is known of an energy along its training: log Z of the snapshots, and mixing times.

Weighted particles follow the weights from independent sites to the last ones
(:mod:`physgen.samplers.trajectory`): log Z of every snapshot, and the ladder of replicas for
chains that temper along it.  Where the energy has a compiled loop, chains from two starts say
for a few snapshots how long they need to forget where they began
(:mod:`physgen.samplers.mixing_time`); of the last one this is a verdict for the k steps that it
was trained with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.targets.configurations import Configurations
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.generators import Chains, Learned
from physgen.workflow.lattice.learning import TRAJECTORY

if TYPE_CHECKING:
    import xarray as xr

    from physgen.samplers.trajectory import Followed
    from physgen.training import Trajectory

__all__ = ["ALONG", "closes", "followed", "measured"]

ALONG = "along"
SHOWN = 8  # snapshots whose chains are timed
N_CHAINS, N_LOOKS, LONGEST = 64, 100, 1000  # of each start, and steps where no k is known
APART = 4.0  # errors between two values of log Z that would speak against one of them


def followed(context: Context, point: Learned, model: Any) -> Followed:
    """Return log Z of every snapshot, and the ladder of replicas that ends in the model."""
    stream = context.stream("draw").child(point.stream, ALONG)
    return _trajectory(context, point).followed(model, rng=stream)


def measured(
    context: Context, point: Learned, model: Any, found: Followed, source: Chains | None
) -> xr.Dataset:
    """Return log Z along the training, and the mixing times of some snapshots.

    ``log_z`` (snapshot) with errors, and by ``timed``: ``mixing_time`` and ``tau_int`` in steps,
    ``needed``, the larger of both, and ``is_lower_bound``; NaN and infinity as in `mixing_time`.
    """
    from physgen.samplers.mixing_time import mixing_time
    from physgen.samplers.plain import kernel_name

    data = found.data.assign_attrs(n_replicas=len(found.models))
    if not kernel_name(model):
        return _labelled(data)
    snapshots = [*_trajectory(context, point).snapshots(model), (data["label"].values[-1], model)]
    picked = np.unique(np.linspace(0, len(snapshots) - 1, SHOWN).round().astype(int))
    trained: dict[str, Any] = getattr(model, "trained_by", {})
    k, x = trained.get("k"), _data(context, point, source)
    stream = context.stream("draw").child(point.stream, "mixing")
    # A look every k / 2 steps tells a time below k from one above it.
    steps = LONGEST if k is None else min(LONGEST, N_LOOKS * max(1, int(k) // 2))
    rows: list[tuple[float, ...]] = []
    said = ""
    for i in picked:
        label, snapshot = snapshots[i]
        ds = mixing_time(
            snapshot, N_CHAINS, data=x, k=k, max_steps=steps, n_measured=N_LOOKS,
            rng=stream.at(int(i)),
        )  # fmt: skip
        names = ("mixing_time", "tau_int", "tau_int_magnetization", "tau_is_lower_bound")
        mixed, *tau, short = (float(ds[name]) for name in names)
        rows.append((label, mixed, max(tau), max(mixed, *tau), short))
        said = ds.attrs["warnings"]  # of the last one, which is the model
    columns = np.array(rows, dtype=np.float64).T
    unit = {"units": "steps"}
    data = data.assign(
        mixing_time=("timed", columns[1], unit | {"long_name": "until two starts agree"}),
        tau_int=("timed", columns[2], unit | {"long_name": "longest of action and mean"}),
        needed=("timed", columns[3], unit | {"long_name": "steps that chains need"}),
        is_lower_bound=("timed", columns[4].astype(bool)),
    ).assign_coords(timed_label=("timed", columns[0]))
    return _labelled(data.assign_attrs(warnings=said, k=0 if k is None else int(k)))


def closes(found: xr.Dataset, along: xr.Dataset) -> tuple[float, str]:
    """Return log Z along the training less that of the model, in errors; and a warning."""
    value, error = (float(along[name][-1]) for name in ("log_z", "log_z_error"))
    both = float(np.hypot(error, float(found["log_z_error"])))
    off = (value - float(found["log_z"])) / both if both > 0 else np.nan
    if not np.isfinite(off) or abs(off) <= APART:
        return off, ""
    return off, (
        f"log Z along the training, {value:.6g}, and that of the last weights, "
        f"{float(found['log_z']):.6g}, are {abs(off):.1f} errors apart: trust neither"
    )


def _trajectory(context: Context, point: Learned) -> Trajectory:
    from physgen.training import Trajectory

    group, store = f"{point.group}/{TRAJECTORY}", context.store
    return Trajectory.from_dataset(store.read(group)) if store.has(group) else Trajectory()


def _data(context: Context, point: Learned, source: Chains | None) -> Any:
    if isinstance(point.target, Configurations):
        return point.target.flat
    return None if source is None else chains.configurations(context, source.group)


def _labelled(data: xr.Dataset) -> xr.Dataset:
    return labelled(data, "asymptotic", "the model, as it was on the way")

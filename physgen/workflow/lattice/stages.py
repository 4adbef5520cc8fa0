"""The stages of a scan: sample, validate.

``sample`` draws the chains of every point and is done when the group ``scan`` is there, which
says how long each point took.  ``validate`` turns them into estimates on one grid, beside exact
values and, with several samplers, beside each other.
"""

from __future__ import annotations

import json
import time

import numpy as np
import xarray as xr

from physgen.workflow.context import Context
from physgen.workflow.job import Stage
from physgen.workflow.labels import labelled
from physgen.workflow.lattice.grid import agreement, assemble
from physgen.workflow.lattice.methods import METHODS
from physgen.workflow.lattice.scan import Scan
from physgen.workflow.target.exact import exact_of, is_square_ising, lines

__all__ = ["STAGES"]

METHODS_ALWAYS = ("philox", "numpy", "numba", "xarray", "matplotlib", "r-hat", "gamma-method")


def _sample(context: Context) -> str:
    from physgen.samplers.loop.memory import format_bytes
    from physgen.workflow.lattice import chains
    from physgen.workflow.lattice.inputs import result_bytes
    from physgen.workflow.lattice.progress import Meter

    store, scan = context.store, Scan(context.config)
    points = list(scan.points())
    store.cite(*METHODS_ALWAYS, *(METHODS[sampler.name].cite for sampler in scan.samplers))
    meter = Meter(points)
    size = format_bytes(result_bytes(scan))
    counted = f"{len(points)} point{'s' * (len(points) > 1)}"
    context.reporter.update("sample", f"{counted}, about {size}")
    seconds = np.full(len(points), np.nan)  # NaN where an earlier process drew a part
    for index, point in enumerate(points):
        if chains.is_complete(context, point):
            meter.skip(index)
            continue
        begun = time.process_time() if not store.has(point.group) else np.nan
        chains.draw(context, point, index, meter)
        meter.finish(index)
        seconds[index] = time.process_time() - begun
    record = xr.Dataset(
        {
            "cpu_seconds": ("point", seconds, {"units": "s", "long_name": "warm-up and draws"}),
            "n_sites": ("point", [scan.sites(point.target) for point in points]),
            "group": ("point", [point.group for point in points]),
        }
    )
    # The last checkpoint says nothing any more; without it every finished file is alike.
    over = xr.Dataset(attrs={"group": ""})
    record = labelled(record, "exact", "the work: what the chains took")
    store.commit({"scan": record, chains.CHECKPOINT: over})
    counts = {f"{s.n_chains} chains x {s.n_draws:,} draws" for s in scan.samplers}
    listed = " or ".join(sorted(counts))
    return f"{counted} ({scan.title}), {listed} each"


def _validate(context: Context) -> str:
    from physgen.workflow.lattice import chains, evaluation

    store, scan = context.store, Scan(context.config)
    rows, exact, known = {}, {}, {}
    warnings: list[str] = []
    points = list(scan.points())
    for number, point in enumerate(points):
        context.check_stop()
        context.reporter.update("validate", f"{number / len(points):.0%}")
        draws = chains.read(context, point.group)
        rows[point.group] = evaluation.estimate(draws)
        if point.sampler is scan.samplers[0]:
            known = exact_of(point.target)
        exact[point.group] = known
        lines_of = str(draws.attrs.get("warnings", "")).split("\n")
        warnings += [f"{point.text}: {line}" for line in lines_of if line]
    grid = assemble(scan, rows, exact).assign_attrs(
        title=scan.title,
        coupling=scan.coupling,
        fixed=json.dumps(scan.fixed),
        warnings="\n".join(warnings),
    )
    exactness = evaluation.exactness(store, points)
    groups = {"estimates": labelled(grid, exactness, "the target")}
    curves = lines(scan)
    if curves is not None:
        groups["exact"] = labelled(curves, "exact", "the target")
    if is_square_ising(scan):
        store.cite("kaufman", "onsager", "yang")
    side_by_side = agreement(grid)
    if side_by_side is not None:
        groups["agreement"] = labelled(side_by_side, exactness, "the target")
    found = evaluation.crossings_of(context, scan, grid)
    if found is not None:
        store.cite("binder", *(["reweighting"] if is_square_ising(scan) else []))
        groups["crossings"] = labelled(found, "asymptotic", "the target at these two sizes")
    store.commit(groups)
    return evaluation.verdict(grid, side_by_side)


STAGES: tuple[Stage, ...] = (
    Stage("sample", ("scan",), "Markov chains at every point", _sample),
    Stage("validate", ("estimates",), "estimates beside exact values", _validate),
)

"""The stages of a run over a lattice target: sample, train, draw, validate.

``sample`` draws the Markov chains of every point, and anneals particles, or measures the
configurations that were given; ``train`` fits every model, on the action or on configurations;
``draw`` draws from the models, with weights where an action is known;
``validate`` turns all of it into estimates on one grid, beside exact values and beside each other.
A group at the end of each stage says that it is done, and how long each point took.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from physgen.analysis.format import format_estimate
from physgen.workflow.context import Context
from physgen.workflow.job import Stage
from physgen.workflow.labels import labelled
from physgen.workflow.lattice import correlations, couplings, evaluation
from physgen.workflow.lattice.comparing import COMPARISON, compare
from physgen.workflow.lattice.features import FEATURES, features
from physgen.workflow.lattice.generators import Chains, Generator, Place
from physgen.workflow.lattice.grid import agreement, assemble
from physgen.workflow.lattice.points import Scan
from physgen.workflow.lattice.strip import PATH, path
from physgen.workflow.target.exact import exact_of, is_square_ising, lines

__all__ = ["STAGES"]

_SAMPLED = ("philox", "numpy", "numba", "xarray", "matplotlib", "r-hat", "gamma-method")
_MEASURED = ("numpy", "xarray", "matplotlib", "r-hat", "gamma-method")
_TRAINED = ("nis", "reverse-kl", "psis", "adam", "torch", "numpy", "xarray", "matplotlib")
_FITTED = ("adam", "torch", "numpy", "xarray", "matplotlib")


def _sample(context: Context) -> str:
    from physgen.samplers.loop.memory import format_bytes
    from physgen.workflow.lattice import annealing, chains, given
    from physgen.workflow.lattice.inputs import result_bytes
    from physgen.workflow.lattice.progress import Meter

    store, scan = context.store, Scan(context.config)
    points = [chain for place in scan.places() for chain in scan.chains(place)]
    annealed = [each for place in scan.places() for each in scan.annealed(place)]
    supplied = [each for place in scan.places() for each in scan.given(place)]
    store.cite(
        *(_MEASURED if supplied else _SAMPLED),
        *(key for point in points for key in point.make().cites),
    )
    meter, size = Meter(points), format_bytes(result_bytes(scan))
    if points:
        context.reporter.update("sample", f"{_counted(points)}, about {size}")
    indices = {point.group: index for index, point in enumerate(points)}

    def draw(point: Any) -> None:
        chains.draw(context, point, indices[point.group], meter)
        meter.finish(indices[point.group])

    for index, point in enumerate(points):
        if chains.is_complete(context, point):
            meter.skip(index)
    _each(context, supplied, lambda p: store.has(p.group), lambda p: given.measure(context, p))
    drawn = _each(context, points, lambda p: chains.is_complete(context, p), draw)
    more = _each(
        context, annealed, lambda p: store.has(p.group), lambda p: annealing.draw(context, p)
    )
    _close(context, "scan", [*points, *annealed], drawn + more, "warm-up and draws")
    if supplied:
        return f"{scan.title}: {supplied[0].target!r}"
    counts = {f"{s.n_chains} chains x {s.n_draws:,} draws" for s in scan.samplers}
    listed = [f"{_counted(points)} ({scan.title}), {' or '.join(sorted(counts))} each"]
    return "; ".join(listed * bool(points) + [f"log Z of {_counted(annealed)}"] * bool(annealed))


def _train(context: Context) -> str:
    from physgen.workflow.lattice import fits, learning

    store, scan = context.store, Scan(context.config)
    points = [point for place in scan.places() for point in scan.learned(place)]
    weighed = scan.config.data is None and any(m.is_weighed for m in scan.config.model)
    store.cite(*(_TRAINED if weighed else _FITTED))
    seconds = _each(
        context,
        points,
        lambda p: learning.is_trained(context, p),
        lambda p: learning.train(context, p, _first(scan, p.place)),
        lambda p: fits.is_begun(context, p),
    )
    _close(context, "trained", points, seconds, "training")
    told: dict[str, list[str]] = {}
    for point in points:
        history = store.read(f"{point.group}/training")
        share = learning.share(history)
        if np.isfinite(share):
            told.setdefault("ESS of held-out draws", []).append(f"{share:.3f}")
        else:
            label, loss, error = learning.held_out(history)
            told.setdefault(f"held-out {label} per site", []).append(format_estimate(loss, error))
    return "; ".join(f"{what} {', '.join(numbers)}" for what, numbers in told.items())


def _draw(context: Context) -> str:
    from physgen.workflow.lattice import drawing, energies
    from physgen.workflow.lattice.along import ALONG

    store, scan = context.store, Scan(context.config)
    points = [point for place in scan.places() for point in scan.learned(place)]

    def is_done(point: Any) -> bool:
        room = energies if point.section.is_energy else drawing
        return room.is_complete(context, point)

    def draw(point: Any) -> None:
        if point.section.is_energy:
            energies.draw(context, point, _first(scan, point.place))
            return
        log_z = next((evaluation.log_z(context, a) for a in scan.annealed(point.place)), None)
        drawing.draw(context, point, _first(scan, point.place), log_z)

    def is_begun(point: Any) -> bool:
        return any(store.has(f"{point.group}/{name}") for name in (ALONG, "draws"))

    seconds = _each(context, points, is_done, draw, is_begun)
    _close(context, "drawn", points, seconds, "draws of the models")
    return f"{_counted(points, 'model')}: {evaluation.drawn(context, points)}"


def _validate(context: Context) -> str:
    store, scan = context.store, Scan(context.config)
    rows: dict[tuple[str, int, int], dict[str, float]] = {}
    exact: dict[tuple[int, int], dict[str, float]] = {}
    curves: dict[tuple[str, int, int], Any] = {}
    warnings: list[str] = []
    said: list[str] = []
    for number, place in enumerate(places := list(scan.places())):
        context.reporter.update("validate", f"{number / len(places):.0%}")
        exact[place.at] = evaluation.with_absolute(place.target, exact_of(place.target))
        for point in scan.generators(place):
            draws = evaluation.read(context, point)
            row = evaluation.estimate(point, draws)
            key = (point.label, *place.at)
            rows[key], curves[key] = correlations.split(row, place.target)
            warnings += [f"{point.text}: {line}" for line in evaluation.warnings(draws)]
            said.append(str(draws.attrs.get("exactness", "")))
    grid = assemble(scan, rows, exact).assign_attrs(
        title=scan.title,
        coupling=scan.coupling,
        fixed=json.dumps(scan.fixed),
        warnings="\n".join(warnings),
    )
    exactness = evaluation.least(said)
    groups = {"estimates": labelled(grid, exactness, "the target")}
    known = lines(scan)
    if known is not None:
        groups["exact"] = labelled(known, "exact", "the target")
    along = correlations.assemble(scan, curves)
    if along is not None:
        groups["correlators"] = labelled(along, exactness, "the target")
    if is_square_ising(scan):
        store.cite("kaufman", "onsager", "yang")
    for place in scan.places():
        for point in scan.learned(place):
            seen = {FEATURES: features(context, point, _first(scan, place))}
            if not (point.section.is_energy or point.section.is_joint):
                seen[PATH] = path(context, point)
            groups |= {f"{point.group}/{k}": ds for k, ds in seen.items() if ds is not None}
    learned = couplings.assemble(context, scan)
    if learned is not None:
        groups["couplings"] = labelled(
            learned, "asymptotic", "the couplings of the configurations"
        )
    side_by_side = agreement(grid)
    if side_by_side is not None:
        groups["agreement"] = labelled(side_by_side, exactness, "the target")
    found = evaluation.crossings_of(context, scan, grid)
    if found is not None:
        store.cite("binder", *(["reweighting"] if is_square_ising(scan) else []))
        groups["crossings"] = labelled(found, "asymptotic", "the target at these two sizes")
    store.commit(groups)
    return evaluation.verdict(grid, side_by_side)


def _first(scan: Scan, place: Place) -> Chains | None:
    """Return the chains whose configurations models are trained and judged on."""
    return next(scan.chains(place), None)


def _each(
    context: Context,
    points: Sequence[Generator],
    is_done: Callable[[Any], bool],
    work: Callable[[Any], None],
    is_begun: Callable[[Any], bool] | None = None,
) -> list[float]:
    """Do the work of every point that lacks it; return CPU seconds, NaN for a part of it.

    By default work has begun where the group of the point is in the run file.
    """
    seconds: list[float] = []
    for point in points:
        context.check_stop()
        if is_done(point):
            seconds.append(np.nan)
            continue
        begun_before = is_begun(point) if is_begun else context.store.has(point.group)
        begun = time.process_time()
        work(point)
        seconds.append(np.nan if begun_before else time.process_time() - begun)
    return seconds


def _close(
    context: Context, name: str, points: Sequence[Generator], seconds: list[float], of: str
) -> None:
    """Commit the record of a stage: what each point took."""
    import xarray as xr

    from physgen.workflow.lattice.chains import CHECKPOINT

    record = xr.Dataset(
        {
            "cpu_seconds": ("point", seconds, {"units": "s", "long_name": of}),
            "n_sites": ("point", [math.prod(point.target.event_shape) for point in points]),
            "group": ("point", [point.group for point in points]),
        }
    )
    record = labelled(record, "exact", f"the work: what {of} took")
    # The last checkpoint says nothing any more; without it every finished file is alike.
    context.store.commit({name: record, CHECKPOINT: xr.Dataset(attrs={"group": ""})})


def _counted(points: Sequence[Any], what: str = "point") -> str:
    return f"{len(points)} {what}{'s' * (len(points) != 1)}"


STAGES: tuple[Stage, ...] = (
    Stage(
        "sample",
        ("scan",),
        "configurations at every point",
        _sample,
        lambda config: bool(config.sampler or config.n_particles or config.data),
    ),
    Stage("train", ("trained",), "one model a point", _train, lambda config: bool(config.model)),
    Stage("draw", ("drawn",), "draws of the models", _draw, lambda config: bool(config.model)),
    Stage(
        "compare",
        (COMPARISON,),
        "likelihoods, and tests of configurations",
        compare,
        lambda config: config.compare is not None,
    ),
    Stage(
        "validate", ("estimates",), "estimates beside exact values", _validate, abandonable=True
    ),
)

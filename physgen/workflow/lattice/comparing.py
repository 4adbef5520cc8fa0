"""Every generator beside the first one, where [compare] asks for it: the stage `compare`.

The baseline of a place are the configurations of the first [[sampler]], or those of [data].  Each
other generator is compared in one piece and committed, so a kill loses one comparison.  At the end
all of them are one table, dims (generator, L, coupling), beside what training and draws cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.results.citations import METHODS
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled
from physgen.workflow.lattice import evaluation
from physgen.workflow.lattice.energies import LOG_Z
from physgen.workflow.lattice.generators import Annealed, Chains, Generator, Given, Learned, Place
from physgen.workflow.lattice.learning import load
from physgen.workflow.lattice.points import Scan

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COMPARED", "COMPARISON", "compare"]

COMPARED, COMPARISON = "compared", "comparison"
_WORDS = ("kind", "likelihood", "notes")


def compare(context: Context) -> str:
    """Do the stage: compare what has not been compared, and commit the table of all."""
    store, scan = context.store, Scan(context.config)
    tests = context.config.compare.tests
    names = [test.removesuffix("-features").removesuffix("-raw") for test in tests]
    store.cite(*(name for name in names if name in METHODS))
    done, points = 0, list(_points(context, scan))
    for first, others in points:
        missing = [point for point in others if not store.has(_group(point))]
        beside = context.abandoning(partial(_baseline, context, first)) if missing else None
        for point in missing:
            context.reporter.update("compare", f"{point.text}: {done} done")
            found = context.abandoning(partial(_one, context, point, beside))
            store.commit({_group(point): labelled(found, "asymptotic", "the target")})
            done += 1
    compared = [point for _, others in points for point in others]
    if not compared:
        return "nothing to compare: no energy could be sampled"
    table = _table(context, scan, compared)
    store.commit({COMPARISON: labelled(table, "asymptotic", "the target")})
    return _verdict(table)


def _points(context: Context, scan: Scan) -> Iterator[tuple[Generator, list[Generator]]]:
    """Yield the first generator of every place, and the others that have configurations."""
    for place in scan.places():
        first, *others = (g for g in scan.generators(place) if not isinstance(g, Annealed))
        yield first, [point for point in others if not _is_refused(context, point)]


def _is_refused(context: Context, point: Generator) -> bool:
    """Whether a point has no configurations: an energy that no chain could sample."""
    if not (isinstance(point, Learned) and point.section.is_energy):
        return False
    return bool(context.store.read(f"{point.group}/draws").attrs.get("refused"))


def _group(point: Generator) -> str:
    return "/".join([COMPARED, point.label, *point.place.path])


def _baseline(context: Context, first: Generator) -> tuple[Any, xr.Dataset]:
    """Return the configurations that others are compared with, and their estimates."""
    from physgen.samplers import estimates

    return _stored(context, first), estimates(evaluation.read(context, first))


def _one(context: Context, point: Generator, beside: Any) -> xr.Dataset:
    """Return the comparison of one generator with a baseline."""
    from physgen.validation.assessment import assess

    section, (base, reference) = context.config.compare, beside
    drawn, size = _drawn(context, point, base)
    found = assess(
        drawn, base, reference, target=_action_of(point.place), tests=section.tests,
        n_max=section.n_max, rng=context.stream("compare").child(point.stream, "tests"),
    )  # fmt: skip
    return found.assign(n_parameters=((), float(size), {"units": "1"}))


def _action_of(place: Place) -> Any:
    """Return the target; None where only configurations are known."""
    return place.target if hasattr(place.target, "action") else None


def _stored(context: Context, point: Generator) -> Any:
    """Return the configurations of chains, or those that were given, as a SampleSet."""
    from physgen.samplers.loop.recording import unpack_configurations
    from physgen.validation.sample_sets import SampleSet, sample_set

    if isinstance(point, Given):
        return sample_set("baseline", point.target)
    kept = unpack_configurations(context.store.read(point.group)).transpose("chain", "draw", ...)
    lattice = getattr(point.target, "lattice", None)
    return SampleSet(kept.values, point.target.support, lattice)


def _drawn(context: Context, point: Generator, base: Any) -> tuple[Any, int]:
    """Return what is known of a generator, and the number of its parameters."""
    from physgen.validation.assessment import Drawn
    from physgen.validation.comparison import configurations_of, kind_of, likelihood_of, series_of
    from physgen.validation.sample_sets import SampleSet

    draws = evaluation.read(context, point)
    if not isinstance(point, Learned):
        return Drawn("samples", draws, _stored(context, point)), 0
    model, rng = load(context, point), context.stream("compare").child(point.stream)
    kind, target = kind_of(model), _action_of(point.place)
    if point.section.is_energy:
        samples = _stored(context, point.chains(model))
    else:
        x = configurations_of(model, context.config.compare.n_draws, rng.child("draw"))
        samples = SampleSet(x, point.target.support, base.lattice)
    if draws.attrs.get("refused"):  # no number of its weights; the draws themselves have some
        draws = series_of(samples, target).assign_attrs(warnings=draws.attrs["warnings"])
    log_q, log_w = likelihood_of(
        model, base, target, log_z=_log_z(context, point), rng=rng.child("bound")
    )
    size = sum(p.numel() for p in model.parameters())
    return Drawn(kind, draws, samples, log_q, log_w), size


def _log_z(context: Context, point: Learned) -> float | None:
    """Return log Z of an energy, as the run found it."""
    if not point.section.is_energy:
        return None
    found = float(context.store.read(f"{point.group}/{LOG_Z}")["log_z"])
    return found if math.isfinite(found) else None


def _table(context: Context, scan: Scan, points: list[Generator]) -> xr.Dataset:
    """Return all comparisons on one grid, with costs."""
    import xarray as xr

    found = {(p.label, *p.place.at): context.store.read(_group(p)) for p in points}
    labels = [label for label in scan.labels if any(key[0] == label for key in found)]
    shape = (len(labels), len(scan.extents), len(scan.values))
    coupling = scan.coupling or "point"
    dims = ("generator", "L", coupling)
    quantities = list(dict.fromkeys(str(q) for ds in found.values() for q in ds.quantity.values))
    extra = {"quantity": quantities, "test": list(context.config.compare.tests)}
    arrays: dict[str, Any] = {}
    for (label, i, j), ds in found.items():
        for name, variable in ds.reindex(quantity=quantities).data_vars.items():
            more = variable.dims
            if name not in arrays:
                sizes = [len(extra[str(dim)]) for dim in more]
                arrays[str(name)] = ((*dims, *more), np.full((*shape, *sizes), np.nan),
                                     variable.attrs)  # fmt: skip
            arrays[str(name)][1][labels.index(label), i, j] = variable.values
    for name, values in _costs(context, scan, found).items():
        grid = np.full(shape, np.nan)
        for (label, i, j), value in values.items():
            grid[labels.index(label), i, j] = value
        arrays[name] = (dims, grid, {"units": "s" if name == "train_s" else "ms"})
    said = {word: [_of(found, label, word) for label in labels] for word in _WORDS}
    arrays |= {word: ("generator", texts) for word, texts in said.items()}
    coords = {
        "generator": labels,
        "L": [0 if L is None else L for L in scan.extents],
        coupling: [np.nan if v is None else v for v in scan.values],
        **extra,
    }
    arrays["n_sites"] = ("L", [scan.sites(p.target) for p in scan.places() if p.at[1] == 0])
    support = next(scan.places()).target.support.kind
    return xr.Dataset(arrays, coords, {"baseline": scan.labels[0], "support": support})


def _of(found: Mapping[Any, xr.Dataset], label: str, word: str) -> str:
    lines = [str(ds.attrs.get(word, "")) for key, ds in found.items() if key[0] == label]
    return "\n".join(dict.fromkeys(filter(None, "\n".join(lines).split("\n"))))


def _costs(
    context: Context, scan: Scan, found: Mapping[Any, xr.Dataset]
) -> dict[str, dict[tuple[str, int, int], float]]:
    """Return CPU seconds of training, and CPU ms of an independent draw, of every generator."""
    spent: dict[str, dict[str, float]] = {}
    for record in ("scan", "trained", "drawn"):
        if context.store.has(record):
            ds = context.store.read(record)
            spent[record] = dict(zip(map(str, ds["group"].values), map(float, ds["cpu_seconds"])))
    training: dict[tuple[str, int, int], float] = {}
    drawing: dict[tuple[str, int, int], float] = {}
    for place in scan.places():
        for point in scan.generators(place):
            key = (point.label, *place.at)
            if key not in found:
                continue
            if isinstance(point, Learned):
                training[key] = spent.get("trained", {}).get(point.group, math.nan)
            record = "scan" if isinstance(point, Chains) else "drawn"
            seconds = spent.get(record, {}).get(point.group, math.nan)
            row = evaluation.estimate(point, evaluation.read(context, point))
            n = row.get("ess", math.nan)
            drawing[key] = 1e3 * seconds / n if n and math.isfinite(n) else math.nan
    return {"train_s": training, "draw_ms": drawing}


def _verdict(table: xr.Dataset) -> str:
    """Return one line: which families the tests cannot tell from the baseline."""
    p = np.nan_to_num(table["p_value"].values, nan=1.0)
    n = p.shape[-1]
    least = p.reshape(len(p), -1, n).min(axis=(1, 2)) * n
    told = [f"{g} {'seen' if bad < 0.01 else 'not seen'}"
            for g, bad in zip(table["generator"].values, least)]  # fmt: skip
    return f"differences from {table.attrs['baseline']}: {', '.join(told)}"

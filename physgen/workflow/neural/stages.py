"""The stages of neural sampling: train, sample, validate.

``train`` fits one model a point, with checkpoints; ``sample`` draws Markov chains, sequential
Monte Carlo and the weighted draws of the model; ``validate`` puts the numbers of all points side
by side.  Point p draws only from ``stream(stage).child(p.group)``.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError, InterruptedRunError, TrainingDivergedError
from physgen.workflow.context import Context
from physgen.workflow.job import Stage
from physgen.workflow.labels import labelled
from physgen.workflow.neural import comparison
from physgen.workflow.neural.points import Point, Points

__all__ = ["STAGES"]

CITED = ("nis", "reverse-kl", "psis", "adam", "torch", "numpy", "xarray", "matplotlib")


def _train(context: Context) -> str:
    store, told = context.store, []
    store.cite(*CITED)
    for point in Points(context.config):
        if not store.has(f"{point.group}/model"):
            _fit(context, point)
        history = store.read(f"{point.group}/training")
        told.append(float(history["ess"][-1]))
    store.commit({"trained": labelled(_listed(context), "exact", "the points that are trained")})
    return f"ESS of validation draws {', '.join(f'{e:.3f}' for e in told)}"


def _fit(context: Context, point: Point) -> None:
    from physgen import models, training

    store, stream = context.store, context.stream("train").child(point.group)
    checkpoint = f"{point.group}/checkpoint"
    model = point.model(stream.child("init"))
    known = comparison.exact_log_z(point.target)
    context.reporter.update("train", point.text)
    store.cite(*models.families.family(point.family()).cites)

    def commit(state: xr.Dataset, history: xr.Dataset) -> None:
        fit = labelled(state, "exact", "the fit, as it continues from here", units=False)
        store.commit({f"{point.group}/training": _curve(history, point, known), checkpoint: fit})

    begun = time.process_time()
    try:
        result = training.fit(
            model,
            point.objective(stream.child("validation")),
            point.settings(),
            rng=stream.child("fit"),
            resume_from=store.read(checkpoint) if store.has(checkpoint) else None,
            on_checkpoint=commit,
            should_stop=context.stop,
            on_progress=lambda p: context.reporter.progress(p, None),
        )
    except InterruptedRunError:
        context.check_stop()
        raise
    except TrainingDivergedError as error:
        raise TrainingDivergedError(
            f"{point.text}, seed {context.config.seed}: {error}, under [train], and begin again "
            f"in another directory or with --force; what was reached is in {store.path}",
            step=error.step,
        ) from None
    stored = models.to_dataset(models.learned(result.model))
    stored = stored.assign_attrs(cpu_seconds=time.process_time() - begun)
    of = "the target"
    store.commit({f"{point.group}/model": labelled(stored, "approximate", of, units=False)})


def _curve(history: xr.Dataset, point: Point, known: float) -> xr.Dataset:
    """Return the history; where log Z is known the divergence stands beside the free energy."""
    if np.isfinite(known):
        n = int(np.prod(point.target.event_shape))
        kl = history["validation_free_energy"] * n + known
        history = history.assign(kl=kl.assign_attrs(units="nat", long_name="D(q || p)"))
    return labelled(history, "asymptotic", "the model: its variational free energy per site")


def _load(context: Context, point: Point) -> Any:
    from physgen import models

    model = point.model(context.stream("train").child(point.group, "init"))
    stored = models.from_dataset(context.store.read(f"{point.group}/model"))
    models.learned(model).load_state_dict(stored.state_dict())
    return model


def _sample(context: Context) -> str:
    store, told = context.store, []
    for point in Points(context.config):
        context.check_stop()
        if not store.has(f"{point.group}/chains"):
            _chains(context, point)
        context.check_stop()
        if not store.has(f"{point.group}/draws"):
            _weigh(context, point)
        told.append(float(store.read(f"{point.group}/draws")["ess_share"]))
    store.commit({"sampled": labelled(_listed(context), "exact", "the points that are sampled")})
    return f"ESS {', '.join(f'{e:.3f}' for e in told)}"


def _chains(context: Context, point: Point) -> None:
    """Draw Markov chains, and an independent log Z: what the model is compared with."""
    from physgen.samplers import estimates, run, smc

    section, smc_section = context.config.chains, context.config.smc
    stream = context.stream("chains").child(point.group)
    found = xr.Dataset()
    if section.n_draws:
        name, sampler = point.sampler()
        context.reporter.update("sample", f"{point.text}: Markov chains ({name})")
        draws = run(
            sampler, point.target, n_chains=section.n_chains, n_draws=section.n_draws,
            thin=section.thin, rng=stream, keep="configurations", quiet=True,
        )  # fmt: skip
        found = estimates(draws).assign(configurations=draws["configurations"])
        found = found.assign_attrs(draws.attrs)
    if smc_section.n_particles:
        context.reporter.update("sample", f"{point.text}: sequential Monte Carlo")
        chain = smc(
            point.target, n_particles=smc_section.n_particles,
            n_islands=smc_section.n_islands, rng=stream.child("smc"),
        )  # fmt: skip
        found["log_z"] = ((), float(chain["log_z"]), {"long_name": "log Z by SMC"})
        found["log_z_error"] = ((), float(chain["log_z_error"]))
    ready = labelled(found, "asymptotic", "the target")
    context.store.commit({f"{point.group}/chains": ready})


def _weigh(context: Context, point: Point) -> None:
    from physgen.samplers import importance, unpack_configurations

    section = context.config.importance
    chains = context.store.read(f"{point.group}/chains")
    context.reporter.update("sample", f"{point.text}: {section.n_draws:,} weighted draws")
    samples = log_z = None
    if "configurations" in chains:
        x = unpack_configurations(chains).values
        samples = x.reshape(-1, *point.target.event_shape)
    if "log_z" in chains:
        log_z = float(chains["log_z"]), float(chains["log_z_error"])
    try:
        draws = importance(
            _load(context, point),
            point.target,
            section.n_draws,
            context.stream("sample").child(point.group),
            samples=samples,
            log_z=log_z,
            ess_floor=section.ess_floor,
            keep="draws",
        )
    except InputError as error:
        raise InputError(
            f"{point.text}: {error}. Under [train], a longer budget in another directory; or a "
            "lower [importance] ess_floor"
        ) from None
    context.store.commit({f"{point.group}/draws": labelled(draws, "asymptotic", "the target")})


def _validate(context: Context) -> str:
    read = {p.group: _read(context, p) for p in Points(context.config)}
    table = comparison.table(context.config, read)
    context.store.commit({"comparison": labelled(table, "asymptotic", "the target")})
    return comparison.verdict(table)


def _read(context: Context, point: Point) -> dict[str, xr.Dataset]:
    names = ("training", "model", "chains", "draws")
    return {name: context.store.read(f"{point.group}/{name}") for name in names}


def _listed(context: Context) -> xr.Dataset:
    found = list(Points(context.config))
    return xr.Dataset({"group": ("point", [p.group for p in found])})


STAGES: tuple[Stage, ...] = (
    Stage("train", ("trained",), "one model a point", _train),
    Stage("sample", ("sampled",), "weighted draws, Markov chains beside them", _sample),
    Stage("validate", ("comparison",), "log Z and observables side by side", _validate),
)

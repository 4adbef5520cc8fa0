"""The stages of a reconstruction: generate, train, sample, validate.

Each stage reads groups of the run file and commits new ones in one atomic segment, so a stage has
either happened or not.  Randomness: stage ``s`` uses only ``Stream(seed).child(s)``; no stage
shifts the numbers of another.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from physgen.core.arrays import to_numpy
from physgen.core.errors import InterruptedRunError, TrainingDivergedError
from physgen.workflow.job import Stage
from physgen.workflow.labels import labelled, with_units
from physgen.workflow.reconstruction import inputs
from physgen.workflow.reconstruction.config import DEFAULT_POVM, DEFAULT_SHOTS
from physgen.workflow.reconstruction.context import ReconstructionContext
from physgen.workflow.reconstruction.labels import nll_text, with_names

if TYPE_CHECKING:
    from physgen.quantum import MPS, TFIM
    from physgen.training import NegativeLogLikelihood

__all__ = ["STAGES"]

# Shots on which the entropy floor is evaluated: log P of the state costs about 0.5 ms a shot at
# bond dimension 24, and 20,000 shots fix the floor to 1e-3 nats per site at L = 50.
FLOOR_SHOTS = 20_000
SAMPLE_BLOCK = 8192  # draws between two looks at whether to stop; part of what a seed means
CHECKPOINT = "training/checkpoint"
METHODS_ALWAYS = ("numpy", "xarray", "matplotlib")


def _generate(context: ReconstructionContext) -> str:
    from physgen.quantum import Born, MeasurementData, ground_state, povm

    config, tfim = context.config, context.hamiltonian()
    if config.data.file is not None or tfim is None:
        return _import(context)

    def swept(sweep: int, energy: float, change: float) -> None:
        context.check_stop()
        moved = f" ({change:+.1e})" if change == change else ""
        context.reporter.update("generate", f"sweep {sweep}, E = {energy:.10f}{moved}")

    state = inputs.load_state(config)
    if state is None:
        state = ground_state(tfim, chi_max=config.state.chi_max, progress=swept)
    frame = povm(config.data.povm or DEFAULT_POVM)
    born = Born(state, frame)
    n_shots = config.data.n_shots or DEFAULT_SHOTS
    outcomes = born.sample(n_shots, context.stream("generate").child("shots"))
    file = config.state.file
    origin = "ground state" if file is None else f"from {Path(file).name}"
    data = MeasurementData(outcomes, frame, tfim.attrs() | {"state": origin}).to_dataset()
    context.store.cite("ic-povm", "born-sampling", "philox", *METHODS_ALWAYS)
    if file is None:
        context.store.cite("dmrg")
    drawn = labelled(data, "exact", f"the state ({origin}): independent shots of it")
    context.store.commit({"state": _labelled(state, tfim), "data": drawn})
    return f"{len(outcomes):,} {frame.name} shots of a chain of {tfim.L} sites"


def _labelled(state: MPS, tfim: TFIM) -> xr.Dataset:
    """Return the state as a group that says how exact it is, and for what."""
    ds = state.to_dataset()
    if "energy_error" not in state.attrs:
        return ds.assign_attrs(exactness="exact", exactness_for="the state, as given in a file")
    energy = state.energy(tfim)
    excess = energy - tfim.ground_state_energy()
    return ds.assign_attrs(
        exactness="approximate",
        exactness_for="the ground state",
        estimator=f"{state.attrs.get('method', 'unknown')}; energy error {excess:.1e}",
        energy=energy,
        energy_error=excess,
        energy_units="unit of J and h",
        converged=int(state.attrs.get("converged", True)),
    )


def _import(context: ReconstructionContext) -> str:
    """Take the shots of a file; those beyond ``n_shots`` are kept out of training."""
    from physgen.quantum import MeasurementData

    data = inputs.load_measurements(context.config)
    n = context.config.data.n_shots or data.n
    kept, rest = data.outcomes[:n], data.outcomes[n:]
    groups = {
        name: labelled(
            MeasurementData(shots, data.povm, data.attrs).to_dataset(),
            "exact",
            "the outcomes, as given in a file",
        )
        for name, shots in (("data", kept), ("held_out", rest))
        if len(shots)
    }
    context.store.cite("ic-povm", *METHODS_ALWAYS)
    context.store.commit(groups)
    text = f"{n:,} {data.povm.name} shots of {data.L} sites, from a file"
    return text + (f"; {len(rest):,} held out" if len(rest) else "")


def _train(context: ReconstructionContext) -> str:
    from physgen import models, training
    from physgen.workflow.reconstruction.likelihood import kept_evaluation

    config, store, stream = context.config, context.store, context.stream("train")
    data = context.data()
    settings = config.train.model_dump()
    device = settings.pop("device")
    objective = training.NegativeLogLikelihood(
        data.outcomes, settings.pop("validation_fraction"), rng=stream.child("split")
    )
    shape = {"L": data.L, "K": data.povm.K}
    model = models.build(config.model.model_dump() | shape, rng=stream.child("init")).to(device)
    floors = _floors(context, objective)
    held_out_floor = floors.get("entropy_floor_validation")
    store.cite("povm-reconstruction", config.model.family, "adam", "torch", "numba")

    def commit(state: xr.Dataset, history: xr.Dataset) -> None:
        curve = with_names(history)
        curve = labelled(curve, "asymptotic", "the likelihood of the model, on either shots")
        fit = labelled(state, "exact", "the fit, as it continues from here", units=False)
        store.commit({"training": curve.assign_attrs(floors), CHECKPOINT: fit})

    try:
        result = training.fit(
            model,
            objective,
            training.FitSettings(**settings),
            rng=stream.child("fit"),
            entropy_floor=floors.get("entropy_floor"),
            resume_from=store.read(CHECKPOINT) if store.has(CHECKPOINT) else None,
            on_checkpoint=commit,
            should_stop=context.stop,
            on_progress=lambda p: context.reporter.progress(p, held_out_floor),
        )
    except InterruptedRunError:
        context.check_stop()
        raise
    except TrainingDivergedError as error:
        raise TrainingDivergedError(
            f"{error}, under [train], and begin again in another directory or with --force; "
            f"what was reached is in {store.path}",
            step=error.step,
        ) from None
    model = models.to_dataset(result.model)
    of = "the distribution of the outcomes"
    store.commit({"model": labelled(model, "approximate", of, units=False)})
    told = f"weights of step {result.best_step} kept"
    kept = kept_evaluation(result.history)
    if kept is None:
        return f"{told}, no shots held out"
    beside = "" if held_out_floor is None else f" (floor {held_out_floor:.4f})"
    return f"{told}, held-out NLL {nll_text(kept.nll, kept.error)}{beside}"


def _floors(context: ReconstructionContext, objective: NegativeLogLikelihood) -> dict[str, float]:
    """Return the NLL per site of the true state, on the shots of training and on those held out.

    Each is an estimate of the entropy per site that fluctuates together with the model's NLL on
    the same shots, so the distance between the two is far better known than either.
    """
    if context.store.has("training"):
        attrs = context.store.read("training").attrs
        return {key: attrs[key] for key in attrs if key.startswith("entropy_floor")}
    truth = context.truth()
    if truth is None:
        return {}
    shots = {"": objective.train, "_validation": objective.validation}
    return {
        f"entropy_floor{name}": -float(truth.log_prob(to_numpy(x[:FLOOR_SHOTS])).mean())
        / objective.n_sites
        for name, x in shots.items()
        if len(x)
    }


def _sample(context: ReconstructionContext) -> str:
    from physgen import models
    from physgen.quantum import MeasurementData

    model = models.from_dataset(context.store.read("model"))
    n, stream = context.config.sample.n_samples, context.stream("sample")
    blocks = []
    for block, start in enumerate(range(0, n, SAMPLE_BLOCK)):
        context.check_stop()
        context.reporter.update("sample", f"{start / n:.0%}")
        blocks.append(to_numpy(model.sample(min(SAMPLE_BLOCK, n - start), stream.at(block))))
    data = context.data()
    samples = MeasurementData(np.concatenate(blocks), data.povm, {"source": "model"})
    # Ancestral sampling draws from the model without error; the model is not the state.
    context.store.commit({"samples": labelled(samples.to_dataset(), "exact", "the model")})
    return f"{n:,} samples of the model"


def _validate(context: ReconstructionContext) -> str:
    from physgen import models
    from physgen.workflow.reconstruction.evaluation import distances, observables
    from physgen.workflow.reconstruction.likelihood import held_out_likelihood

    model = models.from_dataset(context.store.read("model"))
    truth, n = context.truth(), context.config.validate_.n_samples
    if truth is None:
        groups = {"validation": held_out_likelihood(context.store, model)}
        nll, error = (float(groups["validation"][name]) for name in ("nll", "nll_error"))
        text = f"held-out NLL {nll_text(nll, error)}" if nll == nll else "no shots held out"
    else:
        groups = distances(context, model, truth)
        fidelity = float(groups["validation"]["fidelity"][0])
        text = f"F_c = {fidelity:.4f} on {n:,} fresh samples of the state"
    context.store.cite("dual-frame-estimators")
    if context.hamiltonian() is not None:
        context.store.cite("free-fermions")
    context.store.commit({k: with_units(v) for k, v in (groups | observables(context)).items()})
    return text


STAGES: tuple[Stage, ...] = (
    Stage("generate", ("data",), "measurement outcomes", _generate),
    Stage("train", ("model",), "maximum likelihood", _train),
    Stage("sample", ("samples",), "draws from the model", _sample),
    Stage(
        "validate",
        ("validation", "observables/model"),
        "fidelity, divergences, observables",
        _validate,
    ),
)

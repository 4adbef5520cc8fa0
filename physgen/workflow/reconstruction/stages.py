"""The stages of a reconstruction: generate, train, sample, refit, tomography, validate.

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
from physgen.workflow.job import Stage
from physgen.workflow.labels import labelled, with_units
from physgen.workflow.reconstruction import inputs
from physgen.workflow.reconstruction.config import DEFAULT_SHOTS
from physgen.workflow.reconstruction.context import ReconstructionContext
from physgen.workflow.reconstruction.fittable import left_out
from physgen.workflow.reconstruction.labels import nll_text
from physgen.workflow.reconstruction.symmetries import check_state_symmetries

if TYPE_CHECKING:
    from physgen.quantum import MPS, Hamiltonian

__all__ = ["STAGES"]

SAMPLE_BLOCK = 8192  # draws between two reports; part of what a seed means
METHODS_ALWAYS = ("numpy", "xarray", "matplotlib")


def _generate(context: ReconstructionContext) -> str:
    from physgen.quantum import Born, MeasurementData, ground_state

    config, tfim = context.config, context.hamiltonian()
    if config.data.file is not None or tfim is None:
        return _import(context)

    def swept(sweep: int, energy: float, change: float) -> None:
        moved = f" ({change:+.1e})" if change == change else ""
        context.reporter.update("generate", f"sweep {sweep}, E = {energy:.10f}{moved}")

    state = inputs.load_state(config)
    if state is None:
        state = ground_state(tfim, chi_max=config.state.chi_max, progress=swept)
        check_state_symmetries(config.model, state)
    frame = inputs.measurement_of(config)
    born = Born(state, frame)
    n_shots = config.data.n_shots or DEFAULT_SHOTS
    outcomes = born.sample(n_shots, context.stream("generate").child("shots"))
    file = config.state.file
    origin = "ground state" if file is None else f"from {Path(file).name}"
    data = MeasurementData(outcomes, frame, tfim.attrs() | {"state": origin}).to_dataset()
    context.store.cite("ic-povm", "born-sampling", "philox", *METHODS_ALWAYS)
    if file is None and "DMRG" in str(state.attrs["method"]):
        context.store.cite("dmrg")
    drawn = labelled(data, "exact", f"the state ({origin}): independent shots of it")
    context.store.commit({"state": _labelled(state, tfim), "data": drawn})
    return f"{len(outcomes):,} {frame.name} shots of a chain of {tfim.L} sites"


def _labelled(state: MPS, tfim: Hamiltonian) -> xr.Dataset:
    """Return the state as a group that says how exact it is, and for what."""
    ds = state.to_dataset()
    if "energy_variance" in state.attrs:
        names = ("energy", "energy_error", "energy_variance", "sector", "gap", "degeneracy")
        found = {name: state.attrs[name] for name in names if name in state.attrs}
        variance = state.attrs["energy_variance"]
        return ds.assign_attrs(
            exactness="approximate" if state.attrs["n_sweeps"] else "exact",
            exactness_for="the ground state",
            estimator=f"{state.attrs['method']}; <H^2> - <H>^2 = {variance:.1e}",
            energy_units=state.attrs["energy_units"],
            converged=int(state.attrs["converged"]),
            **found,
        )
    exact = tfim.ground_state_energy()
    if "energy_error" not in state.attrs or exact is None:
        return ds.assign_attrs(exactness="exact", exactness_for="the state, as given in a file")
    energy = state.energy(tfim)
    excess = energy - exact
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
    data = inputs.load_measurements(context.config)
    n = context.config.data.n_shots or data.n
    context.store.cite("ic-povm", *METHODS_ALWAYS)
    text = f"{n:,} {data.povm.name} shots of {data.L} site{'s' * (data.L != 1)}, from a file"
    if context.config.train.stream:
        whole = "the outcomes, which stay in their file"
        missing = left_out(context.config, data)
        told = labelled(inputs.described(data), "exact", whole)
        context.store.commit({"data": told.assign_attrs({"models": missing} if missing else {})})
        return f"{text}, streamed"
    parts = {"data": slice(0, n)} | ({"held_out": slice(n, None)} if n < data.n else {})
    groups = {
        name: labelled(data.take(rows).to_dataset(), "exact", "the outcomes, as given in a file")
        for name, rows in parts.items()
    }
    missing = left_out(context.config, data.take(parts["data"]))
    if missing:
        groups["data"].attrs["models"] = missing
    context.store.commit(groups)
    return text + (f"; {data.n - n:,} held out" if n < data.n else "")


def _sample(context: ReconstructionContext) -> str:
    from physgen import models
    from physgen.quantum import MeasurementData

    model = models.from_dataset(context.store.read("model"))
    n, stream = context.config.sample.n_samples, context.stream("sample")
    blocks: list[np.ndarray] = []
    for block, start in enumerate(range(0, n, SAMPLE_BLOCK)):
        context.reporter.update("sample", f"{start / n:.0%}")
        blocks.append(to_numpy(model.sample(min(SAMPLE_BLOCK, n - start), stream.at(block))))
    data = context.data()
    samples = MeasurementData(np.concatenate(blocks), data.povm, {"source": "model"})
    # Ancestral sampling draws from the model without error; the model is not the state.
    context.store.commit({"samples": labelled(samples.to_dataset(), "exact", "the model")})
    return f"{n:,} samples of the model"


def _validate(context: ReconstructionContext) -> str:
    from physgen import models
    from physgen.quantum import TFIM
    from physgen.workflow.reconstruction.blocks import blocks
    from physgen.workflow.reconstruction.evaluation import distances, observables, physicality
    from physgen.workflow.reconstruction.likelihood import held_out_likelihood
    from physgen.workflow.reconstruction.witness import witnesses

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
    if isinstance(context.hamiltonian(), TFIM):
        context.store.cite("free-fermions")
    found = observables(context)
    groups |= found | physicality(context) | blocks(context)
    groups |= witnesses(context, found["observables/model"])
    context.store.commit({name: with_units(ds) for name, ds in groups.items()})
    return text


def _train(context: ReconstructionContext) -> str:
    from physgen.workflow.reconstruction.fitting import train

    return train(context)


def _refit(context: ReconstructionContext) -> str:
    from physgen.workflow.reconstruction.refits import refit

    return refit(context)


def _tomography(context: ReconstructionContext) -> str:
    from physgen.workflow.reconstruction.tomography import tomography

    return tomography(context)


STAGES: tuple[Stage, ...] = (
    Stage("generate", ("data",), "measurement outcomes", _generate, abandonable=True),
    Stage("train", ("model",), "maximum likelihood", _train, together=lambda config: True),
    Stage("sample", ("samples",), "draws from the model", _sample, abandonable=True),
    Stage("refit", ("errors",), "refits to resampled shots", _refit, together=lambda config: True),
    Stage(
        "tomography",
        ("tomography",),
        "density matrices of small systems",
        _tomography,
        abandonable=True,
    ),
    Stage(
        "validate",
        ("validation", "observables/model"),
        "fidelity, divergences, observables",
        _validate,
        abandonable=True,
    ),
)

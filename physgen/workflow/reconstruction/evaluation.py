"""Numbers about a trained model: its distance from the state, observables beside exact ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from physgen.core.arrays import to_numpy
from physgen.core.protocols import Density
from physgen.core.random import Stream
from physgen.exact import exact_observables
from physgen.quantum import MPS, TFIM, Hamiltonian, MeasurementData, estimate_observables
from physgen.quantum.estimators import observables_dataset
from physgen.quantum.operators import add_operators, unseen
from physgen.quantum.tfim import central_pairs
from physgen.validation.density_comparison import MAX_STRINGS, exact_divergences, validate
from physgen.workflow.reconstruction.context import ReconstructionContext

if TYPE_CHECKING:
    from physgen.models import MatrixProduct

__all__ = ["OBSERVABLES", "distances", "model_observables", "observables"]

OBSERVABLES = ("energy", "x", "z", "zz", "x_mean", "z_mean")
FEW, MANY = 1000, 100_000  # shots that a test of positivity takes: at least, and at most
_OF_X = ("energy", "x")  # what takes a POVM that sees X


def distances(
    context: ReconstructionContext, model: Density, truth: Density
) -> dict[str, xr.Dataset]:
    """Return fidelity and KL from samples and, where all strings can be listed, exactly."""
    n = context.config.validate_.n_samples

    def counted(done: int, total: int) -> None:
        context.reporter.update("validate", f"{done / total:.0%}")

    result = validate(model, truth, n, context.stream("validate"), on_progress=counted)
    result.attrs["estimator"] = "mean over independent samples of either side, in log space"
    groups = {"validation": result}
    if (truth.support.K or 0) ** truth.event_shape[0] <= MAX_STRINGS:
        exact = exact_divergences(model, truth)
        exact.attrs["estimator"] = "all outcomes, enumerated"
        groups["validation/exact"] = exact
    return groups


def observables(context: ReconstructionContext) -> dict[str, xr.Dataset]:
    """Return the observables of data and model, and of the state, by source."""
    from physgen import models

    tfim, data, store = context.hamiltonian(), context.data(), context.store
    own = context.operators()
    found = {"data": estimate_observables(data, tfim=tfim, operators=own)}
    found["data"].attrs["exactness_for"] = "the state"
    model = models.from_dataset(store.read("model"))
    found["model"] = model_observables(context, model, samples=store.read("samples"))
    if tfim is not None and (state := context.state()) is not None:
        exact = _exact(tfim, state, from_file=context.config.state.file is not None)
        values = {name: state.expectation(operator) for name, operator in own.items()}
        found["exact"] = add_operators(exact, own, values)
        for name in own:  # of a ground state, too: there is no closed form
            found["exact"][name].attrs["estimator"] = "contraction of the measured state"
    return {f"observables/{name}": ds for name, ds in found.items()}


def physicality(context: ReconstructionContext) -> dict[str, xr.Dataset]:
    """Return whether neighbouring pairs have positive matrices, by source.

    Of the shots and, as a network knows nothing of states, of its samples.
    """
    from physgen import models
    from physgen.models import MatrixProduct
    from physgen.validation import physical_violations

    data, store = context.data(), context.store
    table = data.setting_table
    complete = table is None or not table.n_missing
    if not (data.povm.is_informationally_complete and complete and data.n >= FEW):
        return {}
    sources = {"data": data}
    if not isinstance(models.from_dataset(store.read("model")), MatrixProduct):
        sources["model"] = MeasurementData.from_dataset(store.read("samples"))
    found: dict[str, xr.Dataset] = {}
    for name, shots in sources.items():
        if shots.n >= FEW:
            tested = physical_violations(shots.take(slice(0, MANY)))
            of = "the state" if name == "data" else "the model"
            found[f"physicality/{name}"] = tested.assign_attrs(exactness_for=of)
    return found


def model_observables(
    context: ReconstructionContext,
    model: Density,
    *,
    samples: xr.Dataset | None = None,
    n: int = 0,
    rng: Stream | None = None,
) -> xr.Dataset:
    """Return the observables of a model that the measurement can tell.

    A state is contracted, without error; of any other model `samples` are taken, or n new ones.
    """
    from physgen.models import MatrixProduct

    tfim, frame = context.hamiltonian(), context.data().povm
    if isinstance(model, MatrixProduct):
        own = context.operators()
        seen = {name: o for name, o in own.items() if name not in unseen(own, frame)}
        values = {name: model.expectation(operator) for name, operator in seen.items()}
        ds = add_operators(_contracted(tfim, model), seen, values, dict.fromkeys(seen, 0.0))
        if not frame.sees("X"):  # what the state says of <X>, no shot has told
            ds = ds.drop_vars([v for v in ds.data_vars if str(v).startswith(_OF_X)])
        return ds.assign_attrs(exactness_for="the model; approximate for the state")
    if samples is None:
        shots = to_numpy(model.sample(n, rng if rng is not None else Stream(0)))
    else:
        shots = MeasurementData.from_dataset(samples).outcomes
    own = context.operators()
    refits = context.config.errors
    fewest = min(len(shots), refits.n_samples) if refits.refits else len(shots)
    lost = unseen(own, frame, fewest)  # what the draws of a refit cannot tell has no error
    own = {name: operator for name, operator in own.items() if name not in lost}
    ds = estimate_observables(shots, frame, tfim, operators=own)
    return ds.assign_attrs(exactness_for="the model; approximate for the state")


def _contracted(tfim: Hamiltonian | None, model: MatrixProduct) -> xr.Dataset:
    """Return the observables of a state, pure or purified, by contraction."""
    L, state, step = model.L, model.purification(), model.sites_per_qubit
    x, z = (state.profile(p)[::step] for p in "XZ")

    def zz(i: int, j: int) -> float:
        return model.expectation({i: "Z", j: "Z"})

    i, r = central_pairs(L)
    energy = None
    if tfim is not None and not isinstance(tfim, TFIM):
        energy = model.expectation(tfim.pauli_sum())
    elif tfim is not None:
        energy = -tfim.J * sum(zz(a, b) for a, b in tfim.bonds) - tfim.h * float(x.sum())
    ds = observables_dataset(
        tfim,
        energy=energy,
        x=x,
        z=z,
        zz=np.array([zz(int(a), int(a + s)) for a, s in zip(i, r)]),
        estimator="contraction of the fitted state",
        exactness="exact",
    )
    zero = {f"{name}_error": xr.zeros_like(ds[name]) for name in OBSERVABLES if name in ds}
    return ds.assign(zero)


def _exact(tfim: Hamiltonian, state: MPS, from_file: bool) -> xr.Dataset:
    """Return the values in the ground state, in closed form, or in the state that is there."""
    if not from_file and isinstance(tfim, TFIM):
        return exact_observables(tfim).assign_attrs(exactness_for="the ground state")
    i, r = central_pairs(tfim.L)
    closed = None if from_file else tfim.ground_state_energy()
    ds = observables_dataset(
        tfim,
        energy=state.energy(tfim) if closed is None else closed,
        x=state.profile("X"),
        z=state.profile("Z"),
        zz=np.array([state.expectation({int(a): "Z", int(a + s): "Z"}) for a, s in zip(i, r)]),
        estimator="contraction of the matrix product state",
        exactness="exact",
    )
    if from_file:
        return ds.assign_attrs(exactness_for="the state")
    by_sweeps = state.attrs["n_sweeps"] > 0  # of DMRG; others are diagonalised
    return ds.assign_attrs(
        estimator=f"contraction of the ground state ({state.attrs['method']})",
        exactness="approximate" if by_sweeps else "exact",
        exactness_for="the ground state",
        energy_variance=state.attrs["energy_variance"],
    )

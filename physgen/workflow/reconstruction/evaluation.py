"""Numbers about a trained model: its distance from the state, observables beside exact ones."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physgen.core.protocols import Density
from physgen.exact import exact_observables
from physgen.quantum import MPS, TFIM, MeasurementData, estimate_observables
from physgen.quantum.estimators import observables_dataset
from physgen.quantum.tfim import central_pairs
from physgen.validation.compare import MAX_STRINGS, exact_divergences, validate
from physgen.workflow.reconstruction.context import ReconstructionContext

__all__ = ["distances", "observables"]


def distances(
    context: ReconstructionContext, model: Density, truth: Density
) -> dict[str, xr.Dataset]:
    """Return fidelity and KL from samples and, where all strings can be listed, exactly."""
    n = context.config.validate_.n_samples

    def counted(done: int, total: int) -> None:
        context.check_stop()
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
    """Return the observables of data and model by dual frames, and of the state, by source."""
    tfim, data = context.hamiltonian(), context.data()
    samples = MeasurementData.from_dataset(context.store.read("samples"))
    found = {
        "data": estimate_observables(data.outcomes, data.povm, tfim),
        "model": estimate_observables(samples.outcomes, samples.povm, tfim),
    }
    found["data"].attrs["exactness_for"] = "the state"
    found["model"].attrs["exactness_for"] = "the model; approximate for the state"
    if tfim is not None and (state := context.state()) is not None:
        found["exact"] = _exact(tfim, state, from_file=context.config.state.file is not None)
    return {f"observables/{name}": ds for name, ds in found.items()}


def _exact(tfim: TFIM, state: MPS, from_file: bool) -> xr.Dataset:
    """Return the values in the ground state, in closed form, or in the state of a file."""
    if not from_file:
        return exact_observables(tfim).assign_attrs(exactness_for="the ground state")
    i, r = central_pairs(tfim.L)
    return observables_dataset(
        tfim,
        energy=state.energy(tfim),
        x=state.profile("X"),
        z=state.profile("Z"),
        zz=np.array([state.expectation({int(a): "Z", int(a + s): "Z"}) for a, s in zip(i, r)]),
        estimator="contraction of the matrix product state",
        exactness="exact",
    ).assign_attrs(exactness_for="the state")

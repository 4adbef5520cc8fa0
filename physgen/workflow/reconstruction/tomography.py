"""Density matrices of a small system: from the shots, by maximum likelihood, and of the model.

Every source gives fidelity with the target, purity and Renyi-2 entropy, of the whole and of the
left half.  The target is what [tomography] names, or the measured state where it is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from physgen.workflow.labels import labelled, with_units
from physgen.workflow.reconstruction.context import ReconstructionContext
from physgen.workflow.reconstruction.inputs import load_target

if TYPE_CHECKING:
    from physgen.quantum import MPS, DensityMatrix

__all__ = ["NUMBERS", "model_numbers", "reason_against", "target_of", "tomography"]

NUMBERS = ("fidelity_squared", "purity", "renyi2")


def tomography(context: ReconstructionContext) -> str:
    """Commit /tomography and the groups in it, or why there is nothing to commit."""
    from physgen import models
    from physgen.quantum import MPS
    from physgen.quantum.tomography import bootstrap_estimates, direct_estimates, linear_inversion

    store, config = context.store, context.config
    against = reason_against(context)
    if against:
        nothing = xr.Dataset(attrs={"left_out": against})
        store.commit({"tomography": labelled(nothing, "exact", "what was left out")})
        return against
    data, target, stream = context.data(), target_of(context), context.stream("tomography")
    blocks = [list(range(data.L // 2))] if data.L > 1 else []
    pure = isinstance(target, MPS) or (target is not None and target.purity() > 1 - 1e-9)
    context.reporter.update("tomography", "straight from the shots")
    direct = direct_estimates(data, target if pure else None, blocks=blocks)
    inverted = linear_inversion(data).to_dataset()
    context.reporter.update("tomography", "maximum likelihood, and again from resampled shots")
    likely = bootstrap_estimates(
        data, target, blocks=blocks, n_resamples=config.tomography.bootstrap, rng=stream
    )
    model = models.from_dataset(store.read("model"))
    groups = {
        "tomography/direct": labelled(direct, "asymptotic", "the state"),
        "tomography/inversion": labelled(inverted, "asymptotic", "the state"),
        "tomography/likelihood": labelled(likely, "asymptotic", "the state"),
        "tomography/model": model_numbers(context, model),
    }
    named = config.tomography.target or (config.tomography.file and "of a file")
    about = {"target": named or ("the measured state" if target else "none")}
    store.cite("maximum-likelihood-tomography")
    store.commit(
        {"tomography": labelled(xr.Dataset(attrs=about), "exact", "the target")}
        | {k: with_units(v) for k, v in groups.items()}
    )
    return f"density matrices of {data.L} qubits"


def reason_against(context: ReconstructionContext) -> str:
    """Return why density matrices cannot or shall not be had, or an empty text."""
    data, allowed = context.data(), context.config.tomography.max_sites
    if allowed < data.L:
        return f"no density matrix beyond [tomography] max_sites = {allowed}, for {data.L} sites"
    if not data.povm.is_informationally_complete:
        return f"no density matrix: {data.povm.name} is not informationally complete"
    table = data.setting_table
    if table is not None and table.n_missing:
        return f"no density matrix: settings are missing, {table.describe_missing()}"
    return ""


def target_of(context: ReconstructionContext) -> MPS | DensityMatrix | None:
    """Return the state whose fidelity is wanted: of [tomography], or the measured one."""
    named = load_target(context.config, context.data().L)
    return context.state() if named is None else named


def model_numbers(context: ReconstructionContext, model: Any) -> xr.Dataset:
    """Return fidelity, purity and entropy of a model, without the error of its fit."""
    from physgen.models import MatrixProduct
    from physgen.quantum.tomography import from_density

    data, target = context.data(), target_of(context)
    if isinstance(model, MatrixProduct):
        rho = model.density_matrix()
        values = {"purity": float(rho.purity()), "renyi2": float(rho.renyi2_entropy())}
        if target is not None:
            values = {"fidelity_squared": float(rho.fidelity_squared(target))} | values
        ds = xr.Dataset(
            {
                **{name: ((), value) for name, value in values.items()},
                "rho_real": (("row", "column"), np.real(rho.rho).copy()),
                "rho_imag": (("row", "column"), np.imag(rho.rho).copy()),
            },
            attrs={"estimator": "contraction of the fitted state"},
        )
    else:
        rng = context.stream("tomography").child("model")
        ds = from_density(model, data.povm, target, rng=rng)
    return labelled(ds, "exact", "the model; approximate for the state")

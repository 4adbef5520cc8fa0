"""What tells coherence, beside F_c: bounds on the quantum fidelity, from data and from the model.

With a Hamiltonian, the bound by the energy; with a GHZ state as the target or as the measured
state, its fidelity.  The group of the data holds for the state, that of the model for the model.
Numbers of a model take part in the refits, so their errors hold the error of the fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from physgen.analysis.one_sided import LEVELS, SkewedMean
from physgen.core.errors import InputError
from physgen.workflow.labels import labelled
from physgen.workflow.reconstruction.context import ReconstructionContext

if TYPE_CHECKING:
    from physgen.quantum import MPS

__all__ = ["BOUNDED", "WITNESSED", "model_witness", "phase_of", "witnesses"]

BOUNDED = {"witness": "fidelity_squared", "ghz_fidelity_squared": "ghz_fidelity_squared"}
WITNESSED = (*BOUNDED, "ghz_populations", "ghz_coherence", "ghz_parity")
OF_THE_MODEL = "the model; approximate for the state"
_GHZ = 1e-9  # largest 1 - overlap^2 of a measured state that is called a GHZ state


def witnesses(context: ReconstructionContext, observed: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the groups /witness/data, /witness/model and, of a known state, /witness/exact.

    `observed` are the observables of the model.
    """
    phase = phase_of(context)
    if context.hamiltonian() is None and phase is None:
        return {}
    found = {
        "witness/data": labelled(_of_data(context, phase), "asymptotic", "the state"),
        "witness/model": _of_model(context, observed),
    }
    state = context.state()
    if state is not None:
        exact = _of_state(context, state, 1)
        found["witness/exact"] = labelled(exact, "exact", "the state")
    context.store.cite(
        *(["fidelity-witness"] if context.hamiltonian() is not None else []),
        *(["ghz-fidelity"] if phase is not None else []),
    )
    return {name: ds for name, ds in found.items() if ds.data_vars or "left_out" in ds.attrs}


def phase_of(context: ReconstructionContext) -> float | None:
    """Return the phase of the GHZ state that is aimed at, or None if none is."""
    from physgen.quantum import ghz_state

    if context.data().L < 2:
        return None
    if context.config.tomography.target == "ghz":
        return 0.0
    if context.config.state.file is None or (state := context.state()) is None:
        return None
    ends = [ghz_state(state.L, phase).overlap(state) for phase in (0.0, np.pi)]
    # <GHZ_+|psi> and <GHZ_-|psi> give both amplitudes: (a_0 + a_1)/sqrt 2 and (a_0 - a_1)/sqrt 2.
    phase = float(np.angle((ends[0] - ends[1]) * np.conj(ends[0] + ends[1])))
    overlap = abs(ghz_state(state.L, phase).overlap(state)) ** 2
    return phase if overlap > 1 - _GHZ else None


def _of_data(context: ReconstructionContext, phase: float | None) -> xr.Dataset:
    from physgen.validation import fidelity_witness, ghz_fidelity

    data, tfim = context.data(), context.hamiltonian()
    parts: list[xr.Dataset] = []
    reasons: list[str] = []
    for what, made in (
        (_BY_ENERGY, None if tfim is None else lambda: fidelity_witness(data, tfim)),
        (_OF_GHZ, None if phase is None else lambda: ghz_fidelity(data, phase)),
    ):
        try:
            parts += [] if made is None else [made()]
        except InputError as error:
            reasons.append(f"{what}: {error}")
    about: dict[str, Any] = {}
    for part in parts:
        joined = {
            k: f"{about[k]}; {part.attrs[k]}" for k in ("certifies", "estimator") if k in about
        }
        about |= part.attrs | joined
    if reasons:
        about["left_out"] = "; ".join(reasons)
    found = xr.Dataset(attrs=about)
    for part in parts:
        found = found.assign({**part.coords, **part.data_vars})
    return found


_BY_ENERGY, _OF_GHZ = "no bound by the energy", "no GHZ fidelity"


def model_witness(context: ReconstructionContext, model: Any, observed: xr.Dataset) -> xr.Dataset:
    """Return the numbers of one model, without the error of its fit.

    Parameters
    ----------
    context : ReconstructionContext
    model : Density
    observed : Dataset
        Its observables: a network, which is no state, has no more than an energy.
    """
    from physgen.models import MatrixProduct
    from physgen.validation import fidelity_witness

    if isinstance(model, MatrixProduct):
        ds = _of_state(context, model.purification(), model.sites_per_qubit, observed)
        return ds.assign_attrs(estimator="contraction of the fitted state")
    tfim = context.hamiltonian()
    if tfim is None or "energy" not in observed:
        return xr.Dataset()
    try:
        found = fidelity_witness(observed, tfim)
    except InputError as error:
        return xr.Dataset(attrs={"left_out": f"{_BY_ENERGY}: {error}"})
    about = {key: found.attrs[key] for key in _OF_BOUND}
    return (
        found[["witness", "witness_error"]]
        .drop_vars("level", errors="ignore")
        .assign_attrs(about | {"estimator": "energy of samples of the model, which is no state"})
    )


_OF_BOUND = ("ground_energy", "gap", "parity")


def _of_state(
    context: ReconstructionContext, state: MPS, step: int, observed: xr.Dataset | None = None
) -> xr.Dataset:
    """Return the numbers of a state, pure or purified, by contraction."""
    from physgen.validation import fidelity_witness, ghz_numbers

    tfim, phase = context.hamiltonian(), phase_of(context)
    values: dict[str, float] = {}
    about: dict[str, Any] = {}
    if tfim is not None:
        energy = state.energy(tfim) if observed is None else observed.get("energy")
        parity = state.expectation({i: "X" for i in range(0, state.L, step)})
        if energy is not None:
            try:
                known = xr.Dataset({"energy": float(energy), "parity": parity})
                found = fidelity_witness(known, tfim)
                values["witness"] = float(found["witness"])
                about |= {key: found.attrs[key] for key in _OF_BOUND}
            except InputError as error:
                about["left_out"] = f"{_BY_ENERGY}: {error}"
    against = "" if phase is None or observed is None else _untold(context)
    if against:
        about["left_out"] = "; ".join([*filter(None, [about.get("left_out")]), against])
    elif phase is not None:
        numbers = ghz_numbers(state, phase, sites_per_qubit=step)
        values |= {f"ghz_{name}": value for name, value in numbers._asdict().items()}
        about["phase"] = phase
    return xr.Dataset({name: ((), value) for name, value in values.items()}, attrs=about)


def _untold(context: ReconstructionContext) -> str:
    """Return why the shots have told a model nothing of the coherence, or an empty text."""
    from physgen.validation.ghz import few_coherent_shots

    data = context.data()
    blind = [pauli for pauli in "XZ" if not data.povm.sees(pauli)]
    if blind:
        return f"{_OF_GHZ}: {data.povm.name} does not see {' or '.join(blind)}"
    few = few_coherent_shots(data)
    return f"{_OF_GHZ}: {few}" if few else ""


def _of_model(context: ReconstructionContext, observed: xr.Dataset) -> xr.Dataset:
    """Return the numbers of the model, with the error of its fit where refits were made."""
    from physgen import models
    from physgen.validation.witness import bounds_of

    store = context.store
    model = models.from_dataset(store.read("model"))
    ds = model_witness(context, model, observed)
    errors = store.read("errors") if store.has("errors") else xr.Dataset()
    refits = int(errors.attrs.get("refits", 0))
    for name in WITNESSED:
        if name in errors:
            ds[name], ds[f"{name}_error"] = errors[name], errors[f"{name}_error"]
    for name, of in BOUNDED.items():
        if name in ds and f"{name}_error" in ds:
            value, error = float(ds[name]), float(ds[f"{name}_error"])
            mean = SkewedMean(value, error, dof=refits - 1 if refits else np.inf)
            ds = ds.assign(bounds_of(of, mean))
            ds["level"] = ("level", list(LEVELS))
    certifies = (
        f"bounds from {refits} refits hold for the state only as far as the model can express it"
        if refits
        else "exact for the fitted model; no refits, so nothing about the error of the fit"
    )
    ds = ds.drop_vars([name for name in ds.coords if name != "level"])
    return labelled(
        ds.assign_attrs(certifies=certifies, refits=refits), "approximate", OF_THE_MODEL
    )

"""What a reader of a reconstruction is warned of: numbers that should not be trusted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physgen.analysis.format import is_zero_error
from physgen.workflow.reconstruction.labels import operators_in
from physgen.workflow.summary import dataset_of

__all__ = ["warnings_of"]

STATE_ERROR = 1e-8  # relative energy error above which a state is not the ground state
FEW_SAMPLES = 1000  # below this an error bar is itself uncertain by more than 2 %
ALARM_SIGMA = 4.0  # standard errors that call an alarm
OUTSIDE = 0.01  # of its range, by which a number may be when its bias has been removed
SHOWN_BONDS = 4  # of the pairs of neighbours that a warning names
ROUNDING = 1e-6  # of the model's float32 arithmetic, in a mass


def warnings_of(tree: xr.DataTree, sources: dict[str, xr.Dataset]) -> tuple[str, ...]:
    """Return the warnings of an open run; `sources` holds its observables."""
    validation = dataset_of(tree, "validation")
    return (
        *_model_warnings(dataset_of(tree, "data")),
        *_fit_warnings(dataset_of(tree, "training")),
        *_state_warnings(dataset_of(tree, "state")),
        *_warnings(sources, validation, dataset_of(tree, "validation/exact")),
        *_physicality_warnings(tree),
        *_disagreement_warnings(sources),
        *_range_warnings(dataset_of(tree, "errors")),
    )


def _fit_warnings(training: xr.Dataset | None) -> list[str]:
    """Return what the fit says against itself: a short budget, chains out of equilibrium."""
    said = "" if training is None else str(training.attrs.get("warnings", ""))
    return list(filter(None, said.split("\n")))


def _model_warnings(data: xr.Dataset | None) -> list[str]:
    """Tell which models could not be fitted, and why."""
    return [] if data is None or "models" not in data.attrs else [str(data.attrs["models"])]


def _state_warnings(state: xr.Dataset | None) -> list[str]:
    if state is not None and "energy_variance" in state.attrs:
        return _variance_warnings(state)
    if state is None or "energy_error" not in state.attrs:
        return []
    energy, excess = float(state.attrs["energy"]), float(state.attrs["energy_error"])
    if state.attrs["converged"] and abs(excess) <= STATE_ERROR * abs(energy - excess):
        return []
    ended = "" if state.attrs["converged"] else " and still changed in the last sweep"
    return [
        f"the measured state is not quite the ground state: its energy is {excess:.1e} above E0"
        f"{ended}; raise [state] chi_max"
    ]


def _variance_warnings(state: xr.Dataset) -> list[str]:
    """Tell of a ground state without a closed form that is not converged, or not the only one."""
    told: list[str] = []
    energy, variance = float(state.attrs["energy"]), float(state.attrs["energy_variance"])
    if not state.attrs["converged"] or variance > STATE_ERROR * energy**2:
        ended = "" if state.attrs["converged"] else ", and it still changed in the last sweep"
        told.append(
            f"the measured state is not quite a ground state: <H^2> - <H>^2 = {variance:.1e}"
            f"{ended}; raise [state] chi_max"
        )
    if int(state.attrs.get("degeneracy", 1)) > 1:
        told.append(
            f"the ground level has {state.attrs['degeneracy']} states: measured is the one with "
            f"{state.attrs['sector']}"
        )
    return told


def _warnings(
    sources: dict[str, xr.Dataset], validation: xr.Dataset | None, exact: xr.Dataset | None
) -> list[str]:
    warnings: list[str] = []
    for source, ds in sources.items():
        names = [str(v) for v in ds.data_vars if str(v).endswith("_unphysical")]
        bad = [name.removesuffix("_unphysical") for name in names if bool((ds[name] > 0).any())]
        if bad:
            warnings.append(
                f"unphysical estimate from the {source}: {', '.join(bad)} lies outside its range "
                "by more than chance allows; do not trust it without more shots"
            )
        if ds.attrs.get("exactness") != "exact":  # a state has no error of sampling
            warnings += _zero_error_warnings(source, ds)
        if source == "data" and "missing" in ds.attrs:
            warnings.append(f"the data cannot give everything: {ds.attrs['missing']}")
        n = int(ds.attrs.get("n", FEW_SAMPLES))
        if n < FEW_SAMPLES:
            warnings.append(f"only {n:,} shots behind the {source} column: its errors are rough")
    if validation is None or "fidelity" not in validation:
        return warnings
    return warnings + _distance_warnings(validation, exact)


def _disagreement_warnings(sources: dict[str, xr.Dataset]) -> list[str]:
    """Tell of observables on which model and shots contradict each other.

    Both come from the same shots, which makes them closer than their errors say, not farther.
    """
    if not {"data", "model"} <= set(sources):
        return []
    data, model = sources["data"], sources["model"]
    found: list[str] = []
    for name in ("energy", "x_mean", "z_mean", "x", "z", "zz", *operators_in(data)):
        if f"{name}_error" in data and f"{name}_error" in model:
            spread = np.hypot(data[f"{name}_error"], model[f"{name}_error"])
            # Shots that all say the same have no error to compare with.
            frozen = [is_zero_error(*pair) for pair in _pairs(data, name)]
            far = abs(data[name] - model[name]) > ALARM_SIGMA * spread
            if np.any(far.values.ravel() & ~np.array(frozen)):
                found.append(name)
    if not found:
        return []
    return [
        f"model and data disagree on {', '.join(found)} by more than {ALARM_SIGMA:.0f} errors: "
        "the model cannot express this state, or the fit went wrong; believe the data"
    ]


def _range_warnings(errors: xr.Dataset | None) -> list[str]:
    """Tell of numbers that left their range when the bias was removed."""
    names = [n for n in ("fidelity_squared", "purity") if errors is not None and n in errors]
    outside = [n for n in names if not -OUTSIDE <= float(errors[n]) <= 1 + OUTSIDE]  # type: ignore[index]
    if not outside:
        return []
    return [
        f"{', '.join(outside)} of the model left the physical range as the bias was removed: the "
        "refits scatter widely; more refits or min_steps, or believe the column from the shots"
    ]


def _physicality_warnings(tree: xr.DataTree) -> list[str]:
    """Tell of neighbours whose matrix no state has, beyond chance."""
    warnings: list[str] = []
    for source in ("data", "model"):
        ds = dataset_of(tree, f"physicality/{source}")
        if ds is None or not bool((ds["unphysical"] > 0).any()):
            continue
        bonds = [f"{i}-{i + 1}" for i in ds["bond"].values[ds["unphysical"].values > 0]]
        more = ", ..." if len(bonds) > SHOWN_BONDS else ""
        warnings.append(
            f"no state has the two-site matrices of the {source} on "
            f"{', '.join(bonds[:SHOWN_BONDS])}{more}: they have negative eigenvalues beyond "
            "chance; "
            + (
                "check the POVM and the order of its outcomes"
                if source == "data"
                else "the model is not a state there; compare it with an mps or lpdo"
            )
        )
    return warnings


def _zero_error_warnings(source: str, ds: xr.Dataset) -> list[str]:
    """Tell of observables that came out the same in every shot: their error is not zero."""
    names = [str(name) for name in ds.data_vars if f"{name}_error" in ds]
    frozen = [name for name in names if all(is_zero_error(*pair) for pair in _pairs(ds, name))]
    if not frozen or int(ds.attrs.get("n", FEW_SAMPLES)) < 2:
        return []
    if frozen == names:
        return [f"all shots behind the {source} column are identical: no error can be given"]
    listed = ", ".join(frozen)
    return [f"all shots of the {source} give the same {listed}: no error can be given"]


def _distance_warnings(validation: xr.Dataset, exact: xr.Dataset | None) -> list[str]:
    warnings: list[str] = []
    n = int(validation["n_validation"])
    if n < FEW_SAMPLES:
        warnings.append(f"only {n:,} samples behind F_c and KL: raise [validate] n_samples")
    for name, label, wide, narrow in (
        ("kl_forward", "KL(P||Q)", "state", "model"),
        ("kl_reverse", "KL(Q||P)", "model", "state"),
    ):
        if any(ds is not None and np.isinf(ds[name]) for ds in (validation, exact)):
            warnings.append(
                f"{label} is infinite: the {wide} gives probability to outcomes that the {narrow} "
                "excludes"
            )
    f, error = validation["fidelity"].values, validation["fidelity_error"].values
    spread = float(np.hypot(*error))
    if spread > 0 and abs(f[0] - f[1]) > ALARM_SIGMA * spread:
        warnings.append(
            "F_c from samples of the state and of the model disagree: their weights have heavy "
            "tails, and the errors are too small; raise [validate] n_samples"
        )
    covered = zip(
        validation["covered_mass"].values,
        validation["covered_mass_error"].values,
        (
            "the model gives about {} of its probability to outcomes that the state excludes",
            "the model misses about {} of the state's distribution",
        ),
        strict=True,
    )
    warnings += [
        text.format(f"{1 - mass:.2%}")
        for mass, error, text in covered
        if 1 - mass > ALARM_SIGMA * error + ROUNDING
    ]
    return warnings


def _pairs(ds: xr.Dataset, name: str) -> zip[tuple[float, float]]:
    """Return each value of an observable with its error."""
    return zip(ds[name].values.flat, ds[f"{name}_error"].values.flat)

"""Refits of the chosen model to bootstrap resamples: error bars that hold the error of the fit.

The held-out shots stay as they are and only those trained on are resampled, so that no copy of a
shot is on both sides.  A refit takes the steps that the fit kept: if each chose them by the few
held-out shots, they would stop at different ones, and that would pass for a bias.  Observables of
a state are contracted; those of a network come from samples, drawn with the same random numbers
from the model and from every refit.
"""

from __future__ import annotations

import json
import time
from typing import Any

import xarray as xr

from physgen.analysis.refits import LEVELS, refit_errors
from physgen.workflow.labels import labelled
from physgen.workflow.reconstruction import models
from physgen.workflow.reconstruction.context import ReconstructionContext
from physgen.workflow.reconstruction.evaluation import OBSERVABLES, model_observables
from physgen.workflow.reconstruction.fitting import chosen_section, fit_model
from physgen.workflow.reconstruction.labels import operators_in
from physgen.workflow.reconstruction.tomography import NUMBERS, model_numbers, reason_against
from physgen.workflow.reconstruction.witness import WITNESSED, model_witness
from physgen.workflow.reporting import eta

__all__ = ["refit"]

CHECKPOINT = "refits/checkpoint"


def refit(context: ReconstructionContext) -> str:
    """Fit the chosen model anew to resampled shots; commit /refits, and /errors at the end."""
    from physgen import models as families
    from physgen.training import Schedule

    n, store = context.config.errors.refits, context.store
    if n == 0:
        none = xr.Dataset(attrs={"refits": 0})
        store.commit({"errors": labelled(none, "approximate", "the state")})
        return "no refits: errors of the model are of its sampling alone"
    section, data = chosen_section(context), context.data()
    split = context.stream("train").child("split")
    likelihood = models.likelihood_for(context.config, section, data, split)
    kept = store.read("training").attrs
    plan = json.loads(kept.get("plan", "[]"))
    if not store.has("refits"):
        fitted = families.from_dataset(store.read("model"))
        store.commit({"refits": _row(context, fitted)})  # row 0: the fit to the data themselves
    begun_at: list[float] = []  # when each refit of this process began
    while (done := store.read("refits").sizes["refit"]) <= n:
        context.check_stop()
        begun_at.append(time.monotonic())
        told = (f"{done} of {n}", _left(begun_at, n + 1 - done))
        context.reporter.update("refit", ", ".join(filter(None, told)))
        stream = context.stream("refit").child(done)
        resampled = likelihood.resampled(
            stream.child("resample"),
            within_settings=data.settings is not None,
            bases=None if data.povm.bases is None else data.povm.bases.of,
        )
        model = models.build(section, data, stream.child("init"))
        begun = store.has(CHECKPOINT) and store.read(CHECKPOINT).attrs["refit"] == done

        def commit(state: xr.Dataset, history: xr.Dataset, row: int = done) -> None:
            fit = labelled(state, "exact", "the refit, as it continues from here", units=False)
            store.commit({CHECKPOINT: fit.assign_attrs(refit=row)})

        result = fit_model(
            context,
            section,
            models.objective_of(section, resampled),
            model,
            stream.child("fit"),
            schedule=Schedule(int(kept["n_steps"]), int(kept["best_step"]), plan),
            resume_from=store.read(CHECKPOINT) if begun else None,
            on_checkpoint=commit,
        )
        refitted = models.density(result.model, stream.child("log z"))
        store.commit({"refits": _row(context, refitted)}, append={"refits": "refit"})
    store.commit({"errors": _errors(context, store.read("refits"))})
    store.cite("bootstrap")
    return f"{n} refits to resampled shots"


def _left(begun_at: list[float], n_left: int) -> str:
    """Return the time that the refits left will take, once two are done."""
    done = len(begun_at) - 1
    return eta((begun_at[-1] - begun_at[0]) / done * n_left) if done >= 2 else ""


def _row(context: ReconstructionContext, model: Any) -> xr.Dataset:
    n = context.config.errors.n_samples
    ds = model_observables(context, model, n=n, rng=context.stream("refit").child("samples"))
    ds = ds.assign(model_witness(context, model, ds))
    kept = (*OBSERVABLES, *operators_in(ds), *WITNESSED)
    ds = ds[[name for name in ds.data_vars if str(name).removesuffix("_error") in kept]]
    if not reason_against(context):
        numbers = model_numbers(context, model)
        ds = ds.assign({name: numbers[name] for name in NUMBERS if name in numbers})
    row = ds.expand_dims("refit").reset_coords(drop=True)
    about = {"long_name": "row 0: the fit to the data; others: refits to resampled shots"}
    return labelled(row.assign_attrs(about), "asymptotic", "the models")


def _errors(context: ReconstructionContext, rows: xr.Dataset) -> xr.Dataset:
    """Return each observable with the error of the fit, from the rows of /refits."""
    from physgen import models as families

    model = families.from_dataset(context.store.read("model"))
    found = model_observables(context, model, samples=context.store.read("samples"))
    found = found.assign(model_witness(context, model, found))
    variables: dict[str, Any] = {}
    for name in (*OBSERVABLES, *operators_in(rows), *NUMBERS, *WITNESSED):
        if name not in rows:
            continue
        fit, refits = rows[name].values[0], rows[name].values[1:]
        theirs = rows[f"{name}_error"].values[1:] if f"{name}_error" in rows else 0.0
        value = found[name].values if name in found else fit
        sigma = found[f"{name}_error"].values if f"{name}_error" in found else 0.0
        # The fit and its refits were sampled alike; what that shows is moved to the full sample.
        numbers = refit_errors(value, refits - fit + value, sigma, theirs)
        dims, about = rows[name].dims[1:], dict(rows[name].attrs)
        operator = {"operator": about.pop("operator")} if "operator" in about else {}
        parts = {
            "": numbers.estimate,
            "_error": numbers.error,
            "_bias": numbers.bias,
            "_error_of_fit": numbers.fit_error,
            "_error_of_sampling": numbers.sampling_error,
        }
        for suffix, values in parts.items():
            variables[f"{name}{suffix}"] = (dims, values, about | {"long_name": _LONG[suffix]})
        variables[name][2].update(operator)  # marks the value alone
        variables[f"{name}_interval"] = (
            (*dims, "level", "bound"),
            numbers.interval,
            about | {"long_name": "interval of the estimate"},
        )
    ds = xr.Dataset(
        variables,
        coords={
            **{name: found[name] for name in found.coords if name in ("site", "i", "r")},
            "level": list(LEVELS),
            "bound": ["low", "high"],
        },
        attrs={
            "refits": rows.sizes["refit"] - 1,
            "estimator": "fit to the data less its bias; bias and error from bootstrap refits",
        },
    )
    return labelled(ds, "asymptotic", "the state, as far as the model can express it")


_LONG = {
    "": "value of the fit, less the bias that refits show",
    "_error": "standard error, of fit and sampling together",
    "_bias": "mean of the refits minus the fit",
    "_error_of_fit": "standard error of the fit alone",
    "_error_of_sampling": "standard error of sampling the model",
}

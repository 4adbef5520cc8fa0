"""What the training history is called, and how a likelihood is told."""

from __future__ import annotations

import xarray as xr

from physgen.analysis.format import format_estimate

__all__ = ["NLL_UNITS", "nll_text", "operators_in", "with_names"]

NLL_UNITS = "nat/site"
HISTORY = {
    "step": "optimiser steps done",
    "epoch": "epochs done, passes over the training shots",
    "train_nll": "negative log-likelihood of the training shots, mean since the last evaluation",
    "validation_nll": "negative log-likelihood of the held-out shots",
    "validation_nll_error": "standard error of validation_nll",
    "learning_rate": "learning rate of Adam",
}


def with_names(ds: xr.Dataset) -> xr.Dataset:
    """Return the history of a training with a ``long_name`` on every variable."""
    ds = ds.copy()
    for name, variable in ds.variables.items():
        variable.attrs.setdefault("long_name", HISTORY.get(str(name), str(name)))
    return ds


def nll_text(nll: float, error: float) -> str:
    """Return a negative log-likelihood with its standard error, where that is known (not NaN)."""
    return f"{format_estimate(nll, error if error == error else None)} {NLL_UNITS}"


def operators_in(ds: xr.Dataset) -> list[str]:
    """Return the observables of a user's own, which are marked by their operator."""
    return [str(name) for name in ds.data_vars if "operator" in ds[name].attrs]

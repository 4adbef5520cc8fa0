"""The series of a run with what is known of their target, and what is to be estimated of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.observables.evaluate import is_component

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Ensemble", "Quantity", "ensemble_of"]


class Quantity(NamedTuple):
    """What to estimate: a function of the means of series; tau_int is reported for `slow`."""

    name: str
    unit: str
    estimator: str
    series: tuple[np.ndarray, ...]
    slow: np.ndarray
    function: Callable[..., Any] | None = None


class Ensemble(NamedTuple):
    """The series of a run, and what is known of their target.

    Attributes
    ----------
    series : mapping of str to ndarray
        Each (n_chains, n_draws); of the components of an observable G[0], G[1], ...
    attrs : mapping of str to mapping
        Of each observable: its units.
    shape : tuple of int
        Of the lattice.
    z2 : bool
        Whether a symmetry makes the mean of m zero.
    beta : float or None
    """

    series: Mapping[str, np.ndarray]
    attrs: Mapping[str, Mapping[str, Any]]
    shape: tuple[int, ...]
    z2: bool
    beta: float | None

    @property
    def V(self) -> int:
        """Number of sites."""
        return math.prod(self.shape)

    def parts(self, name: str) -> list[np.ndarray]:
        """Return the series of an observable: one, or one for each component; or none."""
        if name in self.series:
            return [self.series[name]]
        return [a for key, a in self.series.items() if key.startswith(f"{name}[")]


def ensemble_of(ds: xr.Dataset) -> Ensemble:
    """Return the series of a Dataset as `run` returns it.

    Raises
    ------
    InputError
        If the Dataset is not a run, or has a dim beside chain and draw.
    """
    if not hasattr(ds, "data_vars"):
        raise InputError(f"estimates needs a Dataset as `run` returns it, got {ds!r}")
    if not {"chain", "draw"} <= set(ds.sizes) or "event_shape" not in ds.attrs:
        raise InputError(
            "estimates needs a Dataset as `run` returns it, with dims chain and draw and the attr "
            f"event_shape, got dims {tuple(ds.sizes)}"
        )
    found: dict[str, np.ndarray] = {}
    attrs: dict[str, Mapping[str, Any]] = {}
    for name in map(str, ds.data_vars):
        if name == "configurations" or not {"chain", "draw"} <= set(ds[name].dims):
            continue
        extra = [str(d) for d in ds[name].dims if d not in ("chain", "draw")]
        if extra and not all(is_component(name, d) for d in extra):
            raise InputError(
                f"estimates takes one replica at a time, got dim {extra[0]!r}; choose with "
                f"ds.sel({extra[0]}=...)"
            )
        values = ds[name].transpose("chain", "draw", *extra).values
        attrs[name] = ds[name].attrs | {"dims": extra}
        for place in np.ndindex(values.shape[2:]):  # the components of an observable
            label = f"[{','.join(map(str, place))}]" if place else ""
            found[f"{name}{label}"] = values[(slice(None), slice(None), *place)]
    shape = np.atleast_1d(ds.attrs.get("lattice_shape", ds.attrs["event_shape"]))
    z2 = "z2" in str(ds.attrs.get("symmetries", "")).split()
    beta = float(ds["beta"]) if "beta" in ds.coords else None
    return Ensemble(found, attrs, tuple(int(n) for n in shape), z2, beta)

r"""Values of observables that are functions of a user: their arguments, and what they may return.

A function takes configurations x of shape (n, *event_shape), spins as float64, outcomes as int64
(:func:`physgen.core.arrays.wide`), and returns n real numbers, or n arrays of one shape: a
correlator G(r) is an observable of shape (n, L/2 + 1).  Its name becomes a variable of xarray and
of HDF5, so it must be neither a dim nor a label of a result, nor hold a ``/``.  The components of
an array lie along dims of the observable's name, ``G_0``, unless it names them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from physgen.core.arrays import real_numbers, to_numpy, wide
from physgen.core.errors import InputError

__all__ = [
    "check_names",
    "checked_values",
    "component_coords",
    "component_dims",
    "is_component",
    "values_of",
]

_COMPONENTS = ("distance", "momentum", "component")  # dims of physgen's own observables

# Dims, coords and variables of the results of runs, weighted draws and SMC.
_TAKEN = frozenset({
    "acceptance_probability", "acceptance_rate", "chain", "component", "configurations", "delta_h",
    "discretisation", "distance", "divergent", "draw", "entropy", "entropy_error", "ess_forward",
    "ess_reverse", "ess_share", "fraction", "free_energy", "free_energy_error", "island", "k_hat",
    "largest_share", "log_z", "log_z_error", "log_z_island", "momentum", "n_ancestors", "particle",
    "quantity", "round_trip", "round_trips", "sample", "sample_log_weight", "stage", "start",
    "swap_rate", "variational_free_energy", "whole_action",
})  # fmt: skip


def check_names(names: Iterable[Any], taken: Iterable[str] = ()) -> None:
    """Raise InputError for a name that no variable of xarray or HDF5 can have.

    Parameters
    ----------
    names : iterable
    taken : iterable of str
        More names that are in use: couplings, which label results, and axes of kept fields.
    """
    used = _TAKEN | set(taken)
    for name in names:
        if not isinstance(name, str) or not name:
            raise InputError(f"observable must have a text as its name, got {name!r}")
        if "/" in name or "\0" in name or name in (".", ".."):
            raise InputError(
                f"name of an observable must be a name of a variable in a file, without '/', got "
                f"{name!r}; e.g. {name.replace('/', '_').strip('.') or 'my_observable'!r}"
            )
        if name in used:
            raise InputError(
                f"name of an observable must not be one that results use themselves, got "
                f"{name!r}; e.g. 'my_{name}'"
            )


def checked_values(name: str, value: Any, n: int) -> np.ndarray:
    """Return what an observable gave for n configurations, float64 of shape (n, ...).

    Raises
    ------
    InputError
        If the values are complex, no numbers, or not one (or one array) a configuration.
    """
    value = to_numpy(real_numbers(f"observable {name!r}", value)).astype(np.float64, copy=False)
    if value.shape[:1] != (n,) or 0 in value.shape[1:]:
        raise InputError(
            f"observable {name!r} must return one number, or one array, a configuration: shape "
            f"({n}, ...), got shape {value.shape}"
        )
    return value


def component_dims(name: str, shape: tuple[int, ...], observable: Any = None) -> tuple[str, ...]:
    """Return the dims of the components of an observable, for values (n, *shape): G_0, G_1, ...

    Those that the observable itself names, if it is an Observable with `coords` of this shape.
    """
    named = getattr(observable, "coords", {})
    if named and tuple(len(values) for values in named.values()) == shape:
        return tuple(named)
    return tuple(f"{name}_{axis}" for axis in range(len(shape)))


def component_coords(observables: Mapping[str, Any], dims: Iterable[Any]) -> dict[str, Any]:
    """Return where the components of these observables are, along those of `dims`."""
    known: dict[str, Any] = {}
    for observable in observables.values():
        known |= dict(getattr(observable, "coords", {}))
    return {str(dim): (str(dim), known[str(dim)]) for dim in dims if str(dim) in known}


def is_component(name: str, dim: str) -> bool:
    """Whether a dim of an observable counts its components, rather than replicas."""
    return dim in _COMPONENTS or dim.startswith(f"{name}_")


def values_of(name: str, function: Callable[[Any], Any], x: Any, kind: str) -> np.ndarray:
    """Return an observable of a user on configurations x (n, *event_shape) of a kind of support.

    Returns
    -------
    ndarray
        float64, shape (n,) or (n, ...).
    """
    return checked_values(name, function(wide(x, kind)), len(x))

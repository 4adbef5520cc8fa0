r"""Values of observables that are functions of a user: their arguments, and what they may return.

A function takes configurations x of shape (n, *event_shape), spins as float64, outcomes as int64
(:func:`physgen.core.arrays.wide`), and returns n real numbers, or n arrays of one shape: a
correlator G(r) is an observable of shape (n, L/2 + 1).  Its name becomes a variable of xarray and
of HDF5, so it must be neither a dim nor a label of a result, nor hold a ``/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from physgen.core.arrays import real_numbers, to_numpy, wide
from physgen.core.errors import InputError

__all__ = ["check_names", "checked_values", "component_dims", "values_of"]

# Dims, coords and variables of the results of runs, weighted draws and SMC.
_TAKEN = frozenset({
    "acceptance_probability", "acceptance_rate", "chain", "configurations", "delta_h",
    "discretisation", "divergent", "draw", "entropy", "entropy_error", "ess_forward",
    "ess_reverse", "ess_share", "fraction", "free_energy", "free_energy_error", "island", "k_hat",
    "largest_share", "log_z", "log_z_error", "log_z_island", "n_ancestors", "particle",
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


def component_dims(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the dims of the components of an observable, for values (n, *shape): G_0, G_1, ..."""
    return tuple(f"{name}_{axis}" for axis in range(len(shape)))


def values_of(name: str, function: Callable[[Any], Any], x: Any, kind: str) -> np.ndarray:
    """Return an observable of a user on configurations x (n, *event_shape) of a kind of support.

    Returns
    -------
    ndarray
        float64, shape (n,) or (n, ...).
    """
    return checked_values(name, function(wide(x, kind)), len(x))

r"""Observables by name, for any target: how its numbers are sites of a lattice, or components.

The first axes of a configuration are those of the lattice, where the target declares one; more
axes are components of a field, :math:`\phi^a_x`.  Components are never averaged:

.. math::
    m^a = \frac1V \sum_x \phi^a_x, \qquad
    G(t) = \sum_a G^{aa}(t), \qquad \tilde G(p) = \sum_a \tilde G^{aa}(p), \qquad
    \overline{\phi^2} = \frac1V \sum_x \sum_a (\phi^a_x)^2 .
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from physgen.core.declared import declared, site_shape
from physgen.core.errors import InputError
from physgen.lattice.graph import Graph
from physgen.observables.configurations import (
    magnetization,
    mean_square,
    structure_factor_kmin,
)
from physgen.observables.correlators import correlator, propagator
from physgen.observables.observable import Observable

__all__ = [
    "CORRELATORS",
    "SHELF",
    "check_connected",
    "functions_of",
    "shelf_observable",
    "shelf_observables",
]

CORRELATORS = ("correlator", "propagator")
SHELF = ("magnetization", "mean_square", "structure_factor_kmin", *CORRELATORS)
_FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "magnetization": (magnetization, "m = (1/V) sum_x phi_x"),
    "mean_square": (mean_square, "(1/V) sum_x phi_x^2"),
    "structure_factor_kmin": (structure_factor_kmin, "S at |k| = 2 pi / L"),
    "correlator": (correlator, "G(t) of zero-momentum slices, not connected"),
    "propagator": (propagator, "G(p) along the axes, not connected"),
}
_PERIODIC = ("structure_factor_kmin", *CORRELATORS)


def shelf_observables(target: Any, names: Iterable[str]) -> dict[str, Observable]:
    """Return observables of a target by name: its own, or those of this shelf.

    Parameters
    ----------
    target : Target or Configurations
    names : iterable of str
        Of ``target.observables``, or of magnetization, mean_square, structure_factor_kmin,
        correlator and propagator.

    Raises
    ------
    InputError
        If a name is unknown, does not fit the lattice, or is a correlator without the
        magnetization that its connected part needs.
    """
    wanted = [str(name) for name in names]
    check_connected(target, wanted)
    return {name: shelf_observable(target, name) for name in wanted}


def functions_of(target: Any, observables: Any) -> Mapping[str, Callable[[Any], Any]] | None:
    """Return observables as functions by name; names are looked up, nothing stays None.

    Raises
    ------
    InputError
        If they are neither a mapping nor names, or a name is unknown.
    """
    if observables is None or isinstance(observables, Mapping):
        return observables
    given = [observables] if isinstance(observables, str) else observables
    if not isinstance(given, Iterable):
        raise InputError(
            f"observables must be names, or a mapping of names to functions, got {given!r}"
        )
    return shelf_observables(target, given)


def shelf_observable(target: Any, name: str, known: Iterable[str] = ()) -> Observable:
    """Return one observable of a target by name; `known` are further names for the message."""
    about = declared(target)
    if name in about.observables:
        own = about.observables[name]
        return own if isinstance(own, Observable) else Observable(name, own)
    if name not in SHELF:
        listed = ", ".join(sorted({*known, *about.observables, *SHELF}))
        raise InputError(
            f"observable must be one of {listed}, got {name!r}; others can be given as functions "
            "of configurations, observables={name: function}"
        )
    sites = site_shape(target)
    if about.lattice is None and len(set(sites)) > 1:
        raise InputError(
            f"{name} of configurations of shape {sites} needs a lattice, which tells sites from "
            f"components; declare it, e.g. lattice=Hypercubic({sites[:-1]}) or Hypercubic({sites})"
        )
    if name in _PERIODIC:
        _check_lattice(about.lattice, target, name)
    function, text = _FUNCTIONS[name]
    n_components = len(target.event_shape) - len(sites)
    if not n_components:
        made: Callable[[Any], Any] = partial(function, dim=len(sites))
    else:
        summed = name != "magnetization"
        made = partial(_of_components, function, len(sites), n_components, summed)
    coords: dict[str, Any] = {}
    T = max(sites)
    if name == "correlator":
        coords = {"distance": np.arange(T // 2 + 1)}
    elif name == "propagator":
        coords = {"momentum": 2 * np.pi * np.arange(T // 2 + 1) / T}
    elif name == "magnetization" and n_components == 1:
        coords = {"component": np.arange(target.event_shape[-1])}
    return Observable(name, made, "1", text, coords)


def check_connected(target: Any, names: Iterable[str]) -> None:
    """Raise :class:`InputError` for a correlator whose connected part cannot be known."""
    wanted = list(names)
    asked = [name for name in wanted if name in CORRELATORS]
    if asked and not declared(target).is_even and "magnetization" not in wanted:
        raise InputError(
            f"{asked[0]} of a target without the symmetry 'z2' needs the magnetization, whose "
            f"square is subtracted; record both: observables=['magnetization', {asked[0]!r}]"
        )


def _check_lattice(lattice: Any, target: Any, name: str) -> None:
    if isinstance(lattice, Graph):
        raise InputError(f"{name} needs a Hypercubic lattice, got {target!r}: a graph has no k")
    if name not in CORRELATORS:
        return
    if lattice is None or target.support.kind not in ("spins", "reals"):
        raise InputError(
            f"{name} needs spins or fields on a lattice, got {target!r}; declare it, e.g. "
            f"lattice=Hypercubic({tuple(target.event_shape)})"
        )
    if not lattice.is_periodic:
        raise InputError(
            f"{name} needs a periodic lattice, got boundary {lattice.boundary!r}: an open axis "
            "has no translations to average over"
        )


def _of_components(
    function: Callable[..., Any], dim: int, n_components: int, summed: bool, x: Any
) -> Any:
    """Return a function of a field with components, which are the last axes of x."""
    xp = array_namespace(x)
    last = x.ndim
    lead = list(range(last - dim - n_components))
    sites = list(range(last - dim - n_components, last - n_components))
    components = list(range(last - n_components, last))
    values = function(xp.permute_dims(x, (*lead, *components, *sites)), dim)
    if not summed:
        return values
    axes = tuple(range(len(lead), len(lead) + n_components))
    return xp.sum(values, axis=axes)

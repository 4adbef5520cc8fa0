"""Exact values of a target, from the oracle that knows most about it.

| target | oracle | limit |
|---|---|---|
| Ising, any | enumeration | 25 sites |
| Ising, uniform J, no field | Kaufman | two-dimensional tori of any size |
| Ising, any | transfer matrix | layers of 20 sites (open), 12 (periodic) |
| Phi4 | transfer matrix and quadrature | tori 4 sites wide, 32 long (8 wide: `phi4_spectrum`) |
| FreeField, Phi4 with quart = 0 | Gaussian modes | none |
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.exact import kaufman
from physgen.exact.enumeration import MAX_SITES, enumerated_observables
from physgen.exact.free_field import free_field_observables
from physgen.exact.labels import ising_dataset
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.exact.transfer_matrix import strip_observables, time_axis
from physgen.lattice.hypercubic import Hypercubic
from physgen.targets.free_field import FreeField
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

__all__ = ["exact_ising", "exact_phi4", "exact_values", "is_uniform_torus", "torus_observables"]

_METHODS = ("auto", "enumeration", "kaufman", "transfer_matrix")


@functools.singledispatch
def exact_values(target: Any) -> xr.Dataset:
    """Return the exact values of a target under the names of the estimates.

    ``exact_values.register(cls, oracle)`` adds an oracle for another class of targets.

    Parameters
    ----------
    target : Ising, Phi4, FreeField or of a registered class
        See the table above for the limits.

    Returns
    -------
    xarray.Dataset
        From :func:`exact_ising`, :func:`exact_phi4` or :func:`free_field_observables`;
        ``attrs["method"]`` names the oracle.

    Raises
    ------
    InputError
        If there is no oracle for the target.
    """
    known = [kind.__name__ for kind in exact_values.registry if kind is not object]
    raise InputError(f"exact values are known for {', '.join(known)}, got {target!r}")


@exact_values.register
def exact_ising(target: Ising, method: str = "auto") -> xr.Dataset:
    """Return exact values of an Ising model.

    Parameters
    ----------
    target : Ising
        The model.
    method : {"auto", "enumeration", "kaufman", "transfer_matrix"}
        "auto": enumeration up to 25 sites, the only oracle with moments of the magnetization; else
        Kaufman; else the transfer matrix.

    Returns
    -------
    xarray.Dataset
        ``log_z``, ``free_energy`` = -log Z, ``free_energy_per_site`` = -log Z/(beta V),
        ``entropy_per_site``, ``energy_per_site``, ``specific_heat``; ``magnetization`` (0 if there
        is no field); by enumeration also ``abs_magnetization``, ``m2``, ``m4``,
        ``susceptibility``, ``chi_abs``, ``binder`` and ``p_magnetization``.

    Raises
    ------
    InputError
        If no oracle, or not the requested one, can treat the model.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> ds = exact_ising(Ising(L=16, beta=0.44))
    >>> ds.method, round(float(ds.energy_per_site), 12)
    ("Kaufman's formula", -1.447743464828)
    """
    check_choice("method", method, _METHODS)
    if method == "enumeration" or (method == "auto" and target.n_sites <= MAX_SITES):
        return enumerated_observables(target)
    if method == "kaufman" or (method == "auto" and is_uniform_torus(target)):
        return torus_observables(target)
    if method == "transfer_matrix" or time_axis(target.lattice) is not None:
        return strip_observables(target)
    raise InputError(
        f"an exact oracle must have at most {MAX_SITES} sites, a uniform two-dimensional torus "
        f"without field, or a narrow strip, got {target!r}; use a sampler"
    )


def torus_observables(target: Ising) -> xr.Dataset:
    """Return the values of :func:`exact_ising` by Kaufman's formula.

    Parameters
    ----------
    target : Ising
        One J, no field, a torus of two dimensions.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not is_uniform_torus(target):
        raise InputError(
            "Kaufman's formula must have one J, no field and a two-dimensional torus with extents "
            f"of at least 2, got {target!r}; use exact_ising"
        )
    J = float(target.bond_couplings[0])
    log_z, first, second = kaufman.log_z_derivatives(target.beta * J, target.lattice.shape)
    return ising_dataset(
        target,
        method="Kaufman's formula",
        log_z=float(log_z),
        energy=-J * float(first),
        energy_variance=max(J**2 * float(second), 0.0),
        moments={"m": 0.0},
    )


@exact_values.register
def exact_phi4(target: Phi4 | FreeField, n_nodes: int = 12) -> xr.Dataset:
    """Return exact values of a scalar field, from Gaussian modes if free, else by quadrature.

    Parameters
    ----------
    target : Phi4 or FreeField
        Free, or on a torus at most 4 sites wide.
    n_nodes : int
        Nodes of the quadrature; see :func:`phi4_torus`, also for the result.
    """
    if isinstance(target, FreeField) or target.quart == 0:
        return free_field_observables(target)
    return phi4_torus(target, n_nodes)


def is_uniform_torus(target: Ising) -> bool:
    """Whether Kaufman's formula holds: one J, no field, a periodic lattice in two dimensions."""
    lattice = target.lattice
    return (
        isinstance(lattice, Hypercubic)
        and lattice.dim == 2
        and lattice.is_periodic
        and min(lattice.shape) >= 2
        and np.ptp(target.bond_couplings) == 0
        and not np.any(target.h)
    )

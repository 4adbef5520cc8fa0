"""Common names of quantities from oracles and samplers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

from physgen.observables.moments import binder, chi_abs, susceptibility

if TYPE_CHECKING:
    from physgen.targets.ising import Ising

__all__ = ["ising_dataset", "labelled", "moment_values"]

_LABELS = {
    "log_z": ("1", "log Z"),
    "free_energy": ("1", "-log Z"),
    "free_energy_per_site": ("J", "-log Z / (beta V)"),
    "entropy_per_site": ("nat", "(log Z + beta <H>) / V"),
    "energy_per_site": ("J", "<H> / V"),
    "specific_heat": ("1", "beta^2 (<H^2> - <H>^2) / V"),
    "magnetization": ("1", "<m>, m the mean over sites"),
    "abs_magnetization": ("1", "<|m|>"),
    "m2": ("1", "<m^2>"),
    "m4": ("1", "<m^4>"),
    "susceptibility": ("1", "chi = V (<m^2> - <m>^2)"),
    "chi_abs": ("1", "V (<m^2> - <|m|>^2)"),
    "binder": ("1", "U = 1 - <m^4> / (3 <m^2>^2)"),
    "action_per_site": ("1", "<S> / V"),
    "phi2": ("1", "<phi^2>, mean over sites"),
    "phi4": ("1", "<phi^4>, mean over sites"),
    "mass_gap": ("1 / lattice spacing", "log(lambda_0 / lambda_1) of the transfer matrix"),
    "two_point": ("1", "G(r) = <phi_x phi_{x+r}>, mean over x"),
}


def labelled(values: Mapping[str, Any], **attrs: Any) -> xr.Dataset:
    """Return a Dataset of these numbers with units and long names; None entries are left out."""
    ds = xr.Dataset(attrs=attrs)
    for name, value in values.items():
        if value is not None:
            unit, long_name = _LABELS[name]
            ds[name] = ((), float(value), {"units": unit, "long_name": long_name})
    return ds


def moment_values(moments: Mapping[Any, float | None], V: int) -> dict[str, float | None]:
    """Return quantities derived from <m>, <|m|>, <m^2>, <m^4> (keys "m", "abs", 2, 4)."""
    m, absolute, m2, m4 = (moments.get(key) for key in ("m", "abs", 2, 4))
    return {
        "magnetization": m,
        "abs_magnetization": absolute,
        "m2": m2,
        "m4": m4,
        "susceptibility": None if m is None or m2 is None else susceptibility(m, m2, V),
        "chi_abs": None if absolute is None or m2 is None else chi_abs(absolute, m2, V),
        "binder": None if m2 is None or m4 is None else binder(m2, m4),
    }


def ising_dataset(
    target: Ising,
    *,
    method: str,
    log_z: float,
    energy: float,
    energy_variance: float,
    moments: Mapping[Any, float | None],
) -> xr.Dataset:
    """Return the observables of an Ising model under the names of the estimates.

    Parameters
    ----------
    target : Ising
        The model.
    method : str
        Name of the method behind the numbers.
    log_z, energy, energy_variance : float
        log Z; mean and variance of H.
    moments : mapping
        As for :func:`moment_values`; unknown moments are left out.
    """
    V, beta = target.n_sites, target.beta
    values = {
        "log_z": log_z,
        "free_energy": -log_z,
        "free_energy_per_site": -log_z / (beta * V) if beta > 0 else None,
        "entropy_per_site": (log_z + beta * energy) / V,
        "energy_per_site": energy / V,
        "specific_heat": beta**2 * energy_variance / V,
    }
    values |= moment_values(moments, V)
    return labelled(values, target=repr(target), method=method, exactness="exact")

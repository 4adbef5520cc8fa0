r"""Series as a run file keeps them: small, and for spins exact.

Energies of an Ising model with integer couplings and sums of spins are integers, kept as int16 or
int32; the magnetization is ``spin_sum`` / n_sites.  Observables of a field are rounded to float32,
:math:`6 \cdot 10^{-8}` of their value.  Everything a run reports is computed from what its file
holds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.protocols import Target
from physgen.samplers.loop.recording import KEPT

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["pack", "unpack"]

SPIN_SUM = "spin_sum"
_SERIES = {"chain", "draw"}


def pack(ds: xr.Dataset, target: Target) -> xr.Dataset:
    """Return the draws of `target` in the form that is stored; :func:`unpack` is the inverse."""
    n = math.prod(target.event_shape)
    if target.support.kind != "spins":
        return _rounded(ds)
    ds = ds.copy()
    if "magnetization" in ds:
        long_name = f"sum of all spins; the magnetization is {SPIN_SUM} / {n}"
        attrs = ds["magnetization"].attrs | {"units": "1", "long_name": long_name, "n_sites": n}
        total = np.rint(ds["magnetization"].values * n)
        ds[SPIN_SUM] = (ds["magnetization"].dims, total.astype(_width(n)), attrs)
        ds = ds.drop_vars("magnetization")
    if "energy" in ds and (bound := _integer_bound(target)):
        energy = np.rint(ds["energy"].values).astype(_width(bound))
        ds["energy"] = (ds["energy"].dims, energy, ds["energy"].attrs)
    return ds


def unpack(ds: xr.Dataset) -> xr.Dataset:
    """Return stored draws as float64, with the names that analysis expects."""
    ds = ds.copy()
    if SPIN_SUM in ds:
        attrs = dict(ds[SPIN_SUM].attrs)
        n = int(attrs.pop("n_sites"))
        values = ds[SPIN_SUM].values / n
        attrs["long_name"] = "mean spin"
        ds["magnetization"] = (ds[SPIN_SUM].dims, values, attrs)
        ds = ds.drop_vars(SPIN_SUM)
    for name in ds.data_vars:
        series = set(ds[name].dims) >= _SERIES and name != KEPT
        if series and ds[name].dtype != np.float64:
            ds[name] = _as(np.float64, ds[name])
    return ds


def _rounded(ds: xr.Dataset) -> xr.Dataset:
    series = [name for name in ds.data_vars if set(ds[name].dims) >= _SERIES]
    return ds.assign({name: _as(np.float32, ds[name]) for name in series})


def _as(dtype: type[np.floating[Any]], variable: Any) -> Any:
    """Return a variable in another precision."""
    return variable.astype(dtype, keep_attrs=True)


def _width(bound: float) -> type[np.signedinteger[Any]]:
    return np.int16 if bound < 2**15 else np.int32


def _integer_bound(target: Any) -> int:
    """Return the largest modulus of an energy if all are integers, else 0."""
    J, h = (np.atleast_1d(np.asarray(getattr(target, k, 0.5), dtype=float)) for k in ("J", "h"))
    if not all(np.array_equal(a, np.rint(a)) for a in (J, h)):
        return 0
    lattice = target.lattice
    bonds = np.abs(np.broadcast_to(J, (lattice.n_bonds,))).sum()
    return int(bonds + np.abs(np.broadcast_to(h, (lattice.n_sites,))).sum())

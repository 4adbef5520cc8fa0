r"""What is known exactly along a scan: lines for the figures, and the critical point.

The square-lattice Ising model without a field: energy and specific heat of the L x L torus
(Kaufman 1949), and of the infinite lattice with its spontaneous magnetization (Onsager 1944; Yang
1952).  K = beta J enters throughout.  The critical point of phi^4 is not known exactly.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.workflow.target.axes import Axes

__all__ = ["BINDER_CRITICAL", "critical_coupling", "exact_of", "is_square_ising", "lines"]

N_CURVE = 241  # points of a line
BINDER_CRITICAL = 0.61069  # of the square torus; Kamieniarz and Bloete, J. Phys. A 26 (1993) 201


def is_square_ising(axes: Axes) -> bool:
    """Whether Kaufman's formula holds: nearest neighbours, no field, scanned in beta."""
    return axes.family == "ising-2d" and axes.coupling == "beta" and not axes.fixed["h"]


def critical_coupling(axes: Axes) -> float | None:
    """Return where the transition of the infinite lattice is, if that is known exactly."""
    if not is_square_ising(axes) or axes.fixed["J"] <= 0:
        return None
    return float(np.log1p(np.sqrt(2)) / 2 / axes.fixed["J"])


def lines(axes: Axes) -> xr.Dataset | None:
    """Return what is known on a fine grid of the coupling: dims (L, curve), infinite: (curve)."""
    if not is_square_ising(axes):
        return None
    from physgen.exact import onsager

    values = np.array(axes.values, dtype=float)
    x = np.linspace(values.min(), values.max(), N_CURVE)
    critical = critical_coupling(axes)
    if critical is not None and x[0] < critical < x[-1]:
        # The infinite lattice is singular here: points ever closer on either side, none at it.
        near = float(np.ptp(x)) * np.logspace(-6, -2, 17)
        x = np.unique(np.concatenate([x[x != critical], critical - near, critical + near]))
    J = axes.fixed["J"]
    found = {name: (("L", "curve"), y) for name, y in _torus(axes, x).items()}
    infinite = {
        "energy_per_site": J * onsager.energy_per_site(J * x),
        "specific_heat": onsager.specific_heat(J * x),
        "abs_magnetization": onsager.magnetization(J * x),
    }
    if J < 0:
        del infinite["abs_magnetization"]
    found |= {f"{name}_infinite": (("curve",), y) for name, y in infinite.items()}
    ds = xr.Dataset(found, {"L": axes.extents, "coupling": ("curve", x)})
    return ds.assign_attrs(estimator="Kaufman 1949 (finite L); Onsager 1944, Yang 1952 (infinite)")


def _torus(axes: Axes, x: np.ndarray) -> dict[str, np.ndarray]:
    from physgen.exact import kaufman

    J = axes.fixed["J"]
    extents = [L for L in axes.extents if L is not None]
    energy = [J * kaufman.energy_per_site(J * x, (L, L)) for L in extents]
    heat = [kaufman.specific_heat(J * x, (L, L)) for L in extents]
    return {"energy_per_site": np.array(energy), "specific_heat": np.array(heat)}


def exact_of(target: Target) -> dict[str, float]:
    """Return what is known exactly of a target, by the names of the estimates.

    Where a symmetry makes the magnetization zero it is left out.
    """
    from physgen.exact import exact_values

    try:
        known = exact_values(target)
    except InputError:  # no oracle reaches it
        return {}
    even = declared(target).is_even
    return {
        str(name): float(value)
        for name, value in known.data_vars.items()
        if value.ndim == 0
        and not str(name).endswith("_error")
        and not (even and name == "magnetization")
    }

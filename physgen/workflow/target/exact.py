r"""What is known exactly of a target, and along a scan: values, lines, the critical point.

The square-lattice Ising model without a field: energy and specific heat of the L x L torus
(Kaufman 1949), and of the infinite lattice with its spontaneous magnetization (Onsager 1944; Yang
1952).  K = beta J enters throughout.  The critical point of phi^4 is not known exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.workflow.target.axes import Axes

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "BINDER_CRITICAL",
    "continuum_coupling",
    "critical_coupling",
    "exact_of",
    "is_square_ising",
    "lines",
]

N_CURVE = 241  # points of a line
BINDER_CRITICAL = 0.61069  # of the square torus; Kamieniarz and Bloete, J. Phys. A 26 (1993) 201


def exact_of(target: Any) -> dict[str, float]:
    """Return what is known exactly of a target, by the names of the estimates.

    Nothing where no oracle reaches.  A magnetization that a symmetry makes zero is left out: the
    sign of chains in a broken phase is the one that they started with.
    """
    from physgen.exact import exact_values

    try:
        known = exact_values(target)
    except InputError:
        return {}
    hidden: set[str] = {"magnetization"} if declared(target).is_even else set()
    return {
        str(name): float(value)
        for name, value in known.data_vars.items()
        if value.ndim == 0 and name not in hidden and not str(name).endswith("_error")
    }


def is_square_ising(axes: Axes) -> bool:
    """Whether Kaufman's formula holds: one J, no field, L x L tori, scanned in beta."""
    return _square_ising_J(axes) is not None


def critical_coupling(axes: Axes) -> float | None:
    """Return where the transition of the infinite lattice is, if that is known exactly."""
    J = _square_ising_J(axes)
    return float(np.log1p(np.sqrt(2)) / 2 / J) if J is not None and J > 0 else None


def continuum_coupling(axes: Axes, at: float, error: float) -> tuple[float, float] | None:
    """Return lambda / mu^2 of two-dimensional phi^4 at a coupling of the scan, and its error.

    See :mod:`physgen.exact.tadpole`.  None of any other target, and where the coupling is not that
    of a self-interacting field in two dimensions.
    """
    system = axes.section.system
    if system is None or axes.coupling not in ("m2", "kappa", "lam"):
        return None
    from physgen.exact.tadpole import renormalised_coupling
    from physgen.targets import Phi4

    try:
        targets = [axes.target(axes.extents[0], at + shift) for shift in (0, error, -error)]
        if not isinstance(targets[0], Phi4):
            return None
        f, above, below = (renormalised_coupling(target) for target in targets)
    except InputError:
        return None
    return f, abs(above - below) / 2


def _square_ising_J(axes: Axes) -> float | None:
    """Return the J of a square Ising model that is scanned in beta, None of any other target.

    The first point decides, because the points of a system differ in L and in one coupling.  An
    own file is not asked: to read a finished run must not execute it.
    """
    L, value = axes.extents[0], axes.values[0]
    if axes.section.system is None or axes.coupling != "beta" or L is None:
        return None
    from physgen.exact.oracles import is_uniform_torus
    from physgen.targets import Ising

    target = axes.target(L, value)
    if not isinstance(target, Ising) or not is_uniform_torus(target):
        return None
    square = target.event_shape == (L, L) and target.beta == value
    return float(target.bond_couplings[0]) if square else None


def lines(axes: Axes) -> xr.Dataset | None:
    """Return what is known on a fine grid of the coupling: dims (L, curve), infinite: (curve)."""
    J = _square_ising_J(axes)
    if J is None:
        return None
    import xarray as xr

    from physgen.exact import onsager

    values = np.array(axes.values, dtype=float)
    x = np.linspace(float(values.min()), float(values.max()), N_CURVE)
    critical = critical_coupling(axes)
    if critical is not None and x[0] < critical < x[-1]:
        # The infinite lattice is singular here: points ever closer on either side, none at it.
        near = float(np.ptp(x)) * np.logspace(-6, -2, 17)
        x = np.unique(np.concatenate([x[x != critical], critical - near, critical + near]))
    found = {name: (("L", "curve"), y) for name, y in _torus(axes, x, J).items()}
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


def _torus(axes: Axes, x: np.ndarray, J: float) -> dict[str, np.ndarray]:
    from physgen.exact import kaufman

    extents = [L for L in axes.extents if L is not None]
    energy = [J * kaufman.energy_per_site(J * x, (L, L)) for L in extents]
    heat = [kaufman.specific_heat(J * x, (L, L)) for L in extents]
    return {"energy_per_site": np.array(energy), "specific_heat": np.array(heat)}

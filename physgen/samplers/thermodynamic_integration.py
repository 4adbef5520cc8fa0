r"""log Z along the couplings of a tempering run, from the energies of its replicas.

With :math:`S_\beta = S_c + \beta E` the slope is :math:`d \log Z / d\beta = -\langle E \rangle`,
and its own slope is :math:`\mathrm{Var}\, E`, so over a step h between neighbours

.. math:: \log \frac{Z_{\beta + h}}{Z_\beta} = -\frac h2 \big( \langle E \rangle_\beta +
          \langle E \rangle_{\beta + h} \big) + \frac{h^2}{12} \big( \mathrm{Var}_\beta E -
          \mathrm{Var}_{\beta + h} E \big) + O(h^5)

(Euler and Maclaurin).  Beside it stands the value that needs no integral: the root of

.. math:: \Big\langle \frac{1}{1 + e^{hE + \Delta}} \Big\rangle_\beta =
          \Big\langle \frac{1}{1 + e^{-hE - \Delta}} \Big\rangle_{\beta + h} , \qquad
          \Delta = \log \frac{Z_{\beta + h}}{Z_\beta}

(Bennett, J. Comput. Phys. 22, 245 (1976)).  Where both differ, the ladder is too coarse for an
integral.  Errors are linearised: every draw of a replica enters all steps that the replica belongs
to with one weight, and the series of weights has the error of a mean of correlated draws.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis.errors import mean_estimate
from physgen.core.checks import check_finite
from physgen.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["thermodynamic_integration"]

_APART = 4.0  # errors by which integral and Bennett's root may differ


def thermodynamic_integration(
    ds: xr.Dataset,
    *,
    log_z_start: float = 0.0,
    coupling: str = "beta",
    energy: str = "energy",
) -> xr.Dataset:
    r"""Return log Z at every coupling of a run of `ParallelTempering`.

    Parameters
    ----------
    ds : Dataset
        With `energy` of dims (chain, draw, coupling), as ``run`` returns it.
    log_z_start : float
        log Z at the first coupling, e.g. :math:`N \log 2` of spins at beta = 0; 0 gives log Z
        relative to it.
    coupling, energy : str
        The action is linear in `coupling`, with slope `energy`.

    Returns
    -------
    Dataset
        By the coupling: ``log_z`` (the integral), ``log_z_bennett``, each with ``..._error``;
        ``attrs["warnings"]`` says where they disagree.

    Raises
    ------
    InputError
        If the dataset has no such series, or fewer than two couplings.
    """
    import xarray as xr

    if energy not in ds or coupling not in ds[energy].dims:
        raise InputError(
            f"the run must have {energy} with the dimension {coupling}, got "
            f"{sorted(map(str, ds.data_vars))}; sample with ParallelTempering"
        )
    series = ds[energy].transpose("chain", "draw", coupling).values.astype(np.float64)
    betas = ds[coupling].values.astype(np.float64)
    if len(betas) < 2 or not np.isfinite(series).all():
        raise InputError(
            f"{energy} must be finite numbers at two or more values of {coupling}, got "
            f"{len(betas)} values"
        )
    start = check_finite("log_z_start", log_z_start)
    integral = _cumulative(*_integral_steps(series, betas))
    root = _cumulative(*_bennett_steps(series, betas))
    data: dict[str, Any] = {}
    for name, (value, error), said in (
        ("log_z", integral, "log Z, integral of -<E>"),
        ("log_z_bennett", root, "log Z, Bennett's acceptance ratio"),
    ):
        data[name] = (coupling, start + value, {"long_name": said, "units": "1"})
        data[f"{name}_error"] = (coupling, error, {"long_name": f"error of {name}", "units": "1"})
    apart = np.abs(integral[0] - root[0])
    worst = int(np.argmax(apart))
    said = ""
    if apart[worst] > _APART * math.hypot(integral[1][worst], root[1][worst]):
        said = (
            f"the integral and Bennett's root differ by {apart[worst]:.2g} at {coupling} = "
            f"{betas[worst]:.6g}: take more values of {coupling}, or the root"
        )
    attrs = {"warnings": said, "exactness": "asymptotic", "exactness_for": "the target"}
    return xr.Dataset(data, coords={coupling: betas}, attrs=attrs)


_Steps = tuple[np.ndarray, np.ndarray, np.ndarray]


def _integral_steps(E: np.ndarray, betas: np.ndarray) -> _Steps:
    """Return every step's change of log Z, and the weights of draws of its lower and upper end."""
    h = np.diff(betas)
    mean, variance = E.mean(axis=(0, 1)), E.var(axis=(0, 1))
    change = -h / 2 * (mean[:-1] + mean[1:]) + h**2 / 12 * (variance[:-1] - variance[1:])
    off = E - mean
    square = off**2 - variance
    lower = -h / 2 * off[..., :-1] + h**2 / 12 * square[..., :-1]
    upper = -h / 2 * off[..., 1:] - h**2 / 12 * square[..., 1:]
    return change, lower, upper


def _bennett_steps(E: np.ndarray, betas: np.ndarray) -> _Steps:
    change, lower, upper = [], [], []
    for k, h in enumerate(np.diff(betas)):
        a, b = h * E[..., k], h * E[..., k + 1]
        low = -max(float(a.max()), float(b.max())) - 1
        high = -min(float(a.min()), float(b.min())) + 1
        for _ in range(60):
            delta = 0.5 * (low + high)
            below = _fermi(a + delta).mean() > _fermi(-b - delta).mean()
            low, high = (delta, high) if below else (low, delta)
        f, g = _fermi(a + delta), _fermi(-b - delta)
        slope = float((f * (1 - f)).mean() + (g * (1 - g)).mean())
        change.append(delta)
        lower.append((f - f.mean()) / slope)
        upper.append(-(g - g.mean()) / slope)
    return np.array(change), np.stack(lower, axis=-1), np.stack(upper, axis=-1)


def _fermi(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 - np.tanh(0.5 * x))


def _cumulative(
    change: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return log Z - log Z_0 at every coupling, and its error."""
    n = len(change) + 1
    value, error = np.concatenate([[0.0], np.cumsum(change)]), np.zeros(n)
    inner = [_error(upper[..., k - 1] + lower[..., k]) ** 2 for k in range(1, n - 1)]
    first = _error(lower[..., 0]) ** 2
    for k in range(1, n):
        last = _error(upper[..., k - 1]) ** 2
        error[k] = math.sqrt(first + sum(inner[: k - 1]) + last)
    return value, error


def _error(x: np.ndarray) -> float:
    return mean_estimate(x).error

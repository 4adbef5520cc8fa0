r"""Observables from measurement outcomes, by dual frames.

A product of Pauli matrices has the unbiased one-shot estimate :math:`\prod_i w_{P_i}(a_i)` (see
:mod:`physgen.quantum.povm`), so from n independent shots

.. math:: \langle O \rangle \approx \frac1n \sum_s o_s, \qquad
          \text{standard error} = \mathrm{std}(o) / \sqrt n .

The shots must be independent.  Applied to samples of a model, the standard error is that of the
sampling alone: it does not contain how far the model is from the truth.

Estimates are linear in the data and know nothing of positivity, so even those of a perfect
measurement leave their physical range by chance, half of the time where the truth is on its edge.
``*_unphysical`` flags a value outside by more than z standard errors, with z such that among all
the values of one observable (Bonferroni) a false alarm has probability at most 1e-3: 3.1 for the
energy, 4.1 for <X_i> on 50 sites.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.quantum.povm import POVM
from physgen.quantum.tfim import TFIM, central_pairs

__all__ = ["estimate_observables", "observables_dataset", "shot_values"]

FALSE_ALARM = 1e-3  # of the flags of one observable, all its values together

_DIMS = {"energy": (), "x": ("site",), "z": ("site",), "zz": ("pair",)}
_DIMS |= {"x_mean": (), "z_mean": ()}
_UNITS = {"energy": "unit of J and h"}  # all others are pure numbers
_LONG_NAMES = {
    "energy": "total energy <H>",
    "x": "<X_i>",
    "z": "<Z_i>",
    "zz": "<Z_i Z_{i+r}>",
    "x_mean": "mean over sites of <X_i>",
    "z_mean": "mean over sites of <Z_i>",
}


def estimate_observables(
    outcomes: Any, povm: POVM, tfim: TFIM | None = None, *, batch_size: int = 16384
) -> xr.Dataset:
    """Estimate energy, <X_i>, <Z_i> and <Z_c Z_{c+r}> with standard errors.

    Parameters
    ----------
    outcomes : array_like of int, shape (n, L)
        Independent shots, n >= 2.
    povm : POVM
        The measurement that they belong to.
    tfim : TFIM, optional
        The Hamiltonian whose energy is wanted; without one there is no energy.
    batch_size : int
        Shots handled at a time; it bounds the memory, not the result.

    Returns
    -------
    xarray.Dataset
        ``energy``, ``x`` and ``z`` (site), ``zz`` (pair, with coords i and r), ``x_mean``,
        ``z_mean``; each with ``*_error`` and an int8 flag ``*_unphysical``.  The flags of all
        values of one observable together raise a false alarm with probability at most
        ``attrs["unphysical_level"]``.
    """
    x = povm.check_outcomes(outcomes, None if tfim is None else tfim.L)
    if x.ndim != 2 or len(x) < 2 or x.shape[1] < 2:
        raise InputError(
            f"outcomes must be at least 2 shots of shape (n, L), L >= 2, got {x.shape}"
        )
    check_positive_int("batch_size", batch_size)
    n = 0
    mean: dict[str, np.ndarray] = {}
    scatter: dict[str, np.ndarray] = {}  # sum of squared deviations from the mean
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        m, n = len(batch), n + len(batch)
        for name, value in shot_values(batch, povm, tfim).items():
            batch_mean = value.mean(axis=0)
            batch_scatter = ((value - batch_mean) ** 2).sum(axis=0)
            if start == 0:
                mean[name], scatter[name] = batch_mean, batch_scatter
                continue
            shift = batch_mean - mean[name]
            mean[name] = mean[name] + shift * (m / n)
            scatter[name] = scatter[name] + batch_scatter + shift**2 * (m * (n - m) / n)
    errors = {name: np.sqrt(s / (n - 1) / n) for name, s in scatter.items()}
    ds = observables_dataset(
        tfim,
        energy=None if tfim is None else float(mean["energy"]),
        x=mean["x"],
        z=mean["z"],
        zz=mean["zz"],
        estimator="dual frame, mean over shots; error = std / sqrt(n), independent shots",
        exactness="asymptotic",
    )
    for name, error in errors.items():
        dims, value = _DIMS[name], ds[name].to_numpy()
        ds[f"{name}_error"] = (dims, error, _named(f"standard error of {name}", name))
        if name == "energy" and tfim is not None:
            outside, rule = tfim.ground_state_energy() - value, "below the ground-state energy"
        else:
            outside, rule = np.abs(value) - 1.0, "outside [-1, 1]"
        z = NormalDist().inv_cdf(1 - FALSE_ALARM / value.size)
        ds[f"{name}_unphysical"] = (
            dims,
            (outside > z * error + 1e-12).astype(np.int8),
            {"long_name": f"1 where {name} is {rule} by more than {z:.2f} standard errors"},
        )
    ds.attrs |= {"n": n, "povm": povm.name, "unphysical_level": FALSE_ALARM}
    return ds


def shot_values(
    outcomes: np.ndarray, povm: POVM, tfim: TFIM | None = None
) -> dict[str, np.ndarray]:
    """Return the one-shot estimate of every observable, arrays of shape (n, ...)."""
    wx = povm.weights("X")[outcomes]
    wz = povm.weights("Z")[outcomes]
    i, r = central_pairs(outcomes.shape[1])
    values = {
        "x": wx,
        "z": wz,
        "zz": wz[:, i] * wz[:, i + r],
        "x_mean": wx.mean(axis=1),
        "z_mean": wz.mean(axis=1),
    }
    if tfim is None:
        return values
    coupling = np.einsum("ni,ni->n", wz[:, :-1], wz[:, 1:])
    if tfim.boundary == "periodic":
        coupling += wz[:, -1] * wz[:, 0]
    return {"energy": -tfim.J * coupling - tfim.h * wx.sum(axis=1)} | values


def observables_dataset(
    tfim: TFIM | None,
    *,
    energy: float | None,
    x: np.ndarray,
    z: np.ndarray,
    zz: np.ndarray,
    estimator: str,
    exactness: str,
) -> xr.Dataset:
    """Label the observables of a chain: one form for estimates and for exact values."""
    i, r = central_pairs(len(x))
    values = {"x": x, "z": z, "zz": zz, "x_mean": float(np.mean(x)), "z_mean": float(np.mean(z))}
    if energy is not None:
        values = {"energy": energy} | values
    hamiltonian = {} if tfim is None else tfim.attrs()
    return xr.Dataset(
        {
            name: (_DIMS[name], value, _named(_LONG_NAMES[name], name))
            for name, value in values.items()
        },
        coords={
            "site": ("site", np.arange(len(x)), {"long_name": "site, from 0"}),
            "i": ("pair", i, {"long_name": "first site of the pair"}),
            "r": ("pair", r, {"long_name": "distance of the pair"}),
        },
        attrs=hamiltonian | {"estimator": estimator, "exactness": exactness},
    )


def _named(long_name: str, quantity: str) -> dict[str, str]:
    return {"long_name": long_name, "units": _UNITS.get(quantity, "1")}

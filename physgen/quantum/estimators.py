r"""Observables from measurement outcomes, by dual frames.

A product of Pauli matrices has the unbiased one-shot estimate :math:`\prod_i w_{P_i}(a_i)` (see
:mod:`physgen.quantum.povm`), so from n independent shots

.. math:: \langle O \rangle \approx \frac1n \sum_s o_s, \qquad
          \text{standard error} = \mathrm{std}(o) / \sqrt n .

The shots must be independent.  Shots in labelled settings are not, and use the estimates of
:mod:`physgen.quantum.pooled` instead.  For samples of a model, the standard error covers only the
sampling, not the distance of the model from the truth.

Estimates are linear in the data and ignore positivity.  Even with a perfect measurement they leave
their physical range by chance, half of the time if the true value is on the edge.
``*_unphysical`` flags a value that is outside by more than z standard errors; z is chosen such
that a false alarm among all values of one observable (Bonferroni) has probability at most 1e-3:
3.1 for the energy, 4.1 for <X_i> on 50 sites.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.quantum.duals import cross_fitted_weights
from physgen.quantum.energies import energy_floor, sum_of, unseen_observables
from physgen.quantum.hamiltonians import Hamiltonian
from physgen.quantum.operators import add_operators, as_operators, operator_values, unseen
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.povm import POVM
from physgen.quantum.shots import ShotFile
from physgen.quantum.site_povm import SitePOVM, of_outcomes
from physgen.quantum.tfim import TFIM, central_pairs

if TYPE_CHECKING:
    from physgen.quantum.data import MeasurementData

__all__ = ["estimate_observables", "observables_dataset", "shot_values"]

FALSE_ALARM = 1e-3  # probability for one observable, all its values together

_DIMS = {"energy": (), "x": ("site",), "z": ("site",), "zz": ("pair",)}
_DIMS |= {"x_mean": (), "z_mean": ()}
_LONG_NAMES = {
    "energy": "total energy <H>",
    "x": "<X_i>",
    "z": "<Z_i>",
    "zz": "<Z_i Z_{i+r}>",
    "x_mean": "mean over sites of <X_i>",
    "z_mean": "mean over sites of <Z_i>",
}


def estimate_observables(
    outcomes: MeasurementData | Any,
    povm: POVM | SitePOVM | None = None,
    tfim: Hamiltonian | None = None,
    *,
    batch_size: int = 16384,
    error: str = "strata",
    duals: str = "canonical",
    operators: Mapping[str, PauliSum | str] | None = None,
) -> xr.Dataset:
    """Estimate energy, <X_i>, <Z_i>, <Z_c Z_{c+r}> and operators of your own, with errors.

    Parameters
    ----------
    outcomes : MeasurementData, or array_like of int, shape (n, L)
        Shots, n >= 2.  Shots in an array are taken as independent.
    povm : POVM, optional
        The measurement of an array of outcomes; MeasurementData has its own.
    tfim : Hamiltonian, optional
        The Hamiltonian for the energy (default: the one in the MeasurementData), a TFIM or any
        other; without one there is no energy.
    batch_size : int
        Shots handled at a time; it affects the memory, not the result.
    error : {"strata", "cluster"}
        Standard errors of shots in labelled settings, see :mod:`physgen.quantum.pooled`.
    duals : {"canonical", "optimised"}
        Optimised duals are adapted to the state of each site (:mod:`physgen.quantum.duals`): a
        smaller error of <X_i> and <Z_i>, and mostly of the rest.  Only for shots without labels.
    operators : mapping of str to PauliSum or str, optional
        Hermitian operators by name, such as ``{"heisenberg": "sum XX + YY + ZZ"}``; ``sum`` goes
        around where the Hamiltonian is periodic (:mod:`physgen.quantum.operators`).

    Returns
    -------
    xarray.Dataset
        ``energy``, ``x`` and ``z`` (site), ``zz`` (pair, with coords i and r), ``x_mean``,
        ``z_mean``, and the operators; each with ``*_error`` and an int8 flag ``*_unphysical``.
        The flags of all values of one observable together raise a false alarm with probability
        at most ``attrs["unphysical_level"]``.  What the measurement does not determine is
        absent (for labelled settings: NaN on those sites) and named in ``attrs["missing"]``.

    Raises
    ------
    InputError
        If the shots determine none of these.
    """
    from physgen.quantum.data import MeasurementData

    check_positive_int("batch_size", batch_size)
    check_choice("error", error, ("strata", "cluster"))
    check_choice("duals", duals, ("canonical", "optimised"))
    settings = None
    if isinstance(outcomes, MeasurementData):
        data = outcomes if povm is None else outcomes.require(povm)
        povm, tfim, settings = data.povm, tfim or data.hamiltonian, data.setting_table
        outcomes = data.outcomes
    if povm is None:
        raise InputError("povm must be given with an array of outcomes, got none")
    if not isinstance(outcomes, ShotFile):  # a ShotFile checks its own rows
        outcomes = povm.check_outcomes(outcomes)
    x: Any = outcomes
    if x.ndim != 2 or len(x) < 2 or x.shape[1] < 1:
        raise InputError(f"outcomes must be at least 2 shots of shape (n, L), got {x.shape}")
    if tfim is not None and x.shape[1] != tfim.L:
        raise InputError(f"outcomes must have shape (n, {tfim.L}), got {x.shape}")
    ring = tfim is not None and tfim.boundary == "periodic"
    own = as_operators(operators, x.shape[1], "periodic" if ring else "open")
    # A TFIM has sums of its own for the energy; that of any other Hamiltonian is an operator.
    chain = tfim if isinstance(tfim, TFIM) else None
    terms = sum_of(tfim)
    wanted = own if terms is None else own | {"energy": terms}
    if settings is not None and duals == "optimised":
        raise InputError(
            "duals must be 'canonical' for labelled settings, whose estimates use none, "
            "got 'optimised'"
        )
    if settings is not None:
        from physgen.quantum.pooled import pooled_estimates
        from physgen.quantum.pooled_operators import pooled_operators

        mean, errors, missing, estimator = pooled_estimates(
            x, settings, chain, batch_size, error, povm
        )
        means, own_errors, lost = pooled_operators(x, settings, wanted, povm, batch_size, error)
        if "energy" in means:
            mean["energy"] = np.array(means["energy"])
            errors["energy"] = np.array(own_errors["energy"])
    else:
        weights = cross_fitted_weights(x, povm, batch_size) if duals == "optimised" else None
        lost = unseen(wanted, povm, len(x))
        seen = {name: operator for name, operator in wanted.items() if name not in lost}
        mean, errors = _sample_means(x, povm, chain, batch_size, weights, seen)
        means, own_errors = mean, errors
        missing = unseen_observables(povm, chain)
        frame = "dual frame" if weights is None else "optimised duals, cross-fitted"
        estimator = f"{frame}, mean over shots; error = std / sqrt(n), independent shots"
    missing = "; ".join(filter(None, [missing, *lost.values()]))
    if not mean and not means:
        raise InputError(f"some observable must be seen by the settings, got none: {missing}")
    ds = observables_dataset(
        tfim,
        energy=float(mean["energy"]) if "energy" in mean else None,
        x=mean.get("x"),
        z=mean.get("z"),
        zz=mean.get("zz"),
        estimator=estimator,
        exactness="asymptotic",
        n_sites=x.shape[1],
    )
    for name in [name for name in errors if name in ds]:
        _add_error(ds, name, errors[name], tfim)
    ds = add_operators(ds, own, means, own_errors, FALSE_ALARM)
    ds.attrs |= {"n": len(x), "povm": povm.name, "unphysical_level": FALSE_ALARM}
    if missing:
        ds.attrs["missing"] = missing
    return ds


def _sample_means(
    x: np.ndarray,
    povm: POVM | SitePOVM,
    tfim: TFIM | None,
    batch_size: int,
    weights: tuple[np.ndarray, np.ndarray] | None,
    operators: Mapping[str, PauliSum],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the mean over shots of every observable, and its standard error."""
    n = 0
    mean: dict[str, np.ndarray] = {}
    scatter: dict[str, np.ndarray] = {}  # sum of squared deviations from the mean
    for batch, w in _batches(x, batch_size, weights):
        m, n = len(batch), n + len(batch)
        found = shot_values(batch, povm, tfim, w) | operator_values(batch, povm, operators, w)
        for name, value in found.items():
            batch_mean = value.mean(axis=0)
            batch_scatter = ((value - batch_mean) ** 2).sum(axis=0)
            if name not in mean:
                mean[name], scatter[name] = batch_mean, batch_scatter
                continue
            shift = batch_mean - mean[name]
            mean[name] = mean[name] + shift * (m / n)
            scatter[name] = scatter[name] + batch_scatter + shift**2 * (m * (n - m) / n)
    return mean, {name: np.sqrt(s / (n - 1) / n) for name, s in scatter.items()}


def _batches(
    x: np.ndarray, batch_size: int, weights: tuple[np.ndarray, np.ndarray] | None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield shots, with the weights of the even and the odd ones if there are any."""
    for start in range(0, len(x), batch_size):
        batch = x[start : start + batch_size]
        if weights is None:
            yield batch, None
            continue
        for parity in (0, 1):
            rows = batch[(parity - start) % 2 :: 2]
            if len(rows):
                yield rows, weights[parity]


def _add_error(ds: xr.Dataset, name: str, error: np.ndarray, tfim: Hamiltonian | None) -> None:
    """Add the standard error of an observable, and the flags of unphysical values."""
    dims, value = _DIMS[name], ds[name].to_numpy()
    units = ds[name].attrs["units"]
    ds[f"{name}_error"] = (dims, error, _named(f"standard error of {name}", units))
    if name == "energy" and tfim is not None:
        floor, rule = energy_floor(tfim)
        outside = floor - value
    else:
        outside, rule = np.abs(value) - 1.0, "outside [-1, 1]"
    z = NormalDist().inv_cdf(1 - FALSE_ALARM / value.size)
    ds[f"{name}_unphysical"] = (
        dims,
        (outside > z * error + 1e-12).astype(np.int8),
        {"long_name": f"1 where {name} is {rule} by more than {z:.2f} standard errors"},
    )


def shot_values(
    outcomes: np.ndarray,
    povm: POVM | SitePOVM,
    tfim: TFIM | None = None,
    weights: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return the one-shot estimate of every observable that the POVM determines, shape (n, ...).

    Parameters
    ----------
    outcomes : ndarray of int, shape (n, L)
    povm : POVM
    tfim : TFIM, optional
    weights : ndarray, shape (L, K, 4), optional
        Weights of duals other than the canonical ones, P in the order I, X, Y, Z.

    Raises
    ------
    InputError
        If the POVM determines neither X nor Z.
    """
    if weights is not None:
        of_shot = weights[np.arange(len(weights)), outcomes]
        wx, wz = of_shot[..., 1], of_shot[..., 3]
    else:
        wx = of_outcomes(povm.weights("X"), outcomes) if povm.sees("X") else None
        # A POVM that determines neither is refused here, by name.
        see_z = povm.sees("Z") or wx is None
        wz = of_outcomes(povm.weights("Z"), outcomes) if see_z else None
    values: dict[str, np.ndarray] = {}
    if wx is not None:
        values |= {"x": wx, "x_mean": wx.mean(axis=1)}
    if wz is not None:
        i, r = central_pairs(outcomes.shape[1])
        values |= {"z": wz, "z_mean": wz.mean(axis=1)}
        if len(i):  # a single site has no pair
            values["zz"] = wz[:, i] * wz[:, i + r]
    if tfim is None or wx is None or wz is None:
        return values
    coupling = np.einsum("ni,ni->n", wz[:, :-1], wz[:, 1:])
    if tfim.boundary == "periodic":
        coupling += wz[:, -1] * wz[:, 0]
    return {"energy": -tfim.J * coupling - tfim.h * wx.sum(axis=1)} | values


def observables_dataset(
    tfim: Hamiltonian | None,
    *,
    energy: float | None,
    x: np.ndarray | None,
    z: np.ndarray | None,
    zz: np.ndarray | None,
    estimator: str,
    exactness: str,
    n_sites: int | None = None,
) -> xr.Dataset:
    """Label the observables of a chain, in the same way for estimates and exact values.

    Observables that are None are left out, as are means over sites that would be NaN.
    """
    known = x if x is not None else z
    n_sites = n_sites if known is None else len(known)
    if n_sites is None:
        raise InputError("x or z must be given to tell the number of sites, got neither")
    i, r = central_pairs(n_sites)
    if zz is not None and not np.size(zz):  # a single site has no pair
        zz = None
    given = {"energy": energy, "x": x, "z": z, "zz": zz}
    given |= {"x_mean": _mean(x), "z_mean": _mean(z)}
    hamiltonian = {} if tfim is None else tfim.attrs()
    units = {"energy": hamiltonian.get("energy_units", "unit of J and h")}  # others: 1
    return xr.Dataset(
        {
            name: (_DIMS[name], value, _named(_LONG_NAMES[name], units.get(name, "1")))
            for name, value in given.items()
            if value is not None
        },
        coords={
            "site": ("site", np.arange(n_sites), {"long_name": "site, from 0"}),
            "i": ("pair", i, {"long_name": "first site of the pair"}),
            "r": ("pair", r, {"long_name": "distance of the pair"}),
        },
        attrs=hamiltonian | {"estimator": estimator, "exactness": exactness},
    )


def _mean(profile: np.ndarray | None) -> float | None:
    mean = np.nan if profile is None else float(np.mean(profile))
    return None if np.isnan(mean) else mean


def _named(long_name: str, units: str) -> dict[str, str]:
    return {"long_name": long_name, "units": units}

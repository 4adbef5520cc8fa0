r"""Fidelity, purity and entropy of a physical state, with bootstrap errors, bias and intervals.

The states of :func:`maximum_likelihood` and :func:`project` are positive, so noise can only mix a
pure state: their fidelity with a pure target is biased *downwards* and their entropy upwards.  An
interval from the plain spread of resampled estimates :math:`\theta^*` would miss the true value.
With :math:`\hat\theta` the estimate,

.. math:: \text{bias} = \overline{\theta^*} - \hat\theta, \qquad
          \text{error} = \mathrm{std}(\theta^*), \qquad
          \text{interval} = [\, 2 \hat\theta - q_{(1+c)/2}, \; 2 \hat\theta - q_{(1-c)/2} \,]

with q the quantiles of :math:`\theta^*`: the basic interval, which corrects for the bias, cut at
the physical range.  Resampling measures the bias at the reconstructed state, which is already
mixed, not at the true state; near the edge of the state space the intervals are therefore
approximate.  Measured coverage of 68 % and 95 % intervals (parametric, 100 data sets of two qubits
in pauli-6, a Bell state with 5 % of the mixed state):

==================  ======  ==============  ==============
method              shots   fidelity        purity
==================  ======  ==============  ==============
maximum-likelihood   5,000  0.69, 0.96      0.71, 0.94
maximum-likelihood     500  0.65, 0.82      0.60, 0.75
nearest-state          500  0.59, 0.93      0.54, 0.87
direct estimates       500  0.70, 0.97      0.70, 0.96
==================  ======  ==============  ==============

So for a pure target use :func:`direct_estimates`, which are unbiased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.quantum.data import MeasurementData
from physgen.quantum.tomography.frequencies import Counts, check_sites, count
from physgen.quantum.tomography.functionals import Target, as_target, purity, reduced
from physgen.quantum.tomography.inversion import linear_inversion
from physgen.quantum.tomography.likelihood import maximum_likelihood
from physgen.quantum.tomography.projection import project
from physgen.quantum.tomography.reconstruction import Reconstruction
from physgen.quantum.tomography.resampling import drawn_again, drawn_from
from physgen.quantum.tomography.tables import LEVELS, add_entropy, add_number, empty_table

__all__ = ["METHODS", "bootstrap_estimates"]

METHODS: dict[str, Callable[[Counts], Reconstruction]] = {
    "maximum-likelihood": maximum_likelihood,
    "nearest-state": lambda counts: project(linear_inversion(counts)),
}


def bootstrap_estimates(
    data: MeasurementData | Counts,
    target: Any = None,
    *,
    method: str = "maximum-likelihood",
    resampling: str = "parametric",
    blocks: Sequence[Sequence[int]] = (),
    n_resamples: int = 200,
    rng: Stream | int,
) -> xr.Dataset:
    """Estimate fidelity, purity and entropy by reconstruction, with bootstrap errors.

    Parameters
    ----------
    data : MeasurementData or Counts
        At most 10 sites in an informationally complete POVM.
    target : MPS, DensityMatrix or array_like, optional
        The pure or mixed target state of the fidelity; an array has shape (2^L,) or (2^L, 2^L).
    method : {"maximum-likelihood", "nearest-state"}
    resampling : {"parametric", "nonparametric"}
        Fresh shots of the reconstructed state, or the measured shots drawn again.
    blocks : sequence of sequences of int
        Blocks of sites for the purity and entropy of reduced states.
    n_resamples : int
        At least 50; the ends of the 95 % interval need 200 or more.
    rng : Stream or int

    Returns
    -------
    Dataset
        The names of :func:`direct_estimates`, with ``*_bias`` of fidelity and purities; values
        belong to the state and are not corrected.  ``rho_real`` and ``rho_imag`` (row, column).

    Raises
    ------
    InputError
        If method or resampling are unknown, there are fewer than 50 resamples, or a block names a
        site that is not there.
    """
    run = METHODS[check_choice("method", method, tuple(METHODS))]
    check_choice("resampling", resampling, ("parametric", "nonparametric"))
    check_positive_int("n_resamples", n_resamples, 50)
    counts = count(data)
    goal = None if target is None else as_target(target, counts.L)
    sites = [check_sites(block, counts.L) for block in blocks]
    found = run(counts)
    stream = as_stream(rng).child("bootstrap", resampling)
    repeated: list[dict[str, Any]] = []
    not_converged = 0
    for k in range(n_resamples):
        generator = stream.at(k).numpy()
        if resampling == "parametric":
            again = drawn_from(found.rho, counts, generator)
        else:
            again = drawn_again(counts, generator)
        state = run(again)
        not_converged += not state.details.get("converged", 1)
        repeated.append(_numbers(state.rho, goal, sites))
    ds = empty_table(blocks, {})
    best = _numbers(found.rho, goal, sites)
    for name, value in best.items():
        theta = np.stack([numbers[name] for numbers in repeated])
        least = np.array({"purity": 0.5**counts.L}.get(name, 0.0))
        if name == "block_purity":
            least = 0.5 ** np.array([len(block) for block in sites])
        _add(ds, name, value, theta, least)
    ds = ds.merge(found.to_dataset(), combine_attrs="drop")
    ds.attrs = found.to_dataset().attrs | {
        "errors": f"{resampling} bootstrap, {n_resamples} resamples",
        "intervals": "basic bootstrap, cut at the physical range",
        "resamples_not_converged": not_converged,
    }
    return ds


def _numbers(rho: np.ndarray, goal: Target | None, blocks: list[list[int]]) -> dict[str, Any]:
    numbers = {} if goal is None else {"fidelity_squared": np.array(goal.fidelity(rho))}
    numbers["purity"] = np.array(purity(rho))
    if blocks:
        numbers["block_purity"] = np.array([purity(reduced(rho, sites)) for sites in blocks])
    return numbers


def _add(
    ds: xr.Dataset, name: str, value: np.ndarray, theta: np.ndarray, lowest: np.ndarray
) -> None:
    """Add a quantity in the range [lowest, 1] from its resampled estimates, (n_resamples, ...)."""
    tails = np.array([[(1 + level) / 2, (1 - level) / 2] for level in LEVELS])
    quantiles = np.moveaxis(np.quantile(theta, tails, axis=0), (0, 1), (-2, -1))
    bounds = np.clip(2 * value[..., None, None] - quantiles, lowest[..., None, None], 1.0)
    error = theta.std(axis=0, ddof=1)
    add_number(ds, name, value, error, bounds)
    about = {"units": "1", "long_name": f"bootstrap estimate of the bias of {name}"}
    ds[f"{name}_bias"] = (ds[name].dims, theta.mean(axis=0) - value, about)
    if name.endswith("purity"):
        add_entropy(ds, name.replace("purity", "renyi2"), value, error, bounds)

r"""Errors of observables that come from the errors of learned couplings.

For :math:`S = \sum_a g_a O_a` an error :math:`\delta g` of the couplings moves an observable by
the linear response

.. math:: \delta \langle f \rangle = -\sum_a \delta g_a \,
          \big[ \langle f O_a \rangle - \langle f \rangle \langle O_a \rangle \big] ,

so couplings of covariance :math:`C = \sum_k \sigma_k^2 v_k v_k^T` give the variance
:math:`\sum_k (\partial_k f)^2 \sigma_k^2`.  The slopes are found by reweighting the chains by
:math:`e^{\mp h \sigma_k v_k \cdot O}`, for functions of means (susceptibilities, cumulants) as for
means, with h so small that the weights stay near 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from physgen.core.errors import InputError
from physgen.samplers.ensemble import Quantity, ensemble_of
from physgen.samplers.quantities import quantities_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["with_coupling_errors"]

_SPREAD = 0.1  # of the log weights, at most


def with_coupling_errors(
    table: xr.Dataset, draws: xr.Dataset, terms: np.ndarray, covariance: np.ndarray
) -> xr.Dataset:
    """Return estimates whose errors contain those of the couplings.

    Parameters
    ----------
    table : Dataset
        ``estimates(draws)``.
    draws : Dataset
        Observables of chains of the learned action, dims (chain, draw).
    terms : array (n_chains, n_draws, n_terms)
        O_a of every draw.
    covariance : array (n_terms, n_terms)
        Of the couplings.

    Returns
    -------
    Dataset
        The table with larger ``error``; ``error_of_chains`` and ``error_of_couplings`` beside it.

    Raises
    ------
    InputError
        If the shapes do not fit, or a number of the covariance is not finite.
    """
    shape = (draws.sizes["chain"], draws.sizes["draw"], len(covariance))
    if terms.shape != shape or not np.isfinite(covariance).all():
        raise InputError(
            f"terms must have shape {shape} and a finite covariance, got {terms.shape}"
        )
    found = [q for q in quantities_of(ensemble_of(draws)) if q.name in table["quantity"].values]
    variances, vectors = np.linalg.eigh(covariance)
    total = np.zeros(table.sizes["quantity"])
    for variance, vector in zip(variances, vectors.T, strict=True):
        if variance <= 0:
            continue
        response = np.sqrt(variance) * (terms @ vector)
        response -= response.mean()
        h = min(1.0, _SPREAD / max(float(response.std()), 1e-300))
        up, down = (_values(found, -sign * h * response) for sign in (1, -1))
        total += ((up - down) / (2 * h)) ** 2
    of_fit = np.sqrt(total)
    of_chains = table["error"].values
    return table.assign(
        error=("quantity", np.hypot(of_chains, of_fit)),
        error_of_chains=("quantity", of_chains),
        error_of_couplings=("quantity", of_fit),
    )


def _values(found: Sequence[Quantity], log_weight: np.ndarray) -> np.ndarray:
    """Return every quantity of draws with these log weights, which are small."""
    w = np.exp(log_weight)
    values: list[float] = []
    for q in found:
        means = [float((w * a).mean() / w.mean()) for a in q.series]
        values.append(means[0] if q.function is None else float(q.function(*means)))
    return np.array(values)

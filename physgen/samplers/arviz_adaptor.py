"""Chains as ArviZ takes them: for its plots and its tables, beside our own numbers.

ArviZ wants floats of dims (chain, draw, ...) in a group ``posterior``.  What is known of a chain
and not of a draw, such as acceptance rates, goes into ``sample_stats``.  Its ess and R-hat agree
with ours.  Its intervals are of the distribution of one draw, ours of the mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physgen.analysis.convergence import load_arviz
from physgen.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["to_arviz"]

KEPT = "configurations"


def to_arviz(draws: xr.Dataset) -> Any:
    """Return the draws of Markov chains as ArviZ's InferenceData.

    Parameters
    ----------
    draws : Dataset
        From `run`, or a group of chains of a run file; dims chain and draw.

    Returns
    -------
    arviz.InferenceData
        ``posterior``: every observable as float64, dims (chain, draw, ...).  Kept configurations
        go into ``unconstrained_posterior`` if they are fields; packed spins are left out, unpack
        them first (`unpack_configurations`).  ``sample_stats``: what is known of each chain.

    Raises
    ------
    InputError
        If the draws are not those of chains; weighted draws of a model are independent, and
        ArviZ has no place for their weights.

    Examples
    --------
    >>> import physgen as pg
    >>> draws = pg.run(pg.Wolff(), pg.Ising(L=4, beta=0.3), n_chains=64, n_draws=50, seed=1)
    >>> sorted(pg.to_arviz(draws).posterior.data_vars)
    ['energy', 'magnetization']
    """
    if not {"chain", "draw"} <= set(draws.dims):
        raise InputError(
            f"draws must have the dims chain and draw, got {tuple(draws.dims)}; of weighted draws "
            "physgen.estimates gives the numbers"
        )
    attrs = {name: value for name, value in draws.attrs.items() if name != "warmup"}
    posterior = draws[[n for n, v in draws.items() if {"chain", "draw"} <= set(v.dims)]]
    stats = draws[[n for n, v in draws.items() if "chain" in v.dims and "draw" not in v.dims]]
    groups = {"sample_stats": stats} if stats.data_vars else {}
    if KEPT in posterior:
        if posterior[KEPT].dtype.kind == "f":
            groups["unconstrained_posterior"] = posterior[[KEPT]].astype(float)
        posterior = posterior.drop_vars(KEPT)
    groups["posterior"] = posterior.astype(float).assign_attrs(attrs)
    return load_arviz().InferenceData(**groups)

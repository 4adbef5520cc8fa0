"""Numbers of phi^4 by cluster chains, for the claims that compare with them."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["phi4_by_clusters"]


@functools.cache
def phi4_by_clusters(
    n_chains: int, n_draws: int, seed: int, **parameters: Any
) -> dict[str, tuple[float, float]]:
    """Return (value, error) of every observable of one system ``phi4-2d``.

    Embedded clusters with local updates between them, half of the chains from a hot start; raises
    :class:`~physgen.core.errors.ChainTooShortError` if they have not converged.  The result is
    kept, so a claim may ask for one quantity after the other.

    Parameters
    ----------
    n_chains, n_draws : int
        Draws of each chain, two steps apart.
    parameters
        Of the system, such as convention, L, kappa and lam.
    """
    from physgen.catalogue import load_system
    from physgen.samplers import Phi4Cluster, estimates, run

    target = load_system("phi4-2d").target(**parameters)
    draws = run(
        Phi4Cluster(), target, n_chains=n_chains, n_draws=n_draws, thin=2, warmup=200, seed=seed
    )
    table = estimates(draws)
    numbers = (table[name].values for name in ("quantity", "value", "error"))
    return {str(q): (float(value), float(error)) for q, value, error in zip(*numbers)}

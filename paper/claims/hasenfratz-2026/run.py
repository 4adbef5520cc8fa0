"""Cluster chains at the same couplings."""

from physgen.claims.measured import phi4_by_clusters


def rebuild(row):
    found = phi4_by_clusters(
        n_chains=128, n_draws=1000, seed=1, convention="hopping", **row.parameters
    )
    return found[row.quantity]

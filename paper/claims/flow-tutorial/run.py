"""Cluster chains at the same couplings."""

from physgen.claims.measured import phi4_by_clusters


def rebuild(row):
    found = phi4_by_clusters(
        n_chains=256, n_draws=1000, seed=1, convention="unhalved", **row.parameters
    )
    return found[row.quantity]
